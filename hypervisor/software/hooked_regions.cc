// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/hooked_regions.h"

#include <malloc.h>

#include <cstring>

// Unicorn's own, of the part of GLib that libunicorn.a brings.
extern "C" {
unsigned g_hash_table_size(void* table);
void g_hash_table_remove_all(void* table);
}

namespace firn::software {
namespace {

void* PointerAt(uc_hook hook, size_t offset) {
  void* pointer;
  memcpy(&pointer, reinterpret_cast<const std::byte*>(hook) + offset, sizeof(pointer));
  return pointer;
}

}  // namespace

std::optional<size_t> HookedRegions::FindOffset(uc_hook hook, const void* callback,
                                                const void* user) {
  constexpr size_t kWord = sizeof(void*);
  // uc_hook is the address of what Unicorn has allocated for the hook.
  const size_t size = malloc_usable_size(reinterpret_cast<void*>(hook));
  for (size_t offset = 0; offset + 3 * kWord <= size; offset += kWord) {
    if (PointerAt(hook, offset) != callback || PointerAt(hook, offset + kWord) != user) continue;
    if (PointerAt(hook, offset + 2 * kWord) == nullptr) return std::nullopt;
    return offset + 2 * kWord;
  }
  return std::nullopt;
}

HookedRegions::HookedRegions(uc_hook hook, size_t offset) : table_(PointerAt(hook, offset)) {}

unsigned HookedRegions::size() const { return g_hash_table_size(table_); }

void HookedRegions::OnTranslated() {
  if (size() >= kLimit) g_hash_table_remove_all(table_);
}

}  // namespace firn::software
