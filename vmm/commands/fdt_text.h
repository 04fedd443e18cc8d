// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A device tree blob as source text (Devicetree Specification v0.4, chapter 6).
#ifndef FIRN_VMM_COMMANDS_FDT_TEXT_H_
#define FIRN_VMM_COMMANDS_FDT_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace firn {

// The text of a well-formed blob, which dtc turns into the same tree. InvalidArgument else.
absl::StatusOr<std::string> FdtToText(absl::Span<const std::byte> blob);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_FDT_TEXT_H_
