// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any bytes as a configuration: an error or a configuration, never a crash.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/log/check.h"
#include "vmm/config/config_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config =
      firn::ParseConfig(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!config.ok()) {
    CHECK(!config.status().message().empty());
    return 0;
  }
  if (firn::Validate(*config).ok()) firn::BootArgs(*config);
  return 0;
}
