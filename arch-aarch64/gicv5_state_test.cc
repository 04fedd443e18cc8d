// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and restore of Gicv5 on the model of VGICv5, in each dialect: the one order of the engine,
// and orders that must not pass.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "arch-aarch64/gicv5.h"
#include "arch-aarch64/gicv5_registers.h"
#include "arch-aarch64/gicv5_state.pb.h"
#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn {
namespace {

using software::gicv5::Dialect;
using software::gicv5::Lpi;
using software::gicv5::PpiId;
using software::gicv5::Spi;
using software::gicv5::TestVm;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

constexpr uint32_t kTimer = 27;
constexpr uint64_t kValid = uint64_t{1} << 32;

// A model, and firn's controller on it, initialised.
struct Rig {
  explicit Rig(Dialect dialect, const std::vector<uint32_t>& vcpu_ids = {0, 1}, uint32_t spis = 40)
      : model({.dialect = dialect, .vcpu_ids = vcpu_ids}) {
    ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillByDefault(Return(nullptr));
    ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillByDefault(Return(&model.gic()));
    gic = *Gicv5::Create(vm, {.spis = spis, .vcpu_ids = vcpu_ids});
    EXPECT_TRUE(gic->Init().ok());
  }

  TestVm model;
  NiceMock<MockVm> vm;
  std::unique_ptr<Gicv5> gic;
};

// A guest in the middle of its life: an SPI active, one pending, one that waits for its enable; an
// LPI and a PPI pending.
void Work(TestVm& vm) {
  vm.Start();
  vm.EnableIrs();
  vm.EnableLpis(10);
  vm.EnableCpus();
  for (uint32_t cpu = 0; cpu < 2; ++cpu) {
    vm.Msr({3, 0, 12, 14, 3}, 0x1f1f1f1f1f1f1f1f, cpu);     // ICC_PPI_PRIORITYR3_EL1
    vm.Msr({3, 0, 12, 10, 6}, uint64_t{1} << kTimer, cpu);  // ICC_PPI_ENABLER0_EL1
  }
  vm.SetTrigger(7, true);
  vm.SetUp(Spi(7), 0x10);
  vm.SpiLine(7, true);
  EXPECT_EQ(vm.Cdia(), kValid | Spi(7));
  vm.Eoi();
  vm.SetUp(Spi(9), 0x10);
  vm.SpiLine(9, true);
  vm.Priority(Spi(10), 0x04);
  vm.SpiLine(10, true);
  vm.SetUp(Lpi(5), 0x0c, 1);
  vm.Pend(Lpi(5));
  vm.gic().SetPpiLine(1, kTimer, true);
}

struct Saved {
  std::string tables;
  std::string registers;
  std::vector<std::byte> ram;
};

class Gicv5StateTest : public testing::TestWithParam<Dialect> {
 protected:
  Gicv5StateTest() { Work(source_.model); }

  bool lpis_in_memory() const { return GetParam() != Dialect::kMerged; }

  static Saved Save(Rig& rig) {
    Saved saved;
    saved.tables = *rig.gic->SaveTables();
    saved.registers = *rig.gic->SaveRegisters();
    saved.ram = rig.model.machine().ram;
    return saved;
  }

  enum class Step { kMemory, kRegisters, kTables, kEnables };
  static constexpr Step kOrder[] = {Step::kMemory, Step::kRegisters, Step::kTables, Step::kEnables};

