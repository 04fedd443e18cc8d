// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The state file of a snapshot: named sections under checksums (docs/snapshot-format.md).
#ifndef FIRN_MIGRATION_STATE_FILE_H_
#define FIRN_MIGRATION_STATE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

inline constexpr std::string_view kStateMagic = "FIRNSNAP";  // the file begins with it
inline constexpr uint16_t kContainerVersion = 1;
// The newest format that this firn writes and restores.
inline constexpr uint16_t kFormatVersion = 1;
inline constexpr uint64_t kMaximumStateFileSize = 256 << 20;

struct StateSection {
  std::string name;  // 1 to 40 printable ASCII characters
  bool mandatory = true;
  std::string content;

  bool operator==(const StateSection&) const = default;
};

// What a state file contains. Names are unique.
struct StateFile {
  uint16_t format_version = kFormatVersion;
  std::vector<StateSection> sections;

  // Null where there is none of that name.
  const StateSection* Find(std::string_view name) const;
  void Add(std::string_view name, std::string content, bool mandatory = true) {
    sections.push_back({std::string(name), mandatory, std::move(content)});
  }
};

// The bytes of the file. `file` is as its comments say.
std::string EncodeStateFile(const StateFile& file);

// DataLoss for what is not a whole, unharmed state file, naming the first thing that is wrong;
// InvalidArgument for one whose container this firn does not know. Any format version is taken:
// CheckFormat judges that.
absl::StatusOr<StateFile> DecodeStateFile(std::string_view bytes);

// FailedPrecondition where this firn cannot restore `file`: a newer format, or a mandatory section
// whose name is not one of the format's.
absl::Status CheckFormat(const StateFile& file);

}  // namespace firn

#endif  // FIRN_MIGRATION_STATE_FILE_H_
