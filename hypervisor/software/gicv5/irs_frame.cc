// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/irs_frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace firn::software::gicv5 {
namespace {

constexpr uint32_t kIdle = 1 << 0;  // of every *_STATUSR
constexpr uint32_t kSelectionValid = 1 << 1;
constexpr uint32_t kPeOnline = 1 << 2;
constexpr uint32_t kCr0Enable = 1 << 0;
constexpr uint32_t kCr0Idle = 1 << 1;
constexpr uint32_t kCr1Stored = 0xffff & ~(1u << 9 | 1u << 11);  // not VMT_WA, VPET_WA
constexpr uint32_t kDomainNonSecure = 1;

bool IsStatus(IrsRegister kind) {
  return kind == IrsRegister::kSpiStatusr || kind == IrsRegister::kPeStatusr ||
         kind == IrsRegister::kIdleStatusr;
}

}  // namespace

IrsFrame::IrsFrame(const DialectRules& rules, std::set<uint32_t> vcpu_ids, IrsIdRegisters* ids,
                   Irs* irs, SpiLines* lines, IstControl* ist)
    : rules_(rules),
      vcpu_ids_(std::move(vcpu_ids)),
      ids_(ids),
      irs_(irs),
      lines_(lines),
      ist_(ist) {}

bool IrsFrame::Covers(const IrsRegisterInfo& reg, uint64_t offset, size_t size) const {
  if (size == reg.width) return offset == reg.offset;
  return rules_.split_access && reg.width == 8 && size == 4 && offset % 4 == 0;
}

void IrsFrame::MmioRead(uint64_t offset, absl::Span<std::byte> data) const {
  std::fill(data.begin(), data.end(), std::byte{0});
  const IrsRegisterInfo* const reg = FindIrsRegister(offset);
  if (reg == nullptr || !Covers(*reg, offset, data.size())) return;
  const uint64_t value = Read(*reg) >> 8 * (offset - reg->offset);
  std::memcpy(data.data(), &value, data.size());
}

void IrsFrame::MmioWrite(uint64_t offset, absl::Span<const std::byte> data) {
  const IrsRegisterInfo* const reg = FindIrsRegister(offset);
  if (reg == nullptr || !Covers(*reg, offset, data.size())) return;
  uint64_t value = reg->width == data.size() ? 0 : Read(*reg);
  std::memcpy(reinterpret_cast<std::byte*>(&value) + (offset - reg->offset), data.data(),
              data.size());
  Write(*reg, value);
}

uint64_t IrsFrame::Read(const IrsRegisterInfo& reg) const {
  switch (reg.kind) {
    case IrsRegister::kIdr0:
      return ids_->idr0();
    case IrsRegister::kIdr1:
      return ids_->idr1();
    case IrsRegister::kIdr2:
      return ids_->idr2();
    case IrsRegister::kIdr5:
      return ids_->idr5();
    case IrsRegister::kIdr6:
      return ids_->idr6();
    case IrsRegister::kIdr7:
      return ids_->idr7();
    case IrsRegister::kCr0:
      return kCr0Idle | (irs_->enabled() ? kCr0Enable : 0);
    case IrsRegister::kCr1:
      return cr1_;
    case IrsRegister::kSpiSelr:
      return spi_selr_;
    case IrsRegister::kSpiDomainr:
      return spi_selected() ? kDomainNonSecure : 0;
    case IrsRegister::kSpiCfgr:
      return spi_selected() && lines_->is_level(spi_selr_) ? 1 : 0;
    case IrsRegister::kSpiStatusr:
      return kIdle | (spi_selected() ? kSelectionValid : 0);
    case IrsRegister::kPeSelr:
      return pe_selr_;
    case IrsRegister::kPeStatusr:
      return kIdle | (pe_selected() ? kSelectionValid | kPeOnline : 0);
    case IrsRegister::kPeCr0:
      return pe_selected() ? 1 : 0;  // DPS: no one-of-N routing
    case IrsRegister::kIstBaser:
      return ist_->baser();
    case IrsRegister::kIstCfgr:
      return ist_->cfgr();
    case IrsRegister::kIdleStatusr:
      return kIdle;
    case IrsRegister::kConstant:
      return reg.constant;
  }
  return 0;
}

void IrsFrame::Write(const IrsRegisterInfo& reg, uint64_t value) {
  switch (reg.kind) {
    case IrsRegister::kCr0:
      irs_->SetEnabled((value & kCr0Enable) != 0);
      break;
    case IrsRegister::kCr1:
      cr1_ = value & kCr1Stored;
      break;
    case IrsRegister::kSpiSelr:
      spi_selr_ = value & 0xffffff;
      break;
    case IrsRegister::kSpiCfgr:
      if (spi_selected()) lines_->SetTrigger(spi_selr_, (value & 1) != 0);
      break;
    case IrsRegister::kPeSelr:
      pe_selr_ = value & 0xffff;
      break;
    case IrsRegister::kIstBaser:
      ist_->WriteBaser(value);
      break;
    case IrsRegister::kIstCfgr:
      ist_->WriteCfgr(static_cast<uint32_t>(value));
      break;
    default:
      break;
  }
}

uint64_t IrsFrame::UserRead(const IrsRegisterInfo& reg) const {
  if (rules_.statusr_idle_only && IsStatus(reg.kind)) return kIdle;
  return Read(reg);
}

absl::Status IrsFrame::UserWrite(const IrsRegisterInfo& reg, uint64_t value) {
  const auto word = static_cast<uint32_t>(value);
  switch (reg.kind) {
    case IrsRegister::kIdr0:
      return ids_->RestoreIdr0(word);
    case IrsRegister::kIdr1:
      return ids_->RestoreIdr1(word);
    case IrsRegister::kIdr2:
      return ids_->RestoreIdr2(word);
    case IrsRegister::kIdr5:
      return IrsIdRegisters::CheckSame(word, ids_->idr5());
    case IrsRegister::kIdr6:
      return IrsIdRegisters::CheckSame(word, ids_->idr6());
    case IrsRegister::kIdr7:
      return IrsIdRegisters::CheckSame(word, ids_->idr7());
    case IrsRegister::kIstBaser:
      return ist_->RestoreBaser(value);
    case IrsRegister::kIstCfgr:
      return ist_->RestoreCfgr(word);
    case IrsRegister::kSpiCfgr:
      if (rules_.spi_cfgr_settable) Write(reg, value);
      return absl::OkStatus();
    default:
      Write(reg, value);
      return absl::OkStatus();
  }
}

}  // namespace firn::software::gicv5
