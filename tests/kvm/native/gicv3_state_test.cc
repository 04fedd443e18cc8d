// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Gicv3's save and restore on a real VGICv3.
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "arch-aarch64/gicv3_state.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "tests/kvm/native/gic_registers.h"
#include "tests/kvm/native/its_guest.h"
#include "tests/kvm/native/native_vm.h"

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kSpecialNone = 1023;  // ICC_IAR1_EL1: nothing is pending

// Interrupts that the tests use, by INTID.
constexpr uint32_t kSgi = 3, kPpi = 20, kEdgeSpi = 40, kLevelSpi = 41, kActiveSpi = 42;
constexpr uint32_t kLpi = kFirstLpi + 5;
constexpr uint32_t kLpiEvent = 2;

struct Saved {
  std::string tables, registers;
  std::vector<std::byte> memory;
};

// In the order of docs/design.md section 4.
Saved Save(NativeVm& vm) {
  Saved saved;
  const absl::StatusOr<std::string> tables = vm.gic().SaveTables();
  EXPECT_TRUE(tables.ok()) << tables.status();
  const absl::StatusOr<std::string> registers = vm.gic().SaveRegisters();
  EXPECT_TRUE(registers.ok()) << registers.status();
  if (tables.ok() && registers.ok()) saved = {*tables, *registers, {}};
  saved.memory = vm.MemoryContent();
  return saved;
}

void Restore(NativeVm& vm, const Saved& saved) {
  const absl::Status registers = vm.gic().RestoreRegisters(saved.registers);
  ASSERT_TRUE(registers.ok()) << registers;
  const absl::Status tables = vm.gic().RestoreTables(saved.tables);
  ASSERT_TRUE(tables.ok()) << tables;
  const absl::Status enables = vm.gic().RestoreEnables(saved.registers);
  ASSERT_TRUE(enables.ok()) << enables;
}

state::Gicv3 Parsed(const std::string& registers) {
  state::Gicv3 state;
  EXPECT_TRUE(state.ParseFromString(registers));
  return state;
}

// Says which register differs.
void ExpectSame(const Saved& a, const Saved& b) {
  EXPECT_EQ(a.tables, b.tables);
  EXPECT_TRUE(a.memory == b.memory);
  const state::Gicv3 x = Parsed(a.registers), y = Parsed(b.registers);
  EXPECT_EQ(x.distributor().SerializeAsString(), y.distributor().SerializeAsString());
  ASSERT_EQ(x.vcpus_size(), y.vcpus_size());
  for (int n = 0; n < x.vcpus_size(); ++n) {
    EXPECT_EQ(x.vcpus(n).redistributor().SerializeAsString(),
              y.vcpus(n).redistributor().SerializeAsString());
    EXPECT_EQ(x.vcpus(n).cpu_interface().SerializeAsString(),
              y.vcpus(n).cpu_interface().SerializeAsString());
  }
  EXPECT_EQ(x.its().SerializeAsString(), y.its().SerializeAsString());
  EXPECT_EQ(a.registers, b.registers);
}

