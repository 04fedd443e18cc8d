// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/mmio/register_page.h"

#include <atomic>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "devices/little_endian.h"
#include "hypervisor/data_cache.h"

namespace firn::virtio {
namespace {

constexpr uint64_t kWord = sizeof(uint32_t);

}  // namespace

absl::StatusOr<RegisterPage> RegisterPage::Create(GuestMemory& memory, GuestAddress registers) {
  if (!registers.IsAligned(kGuestPageSize)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("registers at 0x%x are not 4 KiB aligned", registers.value));
  }
  const absl::StatusOr<absl::Span<std::byte>> window =
      memory.MutableHostRange(registers, kMmioSize);
  if (!window.ok()) return window.status();
  return RegisterPage(*window);
}

uint32_t RegisterPage::Word(uint64_t offset) const {
  auto& word = *reinterpret_cast<uint32_t*>(window_.data() + offset);
  return std::atomic_ref<uint32_t>(word).load(std::memory_order_acquire);
}

void RegisterPage::SetWord(uint64_t offset, uint32_t value) {
  if (Word(offset) == value) return;
  auto& word = *reinterpret_cast<uint32_t*>(window_.data() + offset);
  std::atomic_ref<uint32_t>(word).store(value, std::memory_order_release);
  CleanDataCache(window_.subspan(offset, kWord));
}

void RegisterPage::SetConfig(const ConfigSpace& config) {
  for (uint64_t offset = 0; offset < config.size(); offset += kWord) {
    const auto word = absl::MakeConstSpan(config).subspan(offset, kWord);
    SetWord(kMmioConfig + offset, static_cast<uint32_t>(LoadLittleEndian(word)));
  }
}

void RegisterPage::Read(uint64_t offset, absl::Span<std::byte> data) const {
  uint32_t word = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t position = offset + i;
    // Each word once, so that a register is not half old and half new.
    if (i == 0 || position % kWord == 0) {
      word = position < kMmioSize ? Word(position / kWord * kWord) : 0;
    }
    data[i] = static_cast<std::byte>(word >> (8 * (position % kWord)));
  }
}

}  // namespace firn::virtio