  static absl::Status Restore(Rig& rig, const Saved& saved,
                              const std::vector<Step>& steps = {std::begin(kOrder),
                                                                std::end(kOrder)}) {
    for (const Step step : steps) {
      absl::Status status;
      switch (step) {
        case Step::kMemory:
          rig.model.machine().ram = saved.ram;
          break;
        case Step::kRegisters:
          status = rig.gic->RestoreRegisters(saved.registers);
          break;
        case Step::kTables:
          status = rig.gic->RestoreTables(saved.tables);
          break;
        case Step::kEnables:
          status = rig.gic->RestoreEnables(saved.registers);
          break;
      }
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // What the interrupts of the saved guest must do: each comes, and comes once.
  static bool InterruptsGoOn(TestVm& vm) {
    // Level lines are re-evaluated.
    vm.SpiLine(7, true);
    vm.gic().SetPpiLine(1, kTimer, true);
    if (vm.Run(0) != 0) return false;
    if (vm.Cdia(0) != (kValid | Spi(9))) return false;
    vm.Eoi(0);
    vm.Deactivate(Spi(9));
    vm.SpiLine(7, false);
    vm.Deactivate(Spi(7));
    if (vm.Cdia(0) != 0) return false;
    vm.Enable(Spi(10));
    if (vm.Cdia(0) != (kValid | Spi(10))) return false;
    vm.Eoi(0);
    vm.Deactivate(Spi(10));
    if (vm.Cdia(1) != (kValid | Lpi(5))) return false;
    vm.Eoi(1);
    vm.Deactivate(Lpi(5), 1);
    if (vm.Cdia(1) != (kValid | PpiId(kTimer))) return false;
    vm.gic().SetPpiLine(1, kTimer, false);
    vm.Eoi(1);
    vm.Deactivate(PpiId(kTimer), 1);
    return vm.Cdia(0) == 0 && vm.Cdia(1) == 0;
  }

  Rig source_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Dialects, Gicv5StateTest, testing::ValuesIn(software::gicv5::kIrsDialects),
                         [](const auto& info) { return software::gicv5::DialectName(info.param); });

TEST_P(Gicv5StateTest, SavingWhatWasRestoredGivesTheSameBytes) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  const absl::Status status = Restore(target, saved);
  ASSERT_TRUE(status.ok()) << status;
  const Saved again = Save(target);
  EXPECT_EQ(again.tables, saved.tables);
  EXPECT_EQ(again.registers, saved.registers);
  EXPECT_EQ(again.ram, saved.ram);
}

TEST_P(Gicv5StateTest, EveryInterruptIsDeliveredOnce) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  ASSERT_TRUE(Restore(target, saved).ok());
  EXPECT_TRUE(InterruptsGoOn(target.model));
  EXPECT_TRUE(InterruptsGoOn(source_.model));  // the saved guest runs on
}

// The save's order: where the tables go to guest memory, memory that was saved before them lacks
// them.
TEST_P(Gicv5StateTest, MemorySavedBeforeTheTables) {
  Saved saved;
  saved.ram = source_.model.machine().ram;
  saved.tables = *source_.gic->SaveTables();
  saved.registers = *source_.gic->SaveRegisters();
  Rig target(GetParam());
  const bool works = Restore(target, saved).ok() && InterruptsGoOn(target.model);
  EXPECT_EQ(works, !lpis_in_memory());
}

TEST_P(Gicv5StateTest, TablesRestoredBeforeMemory) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  const bool works =
      Restore(target, saved, {Step::kRegisters, Step::kTables, Step::kMemory, Step::kEnables})
          .ok() &&
      InterruptsGoOn(target.model);
  EXPECT_EQ(works, !lpis_in_memory());
}

TEST_P(Gicv5StateTest, TablesRestoredBeforeTheRegistersThatDescribeThem) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  const bool works =
      Restore(target, saved, {Step::kMemory, Step::kTables, Step::kRegisters, Step::kEnables})
          .ok() &&
      InterruptsGoOn(target.model);
  EXPECT_FALSE(works);
}

TEST_P(Gicv5StateTest, WithoutTheTables) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  ASSERT_TRUE(Restore(target, saved, {Step::kMemory, Step::kRegisters, Step::kEnables}).ok());
  EXPECT_FALSE(InterruptsGoOn(target.model));
}

TEST_P(Gicv5StateTest, WhileAVcpuRuns) {
  source_.model.machine().running = true;
  EXPECT_EQ(GetErrno(source_.gic->SaveTables().status()), EBUSY);
  EXPECT_EQ(GetErrno(source_.gic->SaveRegisters().status()), EBUSY);
}

TEST_P(Gicv5StateTest, GuestWithoutLpis) {
  Rig young(GetParam());
  const Saved saved = Save(young);
  Rig target(GetParam());
  ASSERT_TRUE(Restore(target, saved).ok());
  EXPECT_EQ(target.model.Run(0), 0);
}

TEST_P(Gicv5StateTest, StatesOfOtherMachinesAreRefused) {
  const Saved saved = Save(source_);
  Rig more_spis(GetParam(), {0, 1}, 100);
  EXPECT_FALSE(Restore(more_spis, saved).ok());
  Rig one_vcpu(GetParam(), {0});
  EXPECT_THAT(one_vcpu.gic->RestoreRegisters(saved.registers).message(),
              HasSubstr("registers of 2 vCPUs"));
  Rig other_ids(GetParam(), {0, 2});
  EXPECT_THAT(other_ids.gic->RestoreRegisters(saved.registers).message(),
              HasSubstr("registers of a vCPU 1"));
  Rig other_dialect(lpis_in_memory() ? Dialect::kMerged : Dialect::kSeriesV2);
  EXPECT_THAT(other_dialect.gic->RestoreTables(saved.tables).message(), HasSubstr("dialects"));
}

