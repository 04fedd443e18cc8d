// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and restore of a GICv5, for every dialect of VGICv5's user-space interface in one order.
// Source: Linux Documentation/virt/kvm/devices/arm-vgic-v5.rst, "IRS Save Sequence" and "IRS
// Restore Sequence".
#include <cerrno>
#include <ctime>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "arch-aarch64/gicv5.h"
#include "arch-aarch64/gicv5_registers.h"
#include "arch-aarch64/gicv5_state.pb.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

using gicv5::CpuAttribute;
using gicv5::kCpuRegisters;

constexpr size_t kIsteSize = 4;
constexpr unsigned kMaximumLpiIdBits = 24;  // IRS_IDR2.ID_BITS at most
// A host's IRS that does not come to rest is asked again after 1, 2, 4, … ms.
constexpr int kSaveAttempts = 6;

absl::Status Damaged(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("GICv5 state: ", what));
}

uint64_t AddressOf(const std::string& buffer) {
  return buffer.empty() ? 0 : reinterpret_cast<uintptr_t>(buffer.data());
}

bool IsUnsettled(const absl::Status& status) {
  const int error = GetErrno(status);
  return error == ETIMEDOUT || error == EBUSY;
}

void WaitMilliseconds(int64_t count) {
  const timespec time = {.tv_sec = 0, .tv_nsec = count * 1'000'000};
  nanosleep(&time, nullptr);
}

absl::Status GetIst(Device& device, uint64_t address) {
  absl::Status status;
  for (int attempt = 0; attempt < kSaveAttempts; ++attempt) {
    if (attempt > 0) WaitMilliseconds(int64_t{1} << (attempt - 1));
    status = device.GetAttr(kvm::kVgicGrpIst, 0, address);
    if (!IsUnsettled(status)) break;
  }
  return status;
}

std::string IrsName(uint64_t offset) {
  return absl::StrFormat("GICv5: IRS register 0x%03x", offset);
}

absl::StatusOr<state::Gicv5Registers> ParseRegisters(std::string_view bytes) {
  state::Gicv5Registers state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged("the registers cannot be read");
  }
  return state;
}

std::map<uint64_t, uint64_t> IrsOf(const state::Gicv5Registers& state) {
  std::map<uint64_t, uint64_t> irs;
  for (const state::Gicv5IrsRegister& reg : state.irs()) irs[reg.offset()] = reg.value();
  return irs;
}

absl::Status SetIrs(Device& device, const std::map<uint64_t, uint64_t>& irs, uint64_t offset) {
  const auto found = irs.find(offset);
  if (found == irs.end()) return Damaged(absl::StrCat(IrsName(offset), " is missing"));
  return Annotate(SetAttrU64(device, kvm::kVgicGrpIrsRegs, offset, found->second),
                  absl::StrFormat("%s to 0x%x", IrsName(offset), found->second));
}

}  // namespace

absl::Status Gicv5::CheckCanSave() const {
  if (ist_interface_ != Gicv5IstInterface::kNone) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "GICv5: this host's kernel does not give its interrupt state out, so snapshots cannot be "
      "made or restored: use Linux 7.4 or later");
}

// The size of the LPI IST that the guest has set up; 0 where it has none.
absl::StatusOr<size_t> Gicv5::LpiIstSize() const {
  const absl::StatusOr<uint64_t> baser =
      GetAttrU64(*device_, kvm::kVgicGrpIrsRegs, gicv5::kIrsIstBaser);
  if (!baser.ok()) return Annotate(baser.status(), IrsName(gicv5::kIrsIstBaser));
  if ((*baser & gicv5::kIstBaserValid) == 0) return size_t{0};
  const absl::StatusOr<uint64_t> cfgr =
      GetAttrU64(*device_, kvm::kVgicGrpIrsRegs, gicv5::kIrsIstCfgr);
  if (!cfgr.ok()) return Annotate(cfgr.status(), IrsName(gicv5::kIrsIstCfgr));
  const uint64_t id_bits = *cfgr & gicv5::kIstCfgrLpiIdBits;
  if (id_bits > kMaximumLpiIdBits) {
    return absl::InternalError(absl::StrCat("GICv5: an LPI IST of ", id_bits, " id bits"));
  }
  return kIsteSize << id_bits;
}

