// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any bytes as a state file; and, since checksums keep a fuzzer out, as its sections.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/log/check.h"
#include "migration/memory.pb.h"
#include "migration/memory_file.h"
#include "migration/state_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<firn::StateFile> file = firn::DecodeStateFile(bytes);
  if (file.ok()) {
    CHECK(firn::EncodeStateFile(*file) == bytes);
    firn::CheckFormat(*file).IgnoreError();
  }
  firn::state::Memory memory;
  if (memory.ParseFromArray(data, static_cast<int>(size))) {
    // As large as guests of this test are.
    uint64_t total = 0;
    for (const firn::state::MemoryRegion& region : memory.regions()) {
      if (region.size() > (uint64_t{1} << 32)) return 0;
      total += region.size();
    }
    if (total <= (uint64_t{1} << 32)) firn::DecodeMemory(memory).status().IgnoreError();
  }
  return 0;
}
