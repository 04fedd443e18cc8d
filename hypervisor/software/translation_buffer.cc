// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/translation_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace firn::software {

void ClearMemory(std::byte* begin, size_t size) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = (address + page - 1) & ~(page - 1), last = (address + size) & ~(page - 1);
  std::byte* const whole_pages = begin + (first - address);
  if (first >= last || madvise(whole_pages, last - first, MADV_DONTNEED) != 0) {
    memset(begin, 0, size);
    return;
  }
  memset(begin, 0, first - address);
  memset(begin + (last - address), 0, address + size - last);
}

// What Unicorn calls in place of memset.
extern "C" void* firn_unicorn_memset(void* memory, int value, size_t size) {
  // Nothing else that it sets is as large, and it has mapped this for itself alone.
  constexpr size_t kSurelyTranslationBuffer = kTranslationBufferBytes / 2;
  if (value == 0 && size > kSurelyTranslationBuffer) [[unlikely]] {
    ClearMemory(static_cast<std::byte*>(memory), size);
    return memory;
  }
  return memset(memory, value, size);
}

}  // namespace firn::software
