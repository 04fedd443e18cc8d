// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/data_cache.h"

#include <cstdint>

namespace firn {

#if defined(__aarch64__)

namespace {

// Bytes of the smallest line of any data cache: CTR_EL0.DminLine, the log2 of 4-byte words.
uintptr_t ReadLineSize() {
  uint64_t cache_type = 0;
  asm("mrs %0, ctr_el0" : "=r"(cache_type));
  return uintptr_t{4} << ((cache_type >> 16) & 0xf);
}

}  // namespace

void CleanDataCache(absl::Span<const std::byte> data) {
  // Once, as a host whose CPUs differ traps the read.
  static const uintptr_t line_size = ReadLineSize();
  const auto begin = reinterpret_cast<uintptr_t>(data.data());
  for (uintptr_t line = begin & ~(line_size - 1); line < begin + data.size(); line += line_size) {
    asm volatile("dc cvac, %0" : : "r"(line) : "memory");
  }
  asm volatile("dsb sy" : : : "memory");
}

#else

void CleanDataCache(absl::Span<const std::byte>) {}

#endif

}  // namespace firn
