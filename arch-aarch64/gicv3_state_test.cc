// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Gicv3's save and restore against devices that remember what is written: order, errors, hostile
// states. tests/kvm/native has the same against KVM.
#include "arch-aarch64/gicv3_state.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arch-aarch64/gicv3.h"
#include "arch-aarch64/mock_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::NiceMock;
using ::testing::Return;

// Groups of KVM: ADDR 0, DIST_REGS 1, NR_IRQS 3, CTRL 4, REDIST_REGS 5, CPU_SYSREGS 6,
// LEVEL_INFO 7, ITS_REGS 8.
using Attr = std::pair<uint32_t, uint64_t>;

struct Call {
  std::string device;
  uint32_t group;
  uint64_t attr;
  uint64_t value;
  bool operator==(const Call&) const = default;
};

// One call of a device that fails.
struct Failure {
  std::string device;
  Attr attr;
  int error;
};

// All the devices of one VM, with one log.
struct Log {
  std::vector<Call> writes;
  std::optional<Failure> failure;
};

// What is written reads back; what was not is `reset`.
class RegisterDevice : public Device {
 public:
  RegisterDevice(std::string name, Log& log) : name_(std::move(name)), log_(log) {}

  absl::Status HasAttr(uint32_t, uint64_t) override { return absl::OkStatus(); }
  absl::Status GetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    if (absl::Status status = Fail(group, attr); !status.ok()) return status;
    const uint64_t value = values[{group, attr}];
    memcpy(reinterpret_cast<void*>(addr), &value, Width(group));
    return absl::OkStatus();
  }
  absl::Status SetAttr(uint32_t group, uint64_t attr, uint64_t addr) override {
    if (absl::Status status = Fail(group, attr); !status.ok()) return status;
    uint64_t value = 0;
    if (group != 4) memcpy(&value, reinterpret_cast<const void*>(addr), Width(group));
    log_.writes.push_back({name_, group, attr, value});
    values[{group, attr}] = value;
    return absl::OkStatus();
  }

  std::map<Attr, uint64_t> values;

 private:
  static size_t Width(uint32_t group) { return group == 0 || group == 6 || group == 8 ? 8 : 4; }
  absl::Status Fail(uint32_t group, uint64_t attr) const {
    if (!log_.failure || log_.failure->device != name_ || log_.failure->attr != Attr{group, attr}) {
      return absl::OkStatus();
    }
    return ErrnoStatus(log_.failure->error, "KVM_SET_DEVICE_ATTR");
  }

  const std::string name_;
  Log& log_;
};

constexpr uint64_t kVcpu1 = uint64_t{1} << 32;
constexpr uint64_t kIccCtlr = 0xc664, kIccSre = 0xc665, kIccIgrpen1 = 0xc667;

class Controller {
 public:
  explicit Controller(bool has_its = true, uint32_t spis = 32, size_t vcpus = 2) {
    EXPECT_CALL(vm_, CreateDevice(7, true)).WillRepeatedly(Return(nullptr));
    EXPECT_CALL(vm_, CreateDevice(7, false)).WillRepeatedly(Return(&gic_device));
    EXPECT_CALL(vm_, CreateDevice(8, true))
        .WillRepeatedly(Return(has_its ? absl::StatusOr<Device*>(nullptr)
                                       : ErrnoStatus(ENODEV, "KVM_CREATE_DEVICE")));
    EXPECT_CALL(vm_, CreateDevice(8, false)).WillRepeatedly(Return(&its_device));
    InterruptControllerConfig config = {.spis = spis, .vcpu_ids = {}};
    for (uint32_t id = 0; id < vcpus; ++id) config.vcpu_ids.push_back(id);
    absl::StatusOr<std::unique_ptr<Gicv3>> created = Gicv3::Create(vm_, config);
    EXPECT_TRUE(created.ok()) << created.status();
    gic = *std::move(created);
    for (uint64_t vcpu = 0; vcpu < vcpus; ++vcpu) {
      gic_device.values[{6, vcpu << 32 | kIccCtlr}] = 0x400;  // PRIbits 4: five bits of priority
    }
  }

