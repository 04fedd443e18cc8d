// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The file of --console=FILE, which a run that does not start leaves as it was.
#ifndef FIRN_VMM_CONSOLE_CONSOLE_FILE_H_
#define FIRN_VMM_CONSOLE_CONSOLE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

class ConsoleFile {
 public:
  // Opens for writing, and creates what is missing. Errors name the path and keep errno.
  static absl::StatusOr<ConsoleFile> Open(const std::string& path);

  // Removes a file that Open has created, unless it was kept.
  ~ConsoleFile();
  ConsoleFile(ConsoleFile&&) = default;
  ConsoleFile& operator=(ConsoleFile&&) = delete;

  // The run starts: empties a regular file. Errors: those of ftruncate.
  absl::Status Keep();

  int fd() const { return fd_.get(); }

 private:
  ConsoleFile(FileDescriptor fd, std::string created)
      : fd_(std::move(fd)), created_(std::move(created)) {}

  FileDescriptor fd_;
  std::string created_;  // the path of a new file that is not kept yet
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_CONSOLE_FILE_H_