absl::StatusOr<std::string> Gicv5::SaveTables() {
  if (absl::Status status = CheckCanSave(); !status.ok()) return status;
  state::Gicv5Tables tables;
  std::string spis(spi_count_ * kIsteSize, '\0');
  std::string lpis;
  absl::Status status;
  if (ist_interface_ == Gicv5IstInterface::kDescriptor) {
    const absl::StatusOr<size_t> lpi_size = LpiIstSize();
    if (!lpi_size.ok()) return lpi_size.status();
    lpis.resize(*lpi_size);
    const kvm::VgicV5Ist ist = {.spi_ist_addr = AddressOf(spis),
                                .spi_ist_size = spis.size(),
                                .lpi_ist_addr = AddressOf(lpis),
                                .lpi_ist_size = lpis.size()};
    status = GetIst(*device_, reinterpret_cast<uintptr_t>(&ist));
  } else {
    tables.set_lpis_in_guest_memory(true);
    status = GetIst(*device_, AddressOf(spis));
  }
  if (!status.ok()) return Annotate(status, "GICv5: saving the ISTs");
  tables.set_spi_ist(std::move(spis));
  tables.set_lpi_ist(std::move(lpis));
  return tables.SerializeAsString();
}

absl::StatusOr<std::string> Gicv5::SaveRegisters() {
  if (absl::Status status = CheckCanSave(); !status.ok()) return status;
  state::Gicv5Registers registers;
  const auto save = [&](uint64_t offset) -> absl::Status {
    const absl::StatusOr<uint64_t> value = GetAttrU64(*device_, kvm::kVgicGrpIrsRegs, offset);
    if (!value.ok()) return Annotate(value.status(), IrsName(offset));
    state::Gicv5IrsRegister& out = *registers.add_irs();
    out.set_offset(static_cast<uint32_t>(offset));
    out.set_value(*value);
    return absl::OkStatus();
  };
  for (const uint64_t offset : gicv5::kIrsTableRegisters) {
    if (absl::Status status = save(offset); !status.ok()) return status;
  }
  for (const uint64_t offset : gicv5::kIrsOtherRegisters) {
    if (absl::Status status = save(offset); !status.ok()) return status;
  }
  for (const uint32_t id : vcpu_ids_) {
    state::Gicv5Cpu& cpu = *registers.add_cpus();
    cpu.set_vcpu_id(id);
    for (const SystemRegister& reg : kCpuRegisters) {
      const absl::StatusOr<uint64_t> value =
          GetAttrU64(*device_, kvm::kVgicGrpCpuSysregs, CpuAttribute(id, reg));
      if (!value.ok()) {
        return Annotate(value.status(),
                        absl::StrFormat("GICv5: register 0x%04x of vCPU %d", reg.packed(), id));
      }
      state::Gicv5CpuRegister& out = *cpu.add_registers();
      out.set_encoding(reg.packed());
      out.set_value(*value);
    }
  }
  return registers.SerializeAsString();
}