// Every register that the state has, with another value than after reset where it can have one.
void ProgramAll(NativeVm& vm) {
  SetGicd(vm, 0x0000, 0x12);  // GICD_CTLR: EnableGrp1A, ARE
  for (uint32_t word = 1; word <= 2; ++word) {
    SetGicd(vm, 0x0080 + 4 * word, 0xffff0ff0 + word);   // IGROUPR
    SetGicd(vm, 0x0100 + 4 * word, 0x0f0f5a00 | word);   // ISENABLER
    SetGicd(vm, 0x0200 + 4 * word, 0x81000010 << word);  // ISPENDR
    SetGicd(vm, 0x0300 + 4 * word, 0x00c00001 << word);  // ISACTIVER
    SetLines(vm, 0, 32 * word, 0x00180300 << word);
  }
  for (uint32_t word = 2; word < 6; ++word)
    SetGicd(vm, 0x0c00 + 4 * word, 0xa02a0800 >> word & 0xaaaaaaaa);
  for (uint32_t word = 8; word < 24; ++word)
    SetGicd(vm, 0x0400 + 4 * word, 0x10203008 * (word % 7));
  for (uint32_t intid = 32; intid < 96; ++intid) SetGicd(vm, 0x6000 + 8 * intid, intid % 3 == 0);

  for (uint32_t vcpu = 0; vcpu < NativeVm::kVcpus; ++vcpu) {
    SetGicr(vm, vcpu, 0x1'0080, 0xfff0'ffff - vcpu);      // IGROUPR0
    SetGicr(vm, vcpu, 0x1'0180, 0xffff'ffff);             // ICENABLER0
    SetGicr(vm, vcpu, 0x1'0100, 0x0c10'00f7 + 8 * vcpu);  // ISENABLER0
    SetGicr(vm, vcpu, 0x1'0200, 0x0110'0008 << vcpu);     // ISPENDR0
    SetGicr(vm, vcpu, 0x1'0300, 0x0020'0004 << vcpu);     // ISACTIVER0
    for (uint32_t word = 0; word < 8; ++word) {
      SetGicr(vm, vcpu, 0x1'0400 + 4 * word, 0x08f0a050 + 0x01000000 * 8 * word);
    }
    SetLines(vm, vcpu, 0, 0x0230'0000 << vcpu);

    SetIcc(vm, vcpu, kIccPmr, 0xb0 + 0x08 * vcpu);
    SetIcc(vm, vcpu, kIccBpr0, 4);
    SetIcc(vm, vcpu, kIccBpr1, 5);
    SetIcc(vm, vcpu, kIccAp0r0, 0x0001'0000 << vcpu);
    SetIcc(vm, vcpu, kIccAp1r0, 0x0040'0200 << vcpu);
    SetIcc(vm, vcpu, kIccCtlr, GetIcc(vm, vcpu, kIccCtlr) | 2);  // EOImode
    SetIcc(vm, vcpu, kIccIgrpen0, vcpu);
    SetIcc(vm, vcpu, kIccIgrpen1, 1);
  }
}

// With two LPIs, one pending on each vCPU, and one that is not.
void ProgramIts(NativeVm& vm) {
  ItsGuest its(vm);
  its.Map(kLpiEvent, kLpi, 0xb0, 0);
  its.Map(7, kFirstLpi + 11, 0x40, 1);
  its.Map(9, kFirstLpi + 12, 0x48, 1);
  its.Raise(kLpiEvent);
  its.Raise(7);
}

TEST(Gicv3StateTest, ARestoredControllerSavesToEqualBytes) {
  NativeVm first;
  ProgramAll(first);
  ProgramIts(first);
  const Saved saved = Save(first);
  EXPECT_TRUE(IsPendingInMemory(first, 0, kLpi));
  EXPECT_TRUE(IsPendingInMemory(first, 1, kFirstLpi + 11));
  EXPECT_FALSE(IsPendingInMemory(first, 1, kFirstLpi + 12));

  // What was programmed is what was saved: not two times the reset values.
  const state::Gicv3 state = Parsed(saved.registers);
  EXPECT_THAT(state.distributor().isenabler(), ElementsAre(0x0f0f5a01, 0x0f0f5a02));
  EXPECT_THAT(state.distributor().isactiver(), ElementsAre(0x01800002, 0x03000004));
  EXPECT_THAT(state.distributor().ispendr(), ElementsAre(0x02000020, 0x04000040));
  // KVM has no level of the lines of edge-triggered interrupts, which have no meaning either.
  EXPECT_THAT(state.distributor().line_level(), ElementsAre(0x00300400, 0x00600c00));
  EXPECT_THAT(state.distributor().igroupr(), ElementsAre(0xffff0ff1, 0xffff0ff2));
  EXPECT_EQ(state.distributor().irouter_size(), 128);
  ASSERT_EQ(state.vcpus_size(), 2);
  EXPECT_EQ(state.vcpus(1).mpidr(), 1u);
  EXPECT_EQ(state.vcpus(0).redistributor().isenabler0(), 0x0c10'00f7u);
  EXPECT_EQ(state.vcpus(1).redistributor().ispendr0(), 0x0220'0010u);
  EXPECT_EQ(state.vcpus(1).redistributor().line_level(), 0x0460'0000u);
  EXPECT_EQ(state.vcpus(1).redistributor().ctlr() & 1, 1u);
  EXPECT_EQ(state.vcpus(1).cpu_interface().pmr(), 0xb8u);
  EXPECT_EQ(state.vcpus(1).cpu_interface().ap1r(0), 0x0080'0400u);
  EXPECT_EQ(state.vcpus(1).cpu_interface().igrpen0(), 1u);
  EXPECT_EQ(state.its().ctlr() & 1, 1u);
  EXPECT_GT(state.its().cwriter(), 0u);

  NativeVm second(&first);
  Restore(second, saved);
  // KVM takes the pending bits out of memory; the next save brings them back.
  EXPECT_FALSE(IsPendingInMemory(second, 0, kLpi));
  ExpectSame(Save(second), saved);

  NativeVm third(&second);
  Restore(third, saved);
  ExpectSame(Save(third), saved);
}

TEST(Gicv3StateTest, WhatWasThereBeforeIsUndone) {
  NativeVm first;
  ProgramIts(first);
  const Saved saved = Save(first);
  NativeVm second(&first);
  ProgramAll(second);
  EXPECT_NE(Save(second).registers, saved.registers);
  NativeVm third(&first);
  ProgramAll(third);
  SetGits(third, 0x100, 0x4000'0000);
  SetGits(third, 0x80, 0x4060'0003);
  SetGicr64(third, 1, 0x78, 0x4070'0000);
  Restore(third, saved);
  ExpectSame(Save(third), saved);
}

TEST(Gicv3StateTest, ACommandThatWaitsIsExecutedOnceAfterTheRestore) {
  NativeVm first;
  ItsGuest its(first);
  its.Map(kLpiEvent, kLpi, 0xb0, 0);
  // The ITS goes off, and the guest queues INT.
  SetGits(first, 0x00, 0);
  its.Queue({0x03 | uint64_t{ItsGuest::kDeviceId} << 32, kLpiEvent, 0, 0});
  SetGits(first, 0x88, GetGits(first, 0x88) + 32);
  const Saved saved = Save(first);
  EXPECT_FALSE(IsPendingInMemory(first, 0, kLpi));

  NativeVm second(&first);
  Restore(second, saved);
  ExpectSame(Save(second), saved);
  SetGits(second, 0x00, 1);
  EXPECT_EQ(GetGits(second, 0x90), GetGits(second, 0x88));
  Save(second);
  EXPECT_TRUE(IsPendingInMemory(second, 0, kLpi));
}

// ldr x1, device; 1: mrs x0, ICC_IAR1_EL1; dsb sy; str x0, [x1]; mov x2, #1023; cmp x0, x2;
// b.eq 1b; msr ICC_EOIR1_EL1, x0; isb; b 1b; device: .quad 0x0b000100
constexpr std::array<uint32_t, 12> kAcknowledge = {0x58000141, 0xd538cc00, 0xd5033f9f, 0xf9000020,
                                                   0xd2807fe2, 0xeb02001f, 0x54ffff60, 0xd518cc20,
                                                   0xd5033fdf, 0x17fffff8, 0x0b000100, 0};
constexpr GuestAddress kCode(0x4020'0000);

void StartAcknowledging(NativeVm& vm, GuestAddress pc, uint64_t x0) {
  CHECK_OK(vm.memory().Store(kCode, kAcknowledge));
  CHECK_OK(SetRegisterU64(vm.vcpu(0), kvm::kCorePc, pc.value));
  CHECK_OK(SetRegisterU64(vm.vcpu(0), kvm::CoreX(0), x0));
  CHECK_OK(SetRegisterU64(vm.vcpu(0), kvm::CoreX(1), 0x0b00'0100));
}

void SetPriority(NativeVm& vm, uint32_t intid, uint32_t priority) {
  const uint64_t offset = 0x0400 + intid / 4 * 4;
  const uint32_t shift = intid % 4 * 8;
  if (intid < 32) {
    const uint32_t value = GetGicr(vm, 0, 0x1'0000 + offset) & ~(0xffu << shift);
    SetGicr(vm, 0, 0x1'0000 + offset, value | priority << shift);
  } else {
    SetGicd(vm, offset, (GetGicd(vm, offset) & ~(0xffu << shift)) | priority << shift);
  }
}

// An SPI, an SGI, a PPI and an LPI that are pending at the save, one whose line is high, and one
// that is active: vCPU 0 gets each, in the order of their priorities, as often as it is due.
TEST(Gicv3StateTest, EachInterruptIsDeliveredOnceAfterTheRestore) {
  NativeVm first;
  SetGicd(first, 0x0000, 0x12);
  SetGicd(first, 0x0c08, 1u << (2 * (kEdgeSpi - 32) + 1) | 1u << (2 * (kActiveSpi - 32) + 1));
  SetGicd(first, 0x0104, 1u << (kEdgeSpi - 32) | 1u << (kLevelSpi - 32) | 1u << (kActiveSpi - 32));
  SetGicr(first, 0, 0x1'0100, 1u << kSgi | 1u << kPpi);
  SetPriority(first, kActiveSpi, 0x10);
  SetPriority(first, kSgi, 0x50);
  SetPriority(first, kPpi, 0x60);
  SetPriority(first, kEdgeSpi, 0x70);
  SetPriority(first, kLevelSpi, 0x80);
  ItsGuest its(first);
  its.Map(kLpiEvent, kLpi, 0xb0, 0);
  SetIcc(first, 0, kIccPmr, 0xf8);
  SetIcc(first, 0, kIccIgrpen1, 1);

  // The guest acknowledges one interrupt, and is saved before it ends it.
  CHECK_OK(first.vm().IrqLine(first.gic().SpiIrqLine(kActiveSpi - 32), true));
  CHECK_OK(first.vm().IrqLine(first.gic().SpiIrqLine(kActiveSpi - 32), false));
  StartAcknowledging(first, kCode, 0);
  ASSERT_EQ(first.RunToStore(), kActiveSpi);
  CHECK_OK(first.vm().IrqLine(first.gic().SpiIrqLine(kEdgeSpi - 32), true));
  CHECK_OK(first.vm().IrqLine(first.gic().SpiIrqLine(kEdgeSpi - 32), false));
  CHECK_OK(first.vm().IrqLine(first.gic().SpiIrqLine(kLevelSpi - 32), true));
  SetGicr(first, 0, 0x1'0200, 1u << kSgi | 1u << kPpi);
  its.Raise(kLpiEvent);
  const Saved saved = Save(first);
  const state::Gicv3 state = Parsed(saved.registers);
  EXPECT_EQ(state.distributor().isactiver(0), 1u << (kActiveSpi - 32));
  EXPECT_EQ(state.distributor().ispendr(0), 1u << (kEdgeSpi - 32));
  EXPECT_EQ(state.distributor().line_level(0), 1u << (kLevelSpi - 32));
  EXPECT_NE(state.vcpus(0).cpu_interface().ap1r(0), 0u);

  NativeVm second(&first);
  Restore(second, saved);
  const absl::StatusOr<uint64_t> pc = GetRegisterU64(first.vcpu(0), kvm::kCorePc);
  ASSERT_TRUE(pc.ok()) << pc.status();
  StartAcknowledging(second, GuestAddress(*pc), kActiveSpi);
  std::vector<uint64_t> delivered;
  uint64_t intid = 0;
  do {
    intid = second.RunToStore();
    delivered.push_back(intid);
    if (intid == kLevelSpi) {
      CHECK_OK(second.vm().IrqLine(second.gic().SpiIrqLine(kLevelSpi - 32), false));
    }
  } while (intid != kSpecialNone && delivered.size() < 10);
  EXPECT_THAT(delivered, ElementsAre(kSgi, kPpi, kEdgeSpi, kLevelSpi, kLpi, kSpecialNone));

  // The one that was active is no more: it comes again when it is raised again.
  CHECK_OK(second.vm().IrqLine(second.gic().SpiIrqLine(kActiveSpi - 32), true));
  EXPECT_EQ(second.RunToStore(), kActiveSpi);
  EXPECT_EQ(second.RunToStore(), kSpecialNone);
}

// The virtual timer's interrupt is tied to the host's once a vCPU has run, and KVM ignores its
// active state from then on.
TEST(Gicv3StateTest, ActiveTimerComesBackOnlyBeforeAVcpuHasRun) {
  constexpr uint32_t kTimer = 1u << 27;
  NativeVm first;
  SetGicr(first, 0, 0x1'0300, kTimer);
  const Saved saved = Save(first);
  NativeVm before;
  Restore(before, saved);
  EXPECT_EQ(GetGicr(before, 0, 0x1'0300), kTimer);
  NativeVm after;
  StartAcknowledging(after, kCode, 0);
  after.RunToStore();
  Restore(after, saved);
  EXPECT_EQ(GetGicr(after, 0, 0x1'0300), 0u);
}

// The order is needed: with the tables before the registers that say where they are, the LPI is
// lost.
TEST(Gicv3StateTest, TablesBeforeRegistersLoseTheLpi) {
  NativeVm first;
  ProgramIts(first);
  const Saved saved = Save(first);
  NativeVm second(&first);
  ASSERT_TRUE(second.gic().RestoreTables(saved.tables).ok());
  ASSERT_TRUE(second.gic().RestoreRegisters(saved.registers).ok());
  ASSERT_TRUE(second.gic().RestoreEnables(saved.registers).ok());
  EXPECT_FALSE(Save(second).memory == saved.memory);
}

TEST(Gicv3StateTest, MemoryBeforeTablesIsMissing) {
  NativeVm first;
  ProgramIts(first);
  const Saved saved = Save(first);
  NativeVm second;  // with memory that is all zero
  ASSERT_TRUE(second.gic().RestoreRegisters(saved.registers).ok());
  const absl::Status tables = second.gic().RestoreTables(saved.tables);
  ASSERT_TRUE(second.gic().RestoreEnables(saved.registers).ok());
  EXPECT_FALSE(Save(second).memory == saved.memory) << tables;
}

TEST(Gicv3StateTest, TablesOutsideOfMemoryFailTheSaveWithErrnoAndCause) {
  NativeVm vm;
  SetGicr64(vm, 0, 0x78, 0x7000'0000);  // GICR_PENDBASER
  SetGicr64(vm, 1, 0x78, 0x7000'0000);
  ProgramAll(vm);
  SetGicr64(vm, 0, 0x70, kPropertyTable.value | 13);
  SetGicr(vm, 0, 0, 1);
  SetGits(vm, 0x100, uint64_t{1} << 63 | kDeviceTable.value);
  SetGits(vm, 0x108, uint64_t{1} << 63 | 0x7000'0000);  // the collections
  SetGits(vm, 0x80, uint64_t{1} << 63 | kCommandQueue.value);
  SetGits(vm, 0x00, 1);
  const absl::Status status = vm.gic().SaveTables().status();
  EXPECT_EQ(GetErrno(status), EFAULT) << status;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("ITS"), HasSubstr("only the guest can mend")));
}

TEST(Gicv3StateTest, ValuesThatKvmRefusesAreNamed) {
  NativeVm first;
  const Saved saved = Save(first);
  {
    state::Gicv3 state = Parsed(saved.registers);
    state.mutable_vcpus(1)->mutable_cpu_interface()->set_sre(0);
    NativeVm second;
    const absl::Status status = second.gic().RestoreRegisters(state.SerializeAsString());
    EXPECT_EQ(GetErrno(status), EINVAL) << status;
    EXPECT_THAT(status.message(), AllOf(HasSubstr("vCPU 1"), HasSubstr("ICC_SRE_EL1")));
  }
  {
    state::Gicv3 state = Parsed(saved.registers);
    state.mutable_its()->set_creadr(0x8000);
    NativeVm second;
    const absl::Status status = second.gic().RestoreRegisters(state.SerializeAsString());
    EXPECT_EQ(GetErrno(status), EINVAL) << status;
    EXPECT_THAT(status.message(), HasSubstr("GITS_CREADR"));
  }
  {
    state::Gicv3 state = Parsed(saved.registers);
    state.mutable_distributor()->set_typer(state.distributor().typer() + 1);
    NativeVm second;
    const absl::Status status = second.gic().RestoreRegisters(state.SerializeAsString());
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("GICD_TYPER is 0x"));
  }
}

}  // namespace
}  // namespace firn
