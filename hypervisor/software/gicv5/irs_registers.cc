// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/irs_registers.h"

#include <array>

namespace firn::software::gicv5 {
namespace {

using R = IrsRegister;

// clang-format off
constexpr IrsRegisterInfo kMap[] = {
    // Identification
    {"IDR0", 0x000, 4, R::kIdr0},
    {"IDR1", 0x004, 4, R::kIdr1},
    {"IDR2", 0x008, 4, R::kIdr2},
    {"IDR3", 0x00c, 4, R::kConstant, 0},
    {"IDR4", 0x010, 4, R::kConstant, 0},
    {"IDR5", 0x014, 4, R::kIdr5},
    {"IDR6", 0x018, 4, R::kIdr6},
    {"IDR7", 0x01c, 4, R::kIdr7},
    {"IIDR", 0x040, 4, R::kConstant, 0x04b0043b},
    {"AIDR", 0x044, 4, R::kConstant, 0},
    // Control
    {"CR0", 0x080, 4, R::kCr0},
    {"CR1", 0x084, 4, R::kCr1},
    {"SYNCR", 0x0c0, 4, R::kConstant, 0},
    {"SYNC_STATUSR", 0x0c4, 4, R::kIdleStatusr},
    // SPIs
    {"SPI_VMR", 0x100, 8, R::kConstant, 0},
    {"SPI_SELR", 0x108, 4, R::kSpiSelr},
    {"SPI_DOMAINR", 0x10c, 4, R::kSpiDomainr},
    {"SPI_RESAMPLER", 0x110, 4, R::kConstant, 0},
    {"SPI_CFGR", 0x114, 4, R::kSpiCfgr},
    {"SPI_STATUSR", 0x118, 4, R::kSpiStatusr},
    // PEs
    {"PE_SELR", 0x140, 4, R::kPeSelr},
    {"PE_STATUSR", 0x144, 4, R::kPeStatusr},
    {"PE_CR0", 0x148, 4, R::kPeCr0},
    // Interrupt State Table of LPIs
    {"IST_BASER", 0x180, 8, R::kIstBaser},
    {"IST_CFGR", 0x190, 4, R::kIstCfgr},
    {"IST_STATUSR", 0x194, 4, R::kIdleStatusr},
    {"MAP_L2_ISTR", 0x1c0, 4, R::kConstant, 0},
    // Virtualisation: absent, so RAZ/WI
    {"VMT_BASER", 0x200, 8, R::kConstant, 0},
    {"VMT_CFGR", 0x210, 4, R::kConstant, 0},
    {"VMT_STATUSR", 0x214, 4, R::kIdleStatusr},
    {"VPE_SELR", 0x240, 8, R::kConstant, 0},
    {"VPE_DBR", 0x248, 8, R::kConstant, 0},
    {"VPE_HPPIR", 0x250, 8, R::kConstant, 0},
    {"VPE_CR0", 0x258, 4, R::kConstant, 0},
    {"VPE_STATUSR", 0x25c, 4, R::kIdleStatusr},
    {"VM_DBR", 0x280, 8, R::kConstant, 0},
    {"VM_SELR", 0x288, 4, R::kConstant, 0},
    {"VM_STATUSR", 0x28c, 4, R::kIdleStatusr},
    {"VMAP_L2_VMTR", 0x2c0, 8, R::kConstant, 0},
    {"VMAP_VMR", 0x2c8, 8, R::kConstant, 0},
    {"VMAP_VISTR", 0x2d0, 8, R::kConstant, 0},
    {"VMAP_L2_VISTR", 0x2d8, 8, R::kConstant, 0},
    {"VMAP_VPER", 0x2e0, 8, R::kConstant, 0},
    {"SAVE_VMR", 0x300, 8, R::kConstant, 0},
    {"SAVE_VM_STATUSR", 0x308, 4, R::kIdleStatusr},
    // Memory encryption contexts, partitioning, software errors: absent
    {"MEC_IDR", 0x340, 4, R::kConstant, 0},
    {"MEC_MECID_R", 0x344, 4, R::kConstant, 0},
    {"MPAM_IDR", 0x380, 4, R::kConstant, 0},
    {"MPAM_PARTID_R", 0x384, 4, R::kConstant, 0},
    {"SWERR_STATUSR", 0x3c0, 8, R::kConstant, 0},
    {"SWERR_SYNDROMER0", 0x3c8, 8, R::kConstant, 0},
    {"SWERR_SYNDROMER1", 0x3d0, 8, R::kConstant, 0},
    // CoreSight identification
    {"DEVARCH", 0xffbc, 4, R::kConstant, 0x47705a19},
    {"PIDR4", 0xffd0, 4, R::kConstant, 0x04},
    {"PIDR5", 0xffd4, 4, R::kConstant, 0},
    {"PIDR6", 0xffd8, 4, R::kConstant, 0},
    {"PIDR7", 0xffdc, 4, R::kConstant, 0},
    {"PIDR0", 0xffe0, 4, R::kConstant, 0x4b},
    {"PIDR1", 0xffe4, 4, R::kConstant, 0xb0},
    {"PIDR2", 0xffe8, 4, R::kConstant, 0x0b},
    {"PIDR3", 0xffec, 4, R::kConstant, 0},
    {"CIDR0", 0xfff0, 4, R::kConstant, 0x0d},
    {"CIDR1", 0xfff4, 4, R::kConstant, 0xf0},
    {"CIDR2", 0xfff8, 4, R::kConstant, 0x05},
    {"CIDR3", 0xfffc, 4, R::kConstant, 0xb1},
};
// clang-format on

// The map's two populated ends, by word.
constexpr uint64_t kLowEnd = 0x400;
constexpr uint64_t kHighStart = 0xff80;
constexpr uint64_t kLowWords = kLowEnd / 4;
constexpr uint64_t kWords = kLowWords + (kIrsFrameSize - kHighStart) / 4;

constexpr uint64_t WordIndex(uint64_t offset) {
  return offset < kLowEnd ? offset / 4 : kLowWords + (offset - kHighStart) / 4;
}

// Word of the frame to index in kMap plus 1; 0: no register.
constexpr std::array<uint8_t, kWords> BuildIndex() {
  std::array<uint8_t, kWords> index{};
  for (size_t i = 0; i < std::size(kMap); ++i) {
    for (uint64_t byte = 0; byte < kMap[i].width; byte += 4) {
      index[WordIndex(kMap[i].offset + byte)] = static_cast<uint8_t>(i + 1);
    }
  }
  return index;
}
constexpr std::array<uint8_t, kWords> kIndex = BuildIndex();

}  // namespace

absl::Span<const IrsRegisterInfo> IrsRegisterMap() { return kMap; }

const IrsRegisterInfo* FindIrsRegister(uint64_t offset) {
  if (offset >= kIrsFrameSize || (offset >= kLowEnd && offset < kHighStart)) return nullptr;
  const uint8_t entry = kIndex[WordIndex(offset)];
  return entry == 0 ? nullptr : &kMap[entry - 1];
}

}  // namespace firn::software::gicv5
