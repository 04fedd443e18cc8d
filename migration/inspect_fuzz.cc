// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any bytes as a schema, and as a section that it describes, shown and checked.
#include <cstddef>
#include <cstdint>
#include <string>

#include "migration/inspect.h"
#include "migration/section_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const size_t middle = size == 0 ? 0 : size * data[0] / 256;
  firn::StateFile file;
  file.Add("manifest", bytes.substr(middle));
  file.Add("schema", bytes.substr(0, middle));
  firn::DescribeState(file);
  firn::DescribeState(file, {.section = "manifest", .full = true});
  firn::CheckSections(file, firn::MessageTypes(bytes.substr(0, middle))).IgnoreError();
  return 0;
}