TEST_P(Gicv5StateTest, DamagedStatesAreRefused) {
  const Saved saved = Save(source_);
  Rig target(GetParam());
  EXPECT_FALSE(target.gic->RestoreRegisters("\xff").ok());
  EXPECT_FALSE(target.gic->RestoreTables("\xff").ok());
  EXPECT_FALSE(target.gic->RestoreEnables("\xff").ok());

  state::Gicv5Registers registers;
  ASSERT_TRUE(registers.ParseFromString(saved.registers));
  state::Gicv5Registers bad = registers;
  bad.mutable_irs()->RemoveLast();  // IRS_CR0
  EXPECT_THAT(target.gic->RestoreEnables(bad.SerializeAsString()).message(),
              HasSubstr("0x080 is missing"));
  bad = registers;
  bad.mutable_cpus(0)->mutable_registers(0)->set_encoding(0x10000);
  EXPECT_THAT(target.gic->RestoreRegisters(bad.SerializeAsString()).message(),
              HasSubstr("encoding"));

  state::Gicv5Tables tables;
  ASSERT_TRUE(tables.ParseFromString(saved.tables));
  tables.mutable_spi_ist()->pop_back();
  EXPECT_THAT(target.gic->RestoreTables(tables.SerializeAsString()).message(),
              HasSubstr("an SPI IST of 255 bytes"));
}

TEST(Gicv5LpiIstTest, AnotherSizeThanTheRegistersSay) {
  Rig source(Dialect::kMerged);
  Work(source.model);
  state::Gicv5Tables tables;
  ASSERT_TRUE(tables.ParseFromString(*source.gic->SaveTables()));
  Rig target(Dialect::kMerged);
  ASSERT_TRUE(target.gic->RestoreRegisters(*source.gic->SaveRegisters()).ok());
  tables.mutable_lpi_ist()->resize(8);
  EXPECT_THAT(target.gic->RestoreTables(tables.SerializeAsString()).message(),
              HasSubstr("an LPI IST of 8 bytes, IRS_IST_CFGR says 4096"));
}

// Passes calls on, and counts those for ISTs.
class WatchedDevice : public Device {
 public:
  explicit WatchedDevice(Device& device) : device_(device) {}
  absl::Status HasAttr(uint32_t group, uint64_t attr) override {
    return device_.HasAttr(group, attr);
  }
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    ist_calls += group == kvm::kVgicGrpIst;
    return device_.GetAttr(group, attr, addr);
  }
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    ist_calls += group == kvm::kVgicGrpIst;
    return device_.SetAttr(group, attr, addr);
  }

  int ist_calls = 0;

 private:
  Device& device_;
};

TEST_P(Gicv5StateTest, AllSpisCostOneIstCall) {
  TestVm model({.dialect = GetParam(), .vcpu_ids = {0}});
  WatchedDevice device(model.gic());
  NiceMock<MockVm> vm;
  ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillByDefault(Return(nullptr));
  ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillByDefault(Return(&device));
  auto gic = Gicv5::Create(vm, {.spis = 1024, .vcpu_ids = {0}});
  ASSERT_TRUE(gic.ok() && (*gic)->Init().ok());
  const std::string registers = *(*gic)->SaveRegisters();
  device.ist_calls = 0;
  const absl::StatusOr<std::string> tables = (*gic)->SaveTables();
  ASSERT_TRUE(tables.ok()) << tables.status();
  EXPECT_EQ(device.ist_calls, 1);
  ASSERT_TRUE((*gic)->RestoreRegisters(registers).ok());
  device.ist_calls = 0;
  const absl::Status status = (*gic)->RestoreTables(*tables);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(device.ist_calls, 1);
}

// An IRS that does not come to rest is asked again, and at last the save fails.
class RestlessDevice : public WatchedDevice {
 public:
  RestlessDevice(Device& device, int refusals) : WatchedDevice(device), refusals_(refusals) {}
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    if (is_armed && group == kvm::kVgicGrpIst && refusals_-- > 0) {
      return ErrnoStatus(ETIMEDOUT, "KVM_GET_DEVICE_ATTR");
    }
    return WatchedDevice::GetAttr(group, attr, addr);
  }

  bool is_armed = false;

 private:
  int refusals_;
};

TEST(Gicv5RetryTest, SaveIsTriedAgainWithinReason) {
  for (const auto& [refusals, works] : {std::pair{3, true}, {1000, false}}) {
    TestVm model({.dialect = Dialect::kMerged, .vcpu_ids = {0}});
    RestlessDevice device(model.gic(), refusals);
    NiceMock<MockVm> vm;
    ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, true)).WillByDefault(Return(nullptr));
    ON_CALL(vm, CreateDevice(kvm::kDevTypeArmVgicV5, false)).WillByDefault(Return(&device));
    auto gic = Gicv5::Create(vm, {.spis = 1, .vcpu_ids = {0}});
    ASSERT_TRUE(gic.ok() && (*gic)->Init().ok());
    device.is_armed = true;
    const absl::Status status = (*gic)->SaveTables().status();
    EXPECT_EQ(status.ok(), works);
    EXPECT_EQ(GetErrno(status), works ? 0 : ETIMEDOUT);
  }
}

}  // namespace
}  // namespace firn