  // With another value in every register, then initialised.
  Controller& Filled() {
    EXPECT_TRUE(gic->Init().ok());
    const absl::StatusOr<std::string> reset = gic->SaveRegisters();
    EXPECT_TRUE(reset.ok()) << reset.status();
    uint64_t next = 0x0101;
    for (auto* device : {&gic_device, &its_device}) {
      for (auto& [attr, value] : device->values) {
        const auto& [group, number] = attr;
        const uint64_t offset = number & 0xffff'ffff;
        // TYPER, IIDR and ICC_CTLR_EL1 are the host's.
        const bool is_host = ((group == 1 || group == 8) && (offset == 4 || offset == 8)) ||
                             (group == 1 && offset == 12) ||
                             (group == 5 && (offset == 8 || offset == 12)) ||
                             (group == 6 && offset == kIccCtlr);
        if (group != 0 && group != 3 && !is_host) value = next++;
      }
    }
    log.writes.clear();
    return *this;
  }
  Controller& Initialised() {
    EXPECT_TRUE(gic->Init().ok());
    log.writes.clear();
    return *this;
  }

  Log log;
  RegisterDevice gic_device{"GIC", log}, its_device{"ITS", log};
  std::unique_ptr<Gicv3> gic;

 private:
  NiceMock<MockVm> vm_;
};

std::string SavedRegisters(Controller& controller) {
  const absl::StatusOr<std::string> saved = controller.gic->SaveRegisters();
  EXPECT_TRUE(saved.ok()) << saved.status();
  return saved.value_or("");
}

TEST(Gicv3StateTest, EveryRegisterComesBack) {
  Controller first, second;
  const std::string saved = SavedRegisters(first.Filled());
  ASSERT_TRUE(second.Initialised().gic->RestoreRegisters(saved).ok());
  EXPECT_NE(SavedRegisters(second), saved);  // the enables are not there yet
  ASSERT_TRUE(second.gic->RestoreEnables(saved).ok());
  EXPECT_EQ(SavedRegisters(second), saved);
}

TEST(Gicv3StateTest, NumbersOfSpisAndOfPriorityBits) {
  Controller small(/*has_its=*/false, /*spis=*/32, /*vcpus=*/1), large(false, 960, 512);
  for (uint64_t vcpu = 0; vcpu < 512; ++vcpu) {
    const uint64_t affinity = (vcpu & 0xf) | vcpu >> 4 << 8;
    large.gic_device.values[{6, affinity << 32 | kIccCtlr}] = 0x600;  // seven bits
  }
  state::Gicv3 state;
  ASSERT_TRUE(state.ParseFromString(SavedRegisters(small.Initialised())));
  EXPECT_EQ(state.distributor().isenabler_size(), 1);
  EXPECT_EQ(state.distributor().icfgr_size(), 2);
  EXPECT_EQ(state.distributor().ipriorityr_size(), 8);
  EXPECT_EQ(state.distributor().irouter_size(), 64);
  EXPECT_EQ(state.vcpus(0).cpu_interface().ap1r_size(), 1);
  EXPECT_FALSE(state.has_its());
  ASSERT_TRUE(state.ParseFromString(SavedRegisters(large.Initialised())));
  EXPECT_EQ(state.distributor().isenabler_size(), 30);
  EXPECT_EQ(state.distributor().ipriorityr_size(), 240);
  EXPECT_EQ(state.distributor().irouter_size(), 1920);
  ASSERT_EQ(state.vcpus_size(), 512);
  EXPECT_EQ(state.vcpus(511).mpidr(), 0x1f0fu);
  EXPECT_EQ(state.vcpus(511).cpu_interface().ap0r_size(), 4);
}

class Order {
 public:
  explicit Order(const std::vector<Call>& writes) : writes_(writes) {}

  // The place of the only write of an attribute, at its first word.
  size_t Of(const std::string& device, uint32_t group, uint64_t attr) const {
    size_t place = writes_.size();
    for (size_t n = 0; n < writes_.size(); ++n) {
      if (writes_[n].device != device || writes_[n].group != group || writes_[n].attr != attr) {
        continue;
      }
      EXPECT_EQ(place, writes_.size()) << "written twice: " << group << " " << attr;
      place = n;
    }
    EXPECT_LT(place, writes_.size()) << "not written: " << group << " " << attr;
    return place;
  }

