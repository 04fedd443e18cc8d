// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// KVM_DEV_ARM_VGIC_GRP_IST: save and restore of the Interrupt State Tables (gicv5-reference 1.10).
#include <cstring>
#include <vector>

#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/attribute_group.h"
#include "hypervisor/software/user_memory.h"

namespace firn::software::gicv5 {
namespace {

constexpr std::string_view kGroup = "GRP_IST";

absl::Status Invalid(std::string_view why) {
  return ErrnoStatus(EINVAL, absl::StrCat(kGroup, ": ", why));
}

absl::Span<const std::byte> Bytes(absl::Span<const Iste> entries) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(entries.data()),
                             entries.size() * sizeof(Iste));
}
absl::Span<std::byte> Bytes(std::vector<Iste>& entries) {
  return absl::MakeSpan(reinterpret_cast<std::byte*>(entries.data()),
                        entries.size() * sizeof(Iste));
}

class IstGroup : public AttributeGroup {
 public:
  explicit IstGroup(VgicState* state) : state_(state) {}

  absl::Status Has(uint64_t attr) override {
    return attr == 0 ? absl::OkStatus() : NoSuchAttribute(kGroup, attr);
  }

  absl::Status Get(uint64_t attr, uint64_t addr) override {
    if (absl::Status status = Check(attr, false); !status.ok()) return status;
    const absl::StatusOr<kvm::VgicV5Ist> buffers = Buffers(addr);
    if (!buffers.ok()) return buffers.status();
    if (absl::Status status = Quiesce(); !status.ok()) return status;
    VirtualIrs& virtual_irs = *state_->virtual_irs;
    if (virtual_irs.ist.valid()) {
      if (!virtual_irs.irs.has_lpi_ist()) {
        return ErrnoStatus(ENXIO, absl::StrCat(kGroup,
                                               ": IST_BASER was restored valid, but no IST; "
                                               "set GRP_IST first"));
      }
      if (absl::Status status = SaveLpis(*buffers); !status.ok()) return status;
    }
    return CopyToUser(buffers->spi_ist_addr, Bytes(virtual_irs.irs.spis()), kGroup);
  }

  absl::Status Set(uint64_t attr, uint64_t addr) override {
    if (absl::Status status = Check(attr, true); !status.ok()) return status;
    const absl::StatusOr<kvm::VgicV5Ist> buffers = Buffers(addr);
    if (!buffers.ok()) return buffers.status();
    VirtualIrs& virtual_irs = *state_->virtual_irs;
    if (!state_->rules.ist_set_allocates) return Restore(*buffers);

    if (virtual_irs.irs.has_lpi_ist()) {
      return ErrnoStatus(EBUSY, absl::StrCat(kGroup, ": an LPI IST exists; restore into a new VM"));
    }
    if (virtual_irs.ist.valid()) {
      if (absl::Status status = virtual_irs.ist.Allocate(); !status.ok()) return status;
    }
    absl::Status status = Restore(*buffers);
    if (!status.ok()) virtual_irs.irs.FreeLpiIst();
    return status;
  }

 private:
  absl::Status Check(uint64_t attr, bool set) {
    absl::Status status = Has(attr);
    if (status.ok()) status = state_->CheckStopped(kGroup);
    if (status.ok()) status = state_->CheckInitialised(kGroup);
    if (status.ok() && set) status = state_->CheckNeverRun(kGroup);
    return status;
  }

  // The size of the table that IST_CFGR describes.
  uint64_t LpiBytes() const { return sizeof(Iste) << state_->virtual_irs->ist.lpi_id_bits(); }

