// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The registers of a GICv3 that make up its state, in the order in which they are restored.
// Source: Linux Documentation/virt/kvm/devices/{arm-vgic-v3,arm-vgic-its}.rst for groups,
// attributes and order; Arm IHI 0069 section 12 for names and offsets.
#ifndef FIRN_ARCH_AARCH64_GICV3_REGISTERS_H_
#define FIRN_ARCH_AARCH64_GICV3_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "arch-aarch64/gicv3_state.pb.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"

namespace firn {

// Where a message keeps the value of a register, or of a row of registers.
template <typename Message>
class Gicv3Field {
 public:
  template <typename T>
  struct One {
    T (Message::*get)() const;
    void (Message::*set)(T);
  };
  template <typename T>
  struct Many {
    const google::protobuf::RepeatedField<T>& (Message::*get)() const;
    google::protobuf::RepeatedField<T>* (Message::*mutate)();
  };

  constexpr Gicv3Field(uint32_t (Message::*get)() const, void (Message::*set)(uint32_t))
      : field_(One<uint32_t>{get, set}) {}
  constexpr Gicv3Field(uint64_t (Message::*get)() const, void (Message::*set)(uint64_t))
      : field_(One<uint64_t>{get, set}) {}
  constexpr Gicv3Field(const google::protobuf::RepeatedField<uint32_t>& (Message::*get)() const,
                       google::protobuf::RepeatedField<uint32_t>* (Message::*mutate)())
      : field_(Many<uint32_t>{get, mutate}) {}
  constexpr Gicv3Field(const google::protobuf::RepeatedField<uint64_t>& (Message::*get)() const,
                       google::protobuf::RepeatedField<uint64_t>* (Message::*mutate)())
      : field_(Many<uint64_t>{get, mutate}) {}

  // 4 or 8 bytes.
  size_t width() const { return field_.index() % 2 == 0 ? sizeof(uint32_t) : sizeof(uint64_t); }

  size_t size(const Message& message) const {
    return std::visit(
        [&](const auto& field) -> size_t {
          if constexpr (requires { field.set; })
            return 1;
          else
            return static_cast<size_t>((message.*field.get)().size());
        },
        field_);
  }
  // `n` is below size().
  uint64_t Get(const Message& message, size_t n) const {
    return std::visit(
        [&](const auto& field) -> uint64_t {
          if constexpr (requires { field.set; })
            return (message.*field.get)();
          else
            return (message.*field.get)().Get(static_cast<int>(n));
        },
        field_);
  }
  // The next value; the only one of a single register.
  void Add(Message& message, uint64_t value) const {
    std::visit(
        [&](const auto& field) {
          if constexpr (requires { field.set; })
            (message.*field.set)(value);
          else
            (message.*field.mutate)()->Add(value);
        },
        field_);
  }

