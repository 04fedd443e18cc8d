// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/translation.h"

#include <cstring>

#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr uint64_t kSctlrM = 1;
constexpr uint64_t kDescriptorValid = 1;
constexpr uint64_t kDescriptorTable = 2;
constexpr uint64_t kAddressMask = 0x0000'ffff'ffff'ffff;
constexpr unsigned kPageShift = 12;

struct Regime {
  uint64_t table;
  unsigned input_bits;    // 64 - TxSZ
  unsigned granule_bits;  // 12, 14 or 16
};

// TCR_EL1.TG0 and TG1 encode the granule differently.
unsigned GranuleBits(uint64_t tcr, bool upper) {
  if (upper) {
    switch (tcr >> 30 & 3) {
      case 1:
        return 14;
      case 3:
        return 16;
      default:
        return 12;
    }
  }
  switch (tcr >> 14 & 3) {
    case 1:
      return 16;
    case 2:
      return 14;
    default:
      return 12;
  }
}

Regime RegimeOf(const EngineCpu& cpu, uint64_t va) {
  const bool upper = (va >> 55 & 1) != 0;
  const uint64_t tcr = cpu.ReadSystemRegister(reg::kTcrEl1);
  const uint64_t ttbr = cpu.ReadSystemRegister(upper ? reg::kTtbr1El1 : reg::kTtbr0El1);
  return {.table = ttbr & 0x0000'ffff'ffff'fffe,
          .input_bits = 64 - static_cast<unsigned>(upper ? tcr >> 16 & 63 : tcr & 63),
          .granule_bits = GranuleBits(tcr, upper)};
}

bool IsMmuOn(const EngineCpu& cpu) {
  return (cpu.ReadSystemRegister(reg::kSctlrEl1) & kSctlrM) != 0;
}

// Where a walk ends: at a descriptor that is no table's.
struct WalkEnd {
  uint64_t descriptor;
  unsigned shift;  // of what it maps, if anything
  bool is_last_level;
};

// Nothing where there cannot be a walk, or tables are not in memory.
std::optional<WalkEnd> Walk(const EngineCpu& cpu, MemoryMap& memory, uint64_t va) {
  const Regime regime = RegimeOf(cpu, va);
  const unsigned stride = regime.granule_bits - 3;
  if (regime.input_bits <= regime.granule_bits || regime.input_bits > 52) return std::nullopt;
  const unsigned levels = (regime.input_bits - regime.granule_bits + stride - 1) / stride;
  if (levels > 4) return std::nullopt;

  const uint64_t granule_mask = (uint64_t{1} << regime.granule_bits) - 1;
  const uint64_t input = va & ((uint64_t{1} << regime.input_bits) - 1);
  uint64_t table = regime.table;
  for (unsigned remaining = levels; remaining > 0; --remaining) {
    const unsigned shift = regime.granule_bits + stride * (remaining - 1);
    // The first level resolves what is left over, the others `stride` bits each.
    const uint64_t index =
        remaining == levels ? input >> shift : input >> shift & ((uint64_t{1} << stride) - 1);
    const std::byte* host = memory.Host(GuestAddress(table + index * 8), 8, /*for_write=*/false);
    if (host == nullptr) return std::nullopt;
    uint64_t descriptor = 0;
    memcpy(&descriptor, host, sizeof(descriptor));
    constexpr uint64_t kTable = kDescriptorValid | kDescriptorTable;
    if (remaining == 1 || (descriptor & kTable) != kTable) {
      return WalkEnd{descriptor, shift, remaining == 1};
    }
    table = descriptor & kAddressMask & ~granule_mask;
  }
  return std::nullopt;
}

}  // namespace

std::optional<GuestAddress> TranslateStage1(const EngineCpu& cpu, MemoryMap& memory, uint64_t va) {
  if (!IsMmuOn(cpu)) return GuestAddress(va);
  const std::optional<WalkEnd> end = Walk(cpu, memory, va);
  if (!end || (end->descriptor & kDescriptorValid) == 0) return std::nullopt;
  // Where others have a block, the last level has nothing.
  if (end->is_last_level && (end->descriptor & kDescriptorTable) == 0) return std::nullopt;
  const uint64_t offset_mask = (uint64_t{1} << end->shift) - 1;
  return GuestAddress((end->descriptor & kAddressMask & ~offset_mask) | (va & offset_mask));
}

bool IsInPageTable(const EngineCpu& cpu, MemoryMap& memory, uint64_t va) {
  if (!IsMmuOn(cpu)) return false;
  const std::optional<WalkEnd> end = Walk(cpu, memory, va);
  return end && end->is_last_level && end->shift == kPageShift;
}

std::optional<uint32_t> FetchInstruction(const EngineCpu& cpu, MemoryMap& memory, uint64_t pc) {
  const std::optional<GuestAddress> address = TranslateStage1(cpu, memory, pc);
  if (!address) return std::nullopt;
  const std::byte* host = memory.Host(*address, 4, /*for_write=*/false);
  if (host == nullptr) return std::nullopt;
  uint32_t instruction = 0;
  memcpy(&instruction, host, sizeof(instruction));
  return instruction;
}

}  // namespace firn::software