  // The buffers that `addr` stands for, with sizes that fit the tables.
  absl::StatusOr<kvm::VgicV5Ist> Buffers(uint64_t addr) const {
    const IstControl& ist = state_->virtual_irs->ist;
    const uint64_t spi_bytes = uint64_t{state_->nr_spis} * sizeof(Iste);
    if (addr == 0) return Invalid("no buffer");
    if (!state_->rules.ist_descriptor) {
      if (ist.valid() && !ist.IsCfgrAcceptable()) {
        return ErrnoStatus(ENXIO, absl::StrCat(kGroup, ": IST_CFGR describes no table"));
      }
      return kvm::VgicV5Ist{
          .spi_ist_addr = addr, .spi_ist_size = spi_bytes, .lpi_ist_addr = 0, .lpi_ist_size = 0};
    }
    const absl::StatusOr<kvm::VgicV5Ist> given = GetUser<kvm::VgicV5Ist>(addr, kGroup);
    if (!given.ok()) return given;
    if (given->spi_ist_addr == 0 || given->spi_ist_size != spi_bytes) {
      return Invalid(absl::StrCat("the SPI buffer must have ", spi_bytes, " bytes"));
    }
    if (!ist.valid()) {
      if (given->lpi_ist_addr != 0 || given->lpi_ist_size != 0) {
        return Invalid("an LPI buffer, but IST_BASER is not valid; restore the registers first");
      }
      return given;
    }
    if (!ist.IsCfgrAcceptable()) return Invalid("IST_CFGR describes no table");
    if (given->lpi_ist_addr == 0 || given->lpi_ist_size != LpiBytes()) {
      return Invalid(absl::StrCat("the LPI buffer must have ", LpiBytes(), " bytes"));
    }
    return given;
  }

  // The host IRS writes its tables back and stops changing them.
  absl::Status Quiesce() const {
    if (state_->quiesce_errno == 0) return absl::OkStatus();
    return ErrnoStatus(state_->quiesce_errno, absl::StrCat(kGroup, ": host IRS save"));
  }

  absl::StatusOr<std::byte*> GuestLpiIst(uint64_t size, bool for_write) const {
    const GuestAddress address = state_->virtual_irs->ist.address();
    std::byte* const memory = state_->machine->GuestPhysical(address, size, for_write);
    if (memory == nullptr) {
      return ErrnoStatus(EFAULT, absl::StrCat(kGroup, ": the guest's LPI IST at ", address,
                                              " is not in guest memory"));
    }
    return memory;
  }

  absl::Status SaveLpis(const kvm::VgicV5Ist& buffers) const {
    const absl::Span<const std::byte> lpis = Bytes(state_->virtual_irs->irs.lpis());
    if (!state_->rules.lpi_ist_in_guest_memory) {
      return CopyToUser(buffers.lpi_ist_addr, lpis, kGroup);
    }
    const absl::StatusOr<std::byte*> memory = GuestLpiIst(lpis.size(), true);
    if (!memory.ok()) return memory.status();
    std::memcpy(*memory, lpis.data(), lpis.size());
    return absl::OkStatus();
  }

  absl::Status ReadLpis(const kvm::VgicV5Ist& buffers, absl::Span<std::byte> lpis) const {
    if (!state_->rules.lpi_ist_in_guest_memory) {
      return CopyFromUser(lpis, buffers.lpi_ist_addr, kGroup);
    }
    const absl::StatusOr<std::byte*> memory = GuestLpiIst(lpis.size(), false);
    if (!memory.ok()) return memory.status();
    std::memcpy(lpis.data(), *memory, lpis.size());
    return absl::OkStatus();
  }

  // Reads everything, then loads it: a failure leaves the tables as they were.
  absl::Status Restore(const kvm::VgicV5Ist& buffers) {
    if (absl::Status status = Quiesce(); !status.ok()) return status;
    VirtualIrs& virtual_irs = *state_->virtual_irs;
    Irs& irs = virtual_irs.irs;
    std::vector<Iste> spis(irs.spi_count());
    std::vector<Iste> lpis(virtual_irs.ist.valid() ? irs.lpi_count() : 0);
    if (absl::Status status = CopyFromUser(Bytes(spis), buffers.spi_ist_addr, kGroup);
        !status.ok()) {
      return status;
    }
    if (!lpis.empty()) {
      if (absl::Status status = ReadLpis(buffers, Bytes(lpis)); !status.ok()) return status;
    }
    for (std::vector<Iste>* table : {&spis, &lpis}) {
      for (Iste& entry : *table) entry.bits &= Iste::kRestored;
    }
    irs.Load(IntidType::kSpi, spis);
    irs.Load(IntidType::kLpi, lpis);
    if (state_->rules.ist_sets_trigger) {
      for (uint32_t spi = 0; spi < spis.size(); ++spi) {
        virtual_irs.lines.RestoreTrigger(spi, spis[spi].Has(Iste::kLevel));
      }
    }
    virtual_irs.ist.RestoreDone();
    return absl::OkStatus();
  }

  VgicState* state_;
};

}  // namespace

std::unique_ptr<AttributeGroup> MakeIstGroup(VgicState* state) {
  return std::make_unique<IstGroup>(state);
}

}  // namespace firn::software::gicv5