 private:
  const std::vector<Call>& writes_;
};

TEST(Gicv3StateTest, OrderOfTheRegisters) {
  Controller first, second;
  const std::string saved = SavedRegisters(first.Filled());
  ASSERT_TRUE(second.Initialised().gic->RestoreRegisters(saved).ok());
  const std::vector<Call>& writes = second.log.writes;
  const Order order(writes);
  EXPECT_EQ(order.Of("GIC", 1, 0x0008), 0u);  // GICD_IIDR
  // What can be pending comes after GICD_CTLR, and after what the interrupt is.
  const size_t gicd_ctlr = order.Of("GIC", 1, 0x0000), ispendr = order.Of("GIC", 1, 0x0204);
  for (const uint64_t config : {0x0084, 0x0c08, 0x0420, 0x6100}) {
    EXPECT_GT(order.Of("GIC", 1, config), gicd_ctlr);
    EXPECT_LT(order.Of("GIC", 1, config), ispendr);
  }
  // Set registers after their clear registers, which get all ones.
  EXPECT_EQ(order.Of("GIC", 1, 0x0184) + 1, order.Of("GIC", 1, 0x0104));  // enable
  EXPECT_EQ(order.Of("GIC", 1, 0x0384) + 1, order.Of("GIC", 1, 0x0304));  // active
  EXPECT_EQ(writes[order.Of("GIC", 1, 0x0184)].value, 0xffff'ffffu);
  EXPECT_LT(gicd_ctlr, order.Of("GIC", 7, 32));

  for (const uint64_t vcpu : {uint64_t{0}, kVcpu1}) {
    EXPECT_LT(ispendr, order.Of("GIC", 5, vcpu | 0x70));
    // Both words of PROPBASER and PENDBASER before EnableLPIs.
    for (const uint64_t base : {0x70, 0x74, 0x78, 0x7c}) {
      EXPECT_LT(order.Of("GIC", 5, vcpu | base), order.Of("GIC", 5, vcpu | 0x00));
    }
    EXPECT_LT(order.Of("GIC", 5, vcpu | 0x1'0180), order.Of("GIC", 5, vcpu | 0x1'0100));
    EXPECT_LT(order.Of("GIC", 6, vcpu | kIccSre), order.Of("GIC", 6, vcpu | kIccCtlr));
    EXPECT_LT(order.Of("GIC", 6, vcpu | kIccCtlr), order.Of("GIC", 6, vcpu | 0xc663));  // BPR1
    // All of the GIC before the ITS.
    EXPECT_LT(order.Of("GIC", 6, vcpu | kIccCtlr), order.Of("ITS", 8, 0x04));
  }
  // IIDR, CBASER, CREADR, CWRITER, BASER0 to 7.
  const std::vector<Call> its(writes.end() - 12, writes.end());
  std::vector<uint64_t> offsets;
  for (const Call& call : its) offsets.push_back(call.attr);
  EXPECT_THAT(offsets, ElementsAre(0x04, 0x80, 0x90, 0x88, 0x100, 0x108, 0x110, 0x118, 0x120, 0x128,
                                   0x130, 0x138));
}

TEST(Gicv3StateTest, EnablesAreGroupsThenTheIts) {
  Controller first, second;
  const std::string saved = SavedRegisters(first.Filled());
  ASSERT_TRUE(second.Initialised().gic->RestoreRegisters(saved).ok());
  for (const Call& call : second.log.writes) {
    EXPECT_FALSE(call.group == 6 && (call.attr & 0xffff) >= 0xc666) << "ICC_IGRPEN";
    EXPECT_FALSE(call.group == 8 && call.attr == 0) << "GITS_CTLR";
  }
  second.log.writes.clear();
  ASSERT_TRUE(second.gic->RestoreEnables(saved).ok());
  std::vector<Attr> written;
  for (const Call& call : second.log.writes) written.emplace_back(call.group, call.attr);
  EXPECT_THAT(written, ElementsAre(Attr(6, 0xc666), Attr(6, 0xc667), Attr(6, kVcpu1 | 0xc666),
                                   Attr(6, kVcpu1 | 0xc667), Attr(8, 0)));
}

TEST(Gicv3StateTest, Tables) {
  Controller with, without(/*has_its=*/false);
  const absl::StatusOr<std::string> tables = with.Initialised().gic->SaveTables();
  ASSERT_TRUE(tables.ok()) << tables.status();
  ASSERT_TRUE(with.gic->RestoreTables(*tables).ok());
  EXPECT_THAT(with.log.writes,
              ElementsAre(Call{"GIC", 4, 3, 0}, Call{"ITS", 4, 1, 0}, Call{"ITS", 4, 2, 0}));

  const absl::StatusOr<std::string> pending = without.Initialised().gic->SaveTables();
  ASSERT_TRUE(pending.ok()) << pending.status();
  ASSERT_TRUE(without.gic->RestoreTables(*pending).ok());
  EXPECT_THAT(without.log.writes, ElementsAre(Call{"GIC", 4, 3, 0}));

  for (const std::string& wrong :
       {*pending, std::string(), std::string("\xff\xff"), *tables + "\1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(with.gic->RestoreTables(wrong)));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(without.gic->RestoreTables(*tables)));
}

TEST(Gicv3StateTest, BeforeInitNothingCanBeSaved) {
  Controller controller;
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.gic->SaveTables().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.gic->SaveRegisters().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.gic->RestoreRegisters("")));
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.gic->RestoreTables("")));
  EXPECT_TRUE(absl::IsFailedPrecondition(controller.gic->RestoreEnables("")));
}

