// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Whether the sections of a state file are the messages that they should be.
#ifndef FIRN_MIGRATION_SECTION_CHECK_H_
#define FIRN_MIGRATION_SECTION_CHECK_H_

#include <string_view>

#include "absl/status/status.h"
#include "migration/message_types.h"
#include "migration/state_file.h"

namespace firn {

// `types` must be of a schema that can be trusted: this firn's, not the file's. Fields, sections
// and messages that it does not know pass, as a newer firn may have written them; what it knows
// must be of its type. What the values mean is for a restore to judge. DataLoss naming the section
// and the field.
absl::Status CheckSections(const StateFile& file, const MessageTypes& types);
// The same for one message ("firn.state.Block").
absl::Status CheckMessage(const MessageTypes& types, std::string_view message,
                          std::string_view bytes);

}  // namespace firn

#endif  // FIRN_MIGRATION_SECTION_CHECK_H_