 private:
  std::variant<One<uint32_t>, One<uint64_t>, Many<uint32_t>, Many<uint64_t>> field_;
};

// How many registers a row has.
struct Gicv3Count {
  enum class Of {
    kFixed,     // `n` of them
    kSpis,      // `n` bits for each SPI
    kPriority,  // as many as ICC_CTLR_EL1.PRIbits asks for
  };
  Of of = Of::kFixed;
  uint32_t n = 1;
};

enum class Gicv3Phase {
  kCompare,    // never written: the host's own must be the same
  kRegisters,  // Gicv3::RestoreRegisters
  kEnables,    // Gicv3::RestoreEnables
};

template <typename Message>
struct Gicv3Register {
  std::string_view name;
  Gicv3Field<Message> field;
  kvm::VgicGroup group;
  uint32_t first;       // of KVM's attribute: offset, system register, or INTID
  uint32_t stride = 0;  // to the next register's
  Gicv3Count count = {};
  // Read-only bits that guests see, which this host must have the same. All, for kCompare.
  uint64_t host_bits = 0;
  // The offset of the register that clears what this one can only set; 0 without.
  uint32_t clear = 0;
  Gicv3Phase phase = Gicv3Phase::kRegisters;
};

inline constexpr uint64_t kGicv3AllBits = ~uint64_t{0};
// GICD_IIDR.Revision and GITS_IIDR.Revision choose among the behaviours, and table layouts, that
// KVM has; it refuses one that it has not.
inline constexpr uint64_t kGicv3IidrHostBits = ~uint64_t{0xf000};
// ICC_CTLR_EL1.{ExtRange, RSS, A3V, SEIS, IDbits, PRIbits}.
inline constexpr uint64_t kIccCtlrHostBits = 0xcff00;

// IIDR first, as arm-vgic-v3.rst wants it. CTLR before what can be pending: KVM takes an
// interrupt that becomes pending while the distributor is off for one that waits for no vCPU, and
// does not look again when the distributor goes on. Nothing is delivered before RestoreEnables
// all the same. What an interrupt is (group, trigger, priority, route) before its state.
inline constexpr Gicv3Register<state::Gicv3Distributor> kGicdRegisters[] = {
    {.name = "GICD_IIDR",
     .field = {&state::Gicv3Distributor::iidr, &state::Gicv3Distributor::set_iidr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0008,
     .host_bits = kGicv3IidrHostBits},
    {.name = "GICD_TYPER",
     .field = {&state::Gicv3Distributor::typer, &state::Gicv3Distributor::set_typer},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0004,
     .host_bits = kGicv3AllBits,
     .phase = Gicv3Phase::kCompare},
    {.name = "GICD_TYPER2",
     .field = {&state::Gicv3Distributor::typer2, &state::Gicv3Distributor::set_typer2},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x000c,
     .host_bits = kGicv3AllBits,
     .phase = Gicv3Phase::kCompare},
    {.name = "GICD_CTLR",
     .field = {&state::Gicv3Distributor::ctlr, &state::Gicv3Distributor::set_ctlr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0000},
    {.name = "GICD_STATUSR",
     .field = {&state::Gicv3Distributor::statusr, &state::Gicv3Distributor::set_statusr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0010},
    {.name = "GICD_IGROUPR",
     .field = {&state::Gicv3Distributor::igroupr, &state::Gicv3Distributor::mutable_igroupr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0084,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 1}},
    {.name = "GICD_ICFGR",
     .field = {&state::Gicv3Distributor::icfgr, &state::Gicv3Distributor::mutable_icfgr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0c08,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 2}},
    {.name = "GICD_IPRIORITYR",
     .field = {&state::Gicv3Distributor::ipriorityr, &state::Gicv3Distributor::mutable_ipriorityr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0420,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 8}},
    {.name = "GICD_IROUTER",
     .field = {&state::Gicv3Distributor::irouter, &state::Gicv3Distributor::mutable_irouter},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x6100,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 64}},
    {.name = "GICD_ISENABLER",
     .field = {&state::Gicv3Distributor::isenabler, &state::Gicv3Distributor::mutable_isenabler},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0104,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 1},
     .clear = 0x0184},
    {.name = "GICD_ISACTIVER",
     .field = {&state::Gicv3Distributor::isactiver, &state::Gicv3Distributor::mutable_isactiver},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0304,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 1},
     .clear = 0x0384},
    {.name = "GICD_ISPENDR",  // this interface sets and clears the latch
     .field = {&state::Gicv3Distributor::ispendr, &state::Gicv3Distributor::mutable_ispendr},
     .group = kvm::kVgicGrpDistRegs,
     .first = 0x0204,
     .stride = 4,
     .count = {Gicv3Count::Of::kSpis, 1}},
    {.name = "the line level of SPIs",
     .field = {&state::Gicv3Distributor::line_level, &state::Gicv3Distributor::mutable_line_level},
     .group = kvm::kVgicGrpLevelInfo,
     .first = 32,
     .stride = 32,
     .count = {Gicv3Count::Of::kSpis, 1}},
};

// CTLR.EnableLPIs makes PROPBASER and PENDBASER read-only, and must be there before the ITS's
// tables are restored: KVM fetches pending bits when either happens, and clears them in memory
// when it restores the tables.
inline constexpr Gicv3Register<state::Gicv3Redistributor> kGicrRegisters[] = {
    {.name = "GICR_TYPER",
     .field = {&state::Gicv3Redistributor::typer, &state::Gicv3Redistributor::set_typer},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0008,
     .host_bits = kGicv3AllBits,
     .phase = Gicv3Phase::kCompare},
    {.name = "GICR_STATUSR",
     .field = {&state::Gicv3Redistributor::statusr, &state::Gicv3Redistributor::set_statusr},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0010},
    {.name = "GICR_WAKER",
     .field = {&state::Gicv3Redistributor::waker, &state::Gicv3Redistributor::set_waker},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0014},
    {.name = "GICR_PROPBASER",
     .field = {&state::Gicv3Redistributor::propbaser, &state::Gicv3Redistributor::set_propbaser},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0070},
    {.name = "GICR_PENDBASER",
     .field = {&state::Gicv3Redistributor::pendbaser, &state::Gicv3Redistributor::set_pendbaser},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0078},
    {.name = "GICR_CTLR",
     .field = {&state::Gicv3Redistributor::ctlr, &state::Gicv3Redistributor::set_ctlr},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x0000},
    {.name = "GICR_IGROUPR0",
     .field = {&state::Gicv3Redistributor::igroupr0, &state::Gicv3Redistributor::set_igroupr0},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0080},
    {.name = "GICR_ICFGR",
     .field = {&state::Gicv3Redistributor::icfgr, &state::Gicv3Redistributor::mutable_icfgr},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0c00,
     .stride = 4,
     .count = {Gicv3Count::Of::kFixed, 2}},
    {.name = "GICR_IPRIORITYR",
     .field = {&state::Gicv3Redistributor::ipriorityr,
               &state::Gicv3Redistributor::mutable_ipriorityr},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0400,
     .stride = 4,
     .count = {Gicv3Count::Of::kFixed, 8}},
    {.name = "GICR_ISENABLER0",
     .field = {&state::Gicv3Redistributor::isenabler0, &state::Gicv3Redistributor::set_isenabler0},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0100,
     .clear = 0x1'0180},
    {.name = "GICR_ISACTIVER0",
     .field = {&state::Gicv3Redistributor::isactiver0, &state::Gicv3Redistributor::set_isactiver0},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0300,
     .clear = 0x1'0380},
    {.name = "GICR_ISPENDR0",  // as GICD_ISPENDR
     .field = {&state::Gicv3Redistributor::ispendr0, &state::Gicv3Redistributor::set_ispendr0},
     .group = kvm::kVgicGrpRedistRegs,
     .first = 0x1'0200},
    {.name = "the line level of PPIs",
     .field = {&state::Gicv3Redistributor::line_level, &state::Gicv3Redistributor::set_line_level},
     .group = kvm::kVgicGrpLevelInfo,
     .first = 0},
};

// CTLR before BPR1, which is read-only where CTLR.CBPR is set.
inline constexpr Gicv3Register<state::Gicv3CpuInterface> kIccRegisters[] = {
    {.name = "ICC_SRE_EL1",
     .field = {&state::Gicv3CpuInterface::sre, &state::Gicv3CpuInterface::set_sre},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 12, 5}.packed()},
    {.name = "ICC_CTLR_EL1",
     .field = {&state::Gicv3CpuInterface::ctlr, &state::Gicv3CpuInterface::set_ctlr},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 12, 4}.packed(),
     .host_bits = kIccCtlrHostBits},
    {.name = "ICC_PMR_EL1",
     .field = {&state::Gicv3CpuInterface::pmr, &state::Gicv3CpuInterface::set_pmr},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 4, 6, 0}.packed()},
    {.name = "ICC_BPR0_EL1",
     .field = {&state::Gicv3CpuInterface::bpr0, &state::Gicv3CpuInterface::set_bpr0},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 8, 3}.packed()},
    {.name = "ICC_BPR1_EL1",
     .field = {&state::Gicv3CpuInterface::bpr1, &state::Gicv3CpuInterface::set_bpr1},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 12, 3}.packed()},
    {.name = "ICC_AP0R_EL1",
     .field = {&state::Gicv3CpuInterface::ap0r, &state::Gicv3CpuInterface::mutable_ap0r},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 8, 4}.packed(),
     .stride = 1,
     .count = {Gicv3Count::Of::kPriority, 1}},
    {.name = "ICC_AP1R_EL1",
     .field = {&state::Gicv3CpuInterface::ap1r, &state::Gicv3CpuInterface::mutable_ap1r},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 9, 0}.packed(),
     .stride = 1,
     .count = {Gicv3Count::Of::kPriority, 1}},
    {.name = "ICC_IGRPEN0_EL1",
     .field = {&state::Gicv3CpuInterface::igrpen0, &state::Gicv3CpuInterface::set_igrpen0},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 12, 6}.packed(),
     .phase = Gicv3Phase::kEnables},
    {.name = "ICC_IGRPEN1_EL1",
     .field = {&state::Gicv3CpuInterface::igrpen1, &state::Gicv3CpuInterface::set_igrpen1},
     .group = kvm::kVgicGrpCpuSysregs,
     .first = SystemRegister{3, 0, 12, 12, 7}.packed(),
     .phase = Gicv3Phase::kEnables},
};

