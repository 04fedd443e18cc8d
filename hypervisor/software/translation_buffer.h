// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where Unicorn keeps what it translates. It clears all of that with each flush; third_party/
// unicorn.BUILD has it call this then, which gives the pages back instead of touching every one.
#ifndef FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_BUFFER_H_
#define FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_BUFFER_H_

#include <cstddef>

namespace firn::software {

inline constexpr size_t kTranslationBufferBytes = size_t{64} << 20;

// Fills `size` bytes of a private anonymous mapping with zeros; whole pages of it are given back.
void ClearMemory(std::byte* begin, size_t size);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_TRANSLATION_BUFFER_H_
