// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Checks of the fields of a State, which comes from a file and may say anything.
#ifndef FIRN_DEVICES_STATE_FIELD_H_
#define FIRN_DEVICES_STATE_FIELD_H_

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "absl/status/status.h"

namespace firn {

struct StateField {
  std::string_view name;  // as in the .proto file
  uint64_t value;
  uint64_t known;  // the bits that the field may have
};

// InvalidArgument, naming the first field with a bit that it may not have.
absl::Status CheckBits(std::initializer_list<StateField> fields);

}  // namespace firn

#endif  // FIRN_DEVICES_STATE_FIELD_H_