TEST(Gicv3StateTest, ErrorsOfTablesKeepErrnoAndNameARemedy) {
  const struct {
    Failure failure;
    std::string message;
  } cases[] = {
      {{"GIC", {4, 3}, EBUSY}, "every vCPU out of KVM_RUN"},
      {{"GIC", {4, 3}, EFAULT}, "only the guest can mend"},
      {{"ITS", {4, 1}, EINVAL}, "only the guest can mend"},
      {{"ITS", {4, 1}, EACCES}, "GICv4"},
      {{"ITS", {4, 1}, ENOMEM}, "KVM_DEV_ARM_ITS_SAVE_TABLES"},
  };
  for (const auto& c : cases) {
    Controller controller;
    controller.Initialised().log.failure = c.failure;
    const absl::Status status = controller.gic->SaveTables().status();
    EXPECT_EQ(GetErrno(status), c.failure.error);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("SAVE_"), HasSubstr(c.message)));
  }
  Controller controller;
  const absl::StatusOr<std::string> tables = controller.Initialised().gic->SaveTables();
  ASSERT_TRUE(tables.ok());
  controller.log.failure = {"ITS", {4, 2}, EINVAL};
  const absl::Status status = controller.gic->RestoreTables(*tables);
  EXPECT_EQ(GetErrno(status), EINVAL);
  EXPECT_THAT(status.message(), HasSubstr("KVM_DEV_ARM_ITS_RESTORE_TABLES"));
}

// Whichever call fails, the error is its own, and no later call is made.
TEST(Gicv3StateTest, EachFailureOfASaveAndOfARestoreKeepsErrno) {
  Controller first, whole;
  const std::string saved = SavedRegisters(first.Filled());
  ASSERT_TRUE(whole.Initialised().gic->RestoreRegisters(saved).ok());
  ASSERT_TRUE(whole.gic->RestoreEnables(saved).ok());
  const std::vector<Call> writes = whole.log.writes;
  ASSERT_GT(writes.size(), 100u);
  for (const Call& call : writes) {
    Controller second;
    second.Initialised().log.failure = {call.device, {call.group, call.attr}, EBUSY};
    absl::Status status = second.gic->RestoreRegisters(saved);
    if (status.ok()) status = second.gic->RestoreEnables(saved);
    EXPECT_EQ(GetErrno(status), EBUSY) << call.group << " " << call.attr;
    EXPECT_THAT(status.message(), HasSubstr("every vCPU out of KVM_RUN"));
    // A prefix of the whole.
    ASSERT_LT(second.log.writes.size(), writes.size());
    EXPECT_TRUE(std::equal(second.log.writes.begin(), second.log.writes.end(), writes.begin()));
  }
  for (const auto& [device, values] :
       {std::pair("GIC", &first.gic_device.values), std::pair("ITS", &first.its_device.values)}) {
    for (const auto& [attr, value] : *values) {
      if (attr.first == 0 || attr.first == 3 || attr.first == 4) continue;
      first.log.failure = {device, attr, ENXIO};
      EXPECT_EQ(GetErrno(first.gic->SaveRegisters().status()), ENXIO) << attr.first << attr.second;
    }
  }
}