absl::Status Gicv5::RestoreRegisters(std::string_view bytes) {
  if (absl::Status status = CheckCanSave(); !status.ok()) return status;
  const absl::StatusOr<state::Gicv5Registers> state = ParseRegisters(bytes);
  if (!state.ok()) return state.status();
  if (static_cast<size_t>(state->cpus_size()) != vcpu_ids_.size()) {
    return Damaged(absl::StrCat("registers of ", state->cpus_size(), " vCPUs, this machine has ",
                                vcpu_ids_.size()));
  }
  for (int i = 0; i < state->cpus_size(); ++i) {
    const state::Gicv5Cpu& cpu = state->cpus(i);
    if (cpu.vcpu_id() != vcpu_ids_[static_cast<size_t>(i)]) {
      return Damaged(absl::StrCat("registers of a vCPU ", cpu.vcpu_id()));
    }
    for (const state::Gicv5CpuRegister& reg : cpu.registers()) {
      if (reg.encoding() > UINT16_MAX) return Damaged("encoding of an ICC register");
      const SystemRegister name = SystemRegister::Unpack(static_cast<uint16_t>(reg.encoding()));
      absl::Status status = SetAttrU64(*device_, kvm::kVgicGrpCpuSysregs,
                                       CpuAttribute(cpu.vcpu_id(), name), reg.value());
      if (!status.ok()) {
        return Annotate(status, absl::StrFormat("GICv5: register 0x%04x of vCPU %d", reg.encoding(),
                                                cpu.vcpu_id()));
      }
    }
  }
  const std::map<uint64_t, uint64_t> irs = IrsOf(*state);
  for (const uint64_t offset : gicv5::kIrsTableRegisters) {
    if (offset == gicv5::kIrsIstBaser) {
      // Without an LPI IST there is nothing to announce, and nothing to restore behind it.
      const auto baser = irs.find(offset);
      if (baser != irs.end() && (baser->second & gicv5::kIstBaserValid) == 0) continue;
    }
    if (absl::Status status = SetIrs(*device_, irs, offset); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Gicv5::RestoreTables(std::string_view bytes) {
  if (absl::Status status = CheckCanSave(); !status.ok()) return status;
  state::Gicv5Tables tables;
  if (!tables.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged("the ISTs cannot be read");
  }
  const bool flat = ist_interface_ == Gicv5IstInterface::kFlat;
  if (tables.lpis_in_guest_memory() != flat) {
    return absl::FailedPreconditionError(
        absl::StrCat("GICv5: the snapshot has its LPI IST in ",
                     tables.lpis_in_guest_memory() ? "guest memory" : "a buffer",
                     ", this host's kernel wants it in ", flat ? "guest memory" : "a buffer",
                     ": the two kernels speak different dialects"));
  }
  if (tables.spi_ist().size() != spi_count_ * kIsteSize) {
    return Damaged(absl::StrCat("an SPI IST of ", tables.spi_ist().size(),
                                " bytes, this machine's has ", spi_count_ * kIsteSize));
  }
  absl::Status status;
  if (flat) {
    status = device_->SetAttr(kvm::kVgicGrpIst, 0, AddressOf(tables.spi_ist()));
  } else {
    const absl::StatusOr<size_t> lpi_size = LpiIstSize();
    if (!lpi_size.ok()) return lpi_size.status();
    if (tables.lpi_ist().size() != *lpi_size) {
      return Damaged(absl::StrCat("an LPI IST of ", tables.lpi_ist().size(),
                                  " bytes, IRS_IST_CFGR says ", *lpi_size));
    }
    const kvm::VgicV5Ist ist = {.spi_ist_addr = AddressOf(tables.spi_ist()),
                                .spi_ist_size = tables.spi_ist().size(),
                                .lpi_ist_addr = AddressOf(tables.lpi_ist()),
                                .lpi_ist_size = tables.lpi_ist().size()};
    status = device_->SetAttr(kvm::kVgicGrpIst, 0, reinterpret_cast<uintptr_t>(&ist));
  }
  if (!status.ok()) return Annotate(status, "GICv5: restoring the ISTs");
  return flat ? RestoreTriggers(tables.spi_ist()) : absl::OkStatus();
}

// The first posted series takes the trigger modes of SPIs only here, not from the IST.
absl::Status Gicv5::RestoreTriggers(std::string_view spi_ist) {
  for (uint32_t spi = 0; spi < spi_count_; ++spi) {
    const bool level =
        (static_cast<unsigned char>(spi_ist[spi * kIsteSize]) & gicv5::kIsteLevel) != 0;
    absl::Status status = SetAttrU64(*device_, kvm::kVgicGrpIrsRegs, gicv5::kIrsSpiSelr, spi);
    if (status.ok()) {
      status = SetAttrU64(*device_, kvm::kVgicGrpIrsRegs, gicv5::kIrsSpiCfgr, level ? 1 : 0);
    }
    if (!status.ok()) return Annotate(status, absl::StrCat("GICv5: trigger mode of SPI ", spi));
  }
  return absl::OkStatus();
}

absl::Status Gicv5::RestoreEnables(std::string_view bytes) {
  const absl::StatusOr<state::Gicv5Registers> state = ParseRegisters(bytes);
  if (!state.ok()) return state.status();
  const std::map<uint64_t, uint64_t> irs = IrsOf(*state);
  for (const uint64_t offset : gicv5::kIrsOtherRegisters) {
    if (absl::Status status = SetIrs(*device_, irs, offset); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace firn
