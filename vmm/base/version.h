// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#ifndef FIRN_VMM_BASE_VERSION_H_
#define FIRN_VMM_BASE_VERSION_H_

#include <string_view>

namespace firn {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace firn

#endif  // FIRN_VMM_BASE_VERSION_H_
