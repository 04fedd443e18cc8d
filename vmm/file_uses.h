// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Files that a run reads and such that it writes: none may be both.
#ifndef FIRN_VMM_FILE_USES_H_
#define FIRN_VMM_FILE_USES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "vmm/config/config.h"

namespace firn {

// A file, and what it is to the run: "the kernel", "--stats".
struct FileUse {
  std::string what;
  std::string path;
};

// The kernel, initrd and disks of `config`.
std::vector<FileUse> InputsOf(const VmConfig& config);
// Its console, where that is a file.
std::vector<FileUse> OutputsOf(const VmConfig& config);

// InvalidArgument, naming both, where an output is one of the inputs or another output, also by
// another name. Devices and pipes may be all of these. Changes nothing.
absl::Status CheckFilesAreApart(const std::vector<FileUse>& inputs,
                                const std::vector<FileUse>& outputs);

}  // namespace firn

#endif  // FIRN_VMM_FILE_USES_H_
