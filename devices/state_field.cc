// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/state_field.h"

#include "absl/strings/str_format.h"

namespace firn {

absl::Status CheckBits(std::initializer_list<StateField> fields) {
  for (const StateField& field : fields) {
    if ((field.value & ~field.known) == 0) continue;
    return absl::InvalidArgumentError(absl::StrFormat("%s is 0x%x, with bits outside of 0x%x",
                                                      field.name, field.value, field.known));
  }
  return absl::OkStatus();
}

}  // namespace firn
