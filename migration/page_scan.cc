// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/page_scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"
#include "migration/memory_file.h"

namespace firn {
namespace {

constexpr uint64_t kFileOrShared = uint64_t{1} << 61;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr size_t kEntries = 8192;  // read at once

}  // namespace

absl::StatusOr<PageSet> OwnPages(const GuestMemory& memory) {
  const uint64_t host_page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const FileDescriptor pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap.is_valid()) return ErrnoStatus(errno, "open /proc/self/pagemap");
  const PageTable table(memory.regions());
  PageSet own(table.pages());
  std::vector<uint64_t> entries(kEntries);
  const uint64_t pages_per_host_page = host_page / kGuestPageSize;
  for (size_t region = 0; region < table.regions(); ++region) {
    const auto start = reinterpret_cast<uintptr_t>(memory.regions()[region].host);
    const uint64_t count = memory.regions()[region].range.size() / host_page;
    for (uint64_t done = 0; done < count;) {
      const uint64_t wanted = std::min<uint64_t>(kEntries, count - done);
      const ssize_t got = pread(pagemap.get(), entries.data(), wanted * sizeof(uint64_t),
                                static_cast<off_t>((start / host_page + done) * sizeof(uint64_t)));
      if (got <= 0) return ErrnoStatus(got < 0 ? errno : EIO, "read /proc/self/pagemap");
      const uint64_t read = static_cast<uint64_t>(got) / sizeof(uint64_t);
      for (uint64_t i = 0; i < read; ++i) {
        if ((entries[i] & (kPresent | kSwapped)) == 0 || (entries[i] & kFileOrShared) != 0)
          continue;
        own.AddRun(
            {table.FirstPage(region) + (done + i) * pages_per_host_page, pages_per_host_page});
      }
      done += read;
    }
  }
  return own;
}

}  // namespace firn
