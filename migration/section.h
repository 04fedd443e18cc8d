// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A section of a state file as the message that it is.
#ifndef FIRN_MIGRATION_SECTION_H_
#define FIRN_MIGRATION_SECTION_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "migration/state_file.h"

namespace firn {

// DataLoss where the section is missing or is no such message. The values are the file's: any.
template <typename Message>
absl::StatusOr<Message> ParseSection(const StateFile& file, std::string_view name) {
  const StateSection* section = file.Find(name);
  if (section == nullptr) {
    return absl::DataLossError(absl::StrCat("the snapshot has no section ", name));
  }
  Message message;
  if (!message.ParseFromString(section->content)) {
    return absl::DataLossError(absl::StrCat("the snapshot's section ", name, " cannot be read"));
  }
  return message;
}

}  // namespace firn

#endif  // FIRN_MIGRATION_SECTION_H_