// A write of CBASER resets CREADR and CWRITER, so they come after it; CTLR makes CBASER, CREADR and
// BASER read-only and executes the commands that are left, so it comes after the tables.
inline constexpr Gicv3Register<state::Gicv3Its> kGitsRegisters[] = {
    {.name = "GITS_IIDR",
     .field = {&state::Gicv3Its::iidr, &state::Gicv3Its::set_iidr},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0004,
     .host_bits = kGicv3IidrHostBits},
    {.name = "GITS_TYPER",
     .field = {&state::Gicv3Its::typer, &state::Gicv3Its::set_typer},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0008,
     .host_bits = kGicv3AllBits,
     .phase = Gicv3Phase::kCompare},
    {.name = "GITS_CBASER",
     .field = {&state::Gicv3Its::cbaser, &state::Gicv3Its::set_cbaser},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0080},
    {.name = "GITS_CREADR",
     .field = {&state::Gicv3Its::creadr, &state::Gicv3Its::set_creadr},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0090},
    {.name = "GITS_CWRITER",
     .field = {&state::Gicv3Its::cwriter, &state::Gicv3Its::set_cwriter},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0088},
    {.name = "GITS_BASER",
     .field = {&state::Gicv3Its::baser, &state::Gicv3Its::mutable_baser},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0100,
     .stride = 8,
     .count = {Gicv3Count::Of::kFixed, 8}},
    {.name = "GITS_CTLR",
     .field = {&state::Gicv3Its::ctlr, &state::Gicv3Its::set_ctlr},
     .group = kvm::kVgicGrpItsRegs,
     .first = 0x0000,
     .phase = Gicv3Phase::kEnables},
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_GICV3_REGISTERS_H_
