// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any command line (arguments end with NUL): an error, or flags that hold what was given.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/log/check.h"
#include "absl/strings/str_split.h"
#include "vmm/config/config.h"
#include "vmm/config/flags.h"

namespace {
constexpr firn::FlagSpec kSpecs[] = {
    {"kernel", "PATH", "the kernel"},
    {"memory", "SIZE", "how much memory"},
    {"disk", "PATH", "a disk", /*repeatable=*/true},
    {"quiet", "", "say less"},
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string_view> arguments = absl::StrSplit(text, '\0');
  const auto flags = firn::Flags::Parse(kSpecs, arguments);
  if (!flags.ok()) {
    CHECK(!flags.status().message().empty());
    return 0;
  }
  CHECK_LE(flags->GetAll("kernel").size(), 1u);
  CHECK_LE(flags->GetAll("disk").size(), arguments.size());
  if (const auto memory = flags->Get("memory")) firn::ParseSize(*memory).IgnoreError();
  if (const auto kernel = flags->Get("kernel")) firn::ParseNumber(*kernel).IgnoreError();
  return 0;
}
