// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The firn binary.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "hypervisor/thread.h"
#include "vmm/base/timeline.h"
#include "vmm/commands/command.h"

namespace {

// A file that firn opens must not become stdin, stdout or stderr because those were closed.
void FillStandardFileDescriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  firn::Timeline timeline(&firn::ReadHostTimes);
  timeline.Mark("process started");
  FillStandardFileDescriptors();
  // One heap. A heap for each thread, which glibc makes otherwise, costs memory and system calls,
  // and firn's threads allocate little.
  mallopt(M_ARENA_MAX, 1);
  firn::UseSmallStacks();
  absl::InitializeLog();
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kWarning);
  const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return firn::Dispatch(arguments, timeline);
}
