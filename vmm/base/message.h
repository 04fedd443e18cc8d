// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What firn itself says, on stderr: "firn: …".
#ifndef FIRN_VMM_BASE_MESSAGE_H_
#define FIRN_VMM_BASE_MESSAGE_H_

#include <string_view>

#include "absl/status/status.h"

namespace firn {

// One line each, as a single write. Control characters of the message are shown as "?": parts
// of it may come from files and from guests.
void PrintMessage(std::string_view message);
void PrintError(std::string_view message);
void PrintError(const absl::Status& status);

}  // namespace firn

#endif  // FIRN_VMM_BASE_MESSAGE_H_