TEST(Gicv3StateTest, ErrorsNameTheRegisterTheVcpuAndTheValue) {
  Controller first, second;
  first.Filled().gic_device.values[{6, kVcpu1 | kIccIgrpen1}] = 0x77;
  const std::string saved = SavedRegisters(first);
  second.Initialised().log.failure = {"GIC", {6, kVcpu1 | kIccIgrpen1}, EINVAL};
  ASSERT_TRUE(second.gic->RestoreRegisters(saved).ok());
  EXPECT_THAT(second.gic->RestoreEnables(saved).message(),
              HasSubstr("GICv3: vCPU 1: writing 0x77 to ICC_IGRPEN1_EL1"));
  Controller third;
  third.Initialised().log.failure = {"GIC", {1, 0x0424}, EINVAL};
  EXPECT_THAT(third.gic->RestoreRegisters(saved).message(), HasSubstr("GICD_IPRIORITYR[1]"));
}

// Registers that guests see and nobody can write.
TEST(Gicv3StateTest, AnotherHostIsRefusedWithBothValuesAndNothingWritten) {
  const struct {
    std::string device;
    Attr attr;
    uint64_t value;
    std::string name;
  } cases[] = {
      {"GIC", {1, 0x0004}, 0x0078'0001, "GICD_TYPER is 0x0 in the saved state and 0x780001"},
      {"GIC", {1, 0x000c}, 0x100, "GICD_TYPER2 is 0x0 in the saved state and 0x100"},
      {"GIC", {1, 0x0008}, 0x4b00'0000, "GICD_IIDR"},
      {"GIC", {5, kVcpu1 | 0x8}, 0x1, "vCPU 1: GICR_TYPER is 0x0 in the saved state and 0x1"},
      {"GIC", {5, kVcpu1 | 0xc}, 0x7, "GICR_TYPER is 0x0 in the saved state and 0x700000000"},
      {"GIC", {6, kIccCtlr}, 0x600, "vCPU 0: ICC_CTLR_EL1 is 0x400 in the saved state and 0x600"},
      {"GIC", {6, kIccCtlr}, 0xc00, "ICC_CTLR_EL1 is 0x400 in the saved state and 0xc00"},
      {"ITS", {8, 0x0008}, 0x1eb8, "ITS: GITS_TYPER is 0x0 in the saved state and 0x1eb8"},
  };
  Controller first;
  const std::string saved = SavedRegisters(first.Initialised());
  for (const auto& c : cases) {
    Controller second;
    (c.device == "GIC" ? second.gic_device : second.its_device).values[c.attr] = c.value;
    second.Initialised();
    for (const absl::Status& status :
         {second.gic->RestoreRegisters(saved), second.gic->RestoreEnables(saved)}) {
      EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
      EXPECT_THAT(status.message(), HasSubstr(c.name));
    }
    EXPECT_THAT(second.log.writes, IsEmpty());
  }
  // IIDR's revision chooses a behaviour: KVM's to take or to refuse.
  Controller second;
  second.gic_device.values[{1, 0x0008}] = 0x2000;
  EXPECT_TRUE(second.Initialised().gic->RestoreRegisters(saved).ok());

  Controller without(/*has_its=*/false);
  const absl::Status status = without.Initialised().gic->RestoreRegisters(saved);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("saved with an ITS"));
  EXPECT_THAT(without.log.writes, IsEmpty());
}

// Damages to a state that parses: what is to be refused, by name.
struct Damage {
  std::string name;
  std::function<void(state::Gicv3&)> apply;
};

TEST(Gicv3StateTest, DamagedStatesAreRefusedByNameWithNothingWritten) {
  const Damage damages[] = {
      {"no distributor", [](auto& s) { s.clear_distributor(); }},
      {"GICD_IGROUPR", [](auto& s) { s.mutable_distributor()->clear_igroupr(); }},
      {"GICD_ICFGR", [](auto& s) { s.mutable_distributor()->add_icfgr(0); }},
      {"GICD_IPRIORITYR",
       [](auto& s) { s.mutable_distributor()->mutable_ipriorityr()->RemoveLast(); }},
      {"GICD_IROUTER", [](auto& s) { s.mutable_distributor()->add_irouter(1); }},
      {"GICD_ISENABLER", [](auto& s) { s.mutable_distributor()->add_isenabler(1); }},
      {"GICD_ISACTIVER", [](auto& s) { s.mutable_distributor()->add_isactiver(1); }},
      {"GICD_ISPENDR",
       [](auto& s) { s.mutable_distributor()->mutable_ispendr()->Resize(1 << 20, 1); }},
      {"line level", [](auto& s) { s.mutable_distributor()->clear_line_level(); }},
      {"1 vCPUs", [](auto& s) { s.mutable_vcpus()->RemoveLast(); }},
      {"3 vCPUs", [](auto& s) { s.add_vcpus(); }},
      {"MPIDR 0x100", [](auto& s) { s.mutable_vcpus(1)->set_mpidr(0x100); }},
      {"MPIDR 0x1", [](auto& s) { s.mutable_vcpus()->SwapElements(0, 1); }},
      {"vCPU 1 has no", [](auto& s) { s.mutable_vcpus(1)->clear_redistributor(); }},
      {"vCPU 0 has no", [](auto& s) { s.mutable_vcpus(0)->clear_cpu_interface(); }},
      {"GICR_ICFGR", [](auto& s) { s.mutable_vcpus(1)->mutable_redistributor()->clear_icfgr(); }},
      {"GICR_IPRIORITYR",
       [](auto& s) { s.mutable_vcpus(0)->mutable_redistributor()->add_ipriorityr(0); }},
      {"ICC_AP0R_EL1", [](auto& s) { s.mutable_vcpus(0)->mutable_cpu_interface()->add_ap0r(0); }},
      {"ICC_AP1R_EL1", [](auto& s) { s.mutable_vcpus(1)->mutable_cpu_interface()->clear_ap1r(); }},
      {"GITS_BASER", [](auto& s) { s.mutable_its()->mutable_baser()->RemoveLast(); }},
  };
  Controller first;
  const std::string saved = SavedRegisters(first.Filled());
  for (const Damage& damage : damages) {
    state::Gicv3 state;
    ASSERT_TRUE(state.ParseFromString(saved));
    damage.apply(state);
    Controller second;
    second.Initialised();
    for (const absl::Status& status : {second.gic->RestoreRegisters(state.SerializeAsString()),
                                       second.gic->RestoreEnables(state.SerializeAsString())}) {
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << damage.name << ": " << status;
      EXPECT_THAT(status.message(), HasSubstr(damage.name));
    }
    EXPECT_THAT(second.log.writes, IsEmpty());
  }
}

TEST(Gicv3StateTest, TruncatedStatesAreRefused) {
  Controller first, second;
  const std::string saved = SavedRegisters(first.Filled());
  second.Initialised();
  for (size_t size = 0; size < saved.size(); ++size) {
    EXPECT_FALSE(second.gic->RestoreRegisters(saved.substr(0, size)).ok()) << size;
  }
  EXPECT_THAT(second.log.writes, IsEmpty());
  EXPECT_TRUE(absl::IsInvalidArgument(second.gic->RestoreRegisters(std::string(100, '\xff'))));
}

}  // namespace
}  // namespace firn
