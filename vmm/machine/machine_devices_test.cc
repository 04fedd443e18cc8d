// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The wiring of devices, against a VM that only notes what it is asked for.
#include "vmm/machine/machine_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/mock_vm.h"
#include "devices/little_endian.h"
#include "devices/rtc/rtc_registers.h"
#include "devices/serial/uart_registers.h"
#include "devices/testing/string_sink.h"
#include "hypervisor/errno_status.h"
#include "vmm/machine/guest_wall_clock.h"

namespace firn {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

constexpr uint64_t kFrequency = 62'500'000;

bool Take(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof(count)) == sizeof(count);
}

size_t OpenFiles() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class MachineDevicesTest : public ::testing::Test {
 protected:
  MachineDevicesTest() {
    ON_CALL(vm_, CounterFrequency).WillByDefault(Return(kFrequency));
    ON_CALL(vm_, Counter).WillByDefault([this] { return counter_; });
    ON_CALL(vm_, RegisterIrqFd).WillByDefault([this](const IrqFd& irqfd) {
      interrupts_[irqfd.gsi] = irqfd.fd;
      return absl::OkStatus();
    });
    ON_CALL(vm_, RegisterIoEventFd).WillByDefault([this](const IoEventFd& ioeventfd) {
      doorbells_.push_back(ioeventfd);
      return absl::OkStatus();
    });
    ON_CALL(vm_, SetCounterAlarm).WillByDefault([this](const std::optional<CounterAlarm>& alarm) {
      alarm_ = alarm;
      return absl::OkStatus();
    });
    std::ofstream(disk_) << std::string(1024, 'x');
    config_.drives = {{.drive_id = "data", .path_on_host = disk_}};
  }
  ~MachineDevicesTest() override { std::filesystem::remove(disk_); }

  absl::StatusOr<std::unique_ptr<MachineDevices>> Create() {
    return MachineDevices::Create(config_, *PlanDevices(config_),
                                  {.memory = *memory_,
                                   .shared_pages = *shared_pages_,
                                   .vm = vm_,
                                   .loop = *loop_,
                                   .entropy = entropy_,
                                   .is_deterministic = is_deterministic_,
                                   .counter = counter_,
                                   .serial_output = serial_,
                                   .console_output = console_,
                                   .console_room = &room_,
                                   .on_console_room = [this] { told_of_room_.Notify(); },
                                   .on_panic = [this] { ++panics_; }});
  }
  static uint32_t Read(MachineDevices& devices, GuestRange range, uint64_t offset, size_t size) {
    std::array<std::byte, 4> data{};
    devices.bus().Read(GuestAddress(range.base().value + offset), absl::MakeSpan(data).first(size));
    return static_cast<uint32_t>(LoadLittleEndian(absl::MakeSpan(data).first(size)));
  }
  static void Write(MachineDevices& devices, GuestRange range, uint64_t offset, size_t size,
                    uint32_t value) {
    std::array<std::byte, 4> data{};
    StoreLittleEndian(value, absl::MakeSpan(data).first(size));
    devices.bus().Write(GuestAddress(range.base().value + offset),
                        absl::MakeSpan(data).first(size));
  }
  static size_t Input(MachineDevices& devices, std::string_view text) {
    return devices.Input({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

  const std::string disk_ = absl::StrCat(::testing::TempDir(), "/disk-", getpid());
  const GuestRange ram_ = *GuestRange::Create(kRamBase, 16 * kMiB);
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create({&ram_, 1});
  std::unique_ptr<GuestMemory> shared_pages_ = *GuestMemory::Create({kSharedPagesRegion});
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  SeededEntropy entropy_{1};
  testing::StringSink serial_, console_;
  NiceMock<MockVm> vm_;
  VmConfig config_;
  bool is_deterministic_ = true;
  EventFd room_ = *EventFd::Create();
  absl::Notification told_of_room_;
  uint64_t counter_ = 0;
  std::map<uint32_t, int> interrupts_;  // by SPI
  std::vector<IoEventFd> doorbells_;
  std::optional<CounterAlarm> alarm_;
  int panics_ = 0;
};

// While a save runs, too.
TEST_F(MachineDevicesTest, RoomForConsoleOutputIsADevicesEvent) {
  is_deterministic_ = false;
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  room_.Signal();
  bool told = false;
  loop_->RunBeside([&] { told = told_of_room_.WaitForNotificationWithTimeout(absl::Seconds(60)); });
  EXPECT_TRUE(told);
  EXPECT_EQ(room_.Take(), 0u);
}

TEST_F(MachineDevicesTest, DeterministicMachineIsNotToldOfRoom) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  room_.Signal();
  loop_->Settle();
  EXPECT_FALSE(told_of_room_.HasBeenNotified());
}

TEST_F(MachineDevicesTest, WiresAnInterruptForEachDeviceADoorbellForEachQueueAndAcknowledgements) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_EQ(interrupts_.size(), PlanDevices(config_)->spis);
  const auto doorbell = [](uint32_t slot, uint64_t queue) {
    const uint64_t address = VirtioMmioSlot(slot)->base().value + 0x50;  // QueueNotify
    return AllOf(Field(&IoEventFd::address, GuestAddress(address)), Field(&IoEventFd::length, 4u),
                 Field(&IoEventFd::datamatch, std::optional<uint64_t>(queue)));
  };
  const auto acknowledgement = [](uint32_t slot) {
    const uint64_t address = VirtioMmioSlot(slot)->base().value + 0x64;  // InterruptACK
    return AllOf(Field(&IoEventFd::address, GuestAddress(address)), Field(&IoEventFd::length, 4u),
                 Field(&IoEventFd::datamatch, std::optional<uint64_t>(1)));
  };
  // blk and rng have one queue each, the console two.
  EXPECT_THAT(doorbells_,
              ElementsAre(doorbell(0, 0), acknowledgement(0), doorbell(1, 0), acknowledgement(1),
                          doorbell(2, 0), doorbell(2, 1), acknowledgement(2)));
  // Nobody reads them: one takes them all.
  EXPECT_EQ(doorbells_[1].fd, doorbells_[3].fd);
  EXPECT_EQ(doorbells_[1].fd, doorbells_[6].fd);
  EXPECT_NE(doorbells_[1].fd, doorbells_[0].fd);
}

TEST_F(MachineDevicesTest, TheGuestReadsVirtioRegistersAsMemory) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  const auto load = [this](uint32_t slot, uint64_t offset) {
    return *shared_pages_->Load<uint32_t>(
        GuestAddress(VirtioMmioSlot(slot)->base().value + offset));
  };
  const std::vector<uint32_t> types = {2, 4, 3};  // blk, rng, console
  for (uint32_t slot = 0; slot < types.size(); ++slot) {
    EXPECT_EQ(load(slot, 0), 0x74726976u);
    EXPECT_EQ(load(slot, 8), types[slot]);
    Write(**devices, *VirtioMmioSlot(slot), 0x70, 4, 1);  // Status
    EXPECT_EQ(load(slot, 0x70), 1u);
  }
  EXPECT_EQ(load(0, 0x100), 2u);  // the disk's capacity
  EXPECT_EQ(load(3, 0), 0u);      // no device
}

TEST_F(MachineDevicesTest, ThePlanIsWhatTheBusHas) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  const DevicePlan plan = *PlanDevices(config_);
  for (const PlannedDevice& planned : plan.devices) {
    // Pages, not registers.
    if (planned.registers.base() >= kVmGenIdRange.base()) continue;
    // Each answers a load of its first register's width with something: a magic, a state.
    Read(**devices, planned.registers, 0, 4);
  }
  MachineStats stats;
  (*devices)->CollectStats(stats);
  EXPECT_EQ(stats.unmapped_reads, 0u);
  ASSERT_EQ(stats.mmio.size(), 6u);
  for (const MmioAccessCounts& counts : stats.mmio) EXPECT_EQ(counts.reads, 1u) << counts.name;
  std::vector<std::string> names;
  for (const DeviceRunStats& device : stats.devices) names.push_back(device.name);
  EXPECT_THAT(names, ElementsAre("serial", "rtc", "pvpanic", "blk.data", "rng", "console"));
  EXPECT_EQ(Read(**devices, *VirtioMmioSlot(0), 0, 4), 0x74726976u);
  EXPECT_EQ(Read(**devices, *VirtioMmioSlot(0), 8, 4), 2u);  // a block device
}

TEST_F(MachineDevicesTest, TheAlarmOfTheClockGoesThroughTheCounterAndTheEventLoop) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  const auto reg = [](RtcRegister r) { return static_cast<uint64_t>(r); };
  const auto now = Read(**devices, kRtcRange, reg(RtcRegister::kData), 4);
  EXPECT_EQ(now, static_cast<uint32_t>(kDeterministicEpoch));
  Write(**devices, kRtcRange, reg(RtcRegister::kMatch), 4, now + 5);
  Write(**devices, kRtcRange, reg(RtcRegister::kInterruptMask), 4, 1);
  ASSERT_TRUE(alarm_);
  EXPECT_EQ(alarm_->counter, 5 * kFrequency);
  const int interrupt = interrupts_.at(*PlanDevices(config_)->devices[1].spi);
  counter_ = alarm_->counter;
  EXPECT_FALSE(Take(interrupt));
  const uint64_t one = 1;
  ASSERT_EQ(write(alarm_->fd, &one, sizeof(one)), ssize_t{sizeof(one)});
  loop_->Settle();
  EXPECT_TRUE(Take(interrupt));
  EXPECT_FALSE(alarm_);
}

TEST_F(MachineDevicesTest, InputGoesToTheSerialPortOnceItIsOpen) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  int room = 0;
  (*devices)->SetInputRoomCallback([&] { ++room; });
  EXPECT_EQ(Input(**devices, "ab"), 0u);
  Write(**devices, kSerialRange, uart::kModemControl, 1, uart::kMcrRts);
  EXPECT_EQ(room, 1);
  EXPECT_EQ(Input(**devices, "ab"), 2u);
  EXPECT_EQ(Read(**devices, kSerialRange, uart::kData, 1), uint32_t{'a'});
  Write(**devices, kSerialRange, uart::kData, 1, 'z');
  EXPECT_EQ(serial_.text, "z");
}

TEST_F(MachineDevicesTest, OrToTheVirtioConsole) {
  config_.console.device = ConsoleConfig::Device::kVirtio;
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  Write(**devices, kSerialRange, uart::kModemControl, 1, uart::kMcrRts);
  Input(**devices, "ab");
  EXPECT_EQ(Read(**devices, kSerialRange, uart::kLineStatus, 1) & uart::kLsrDataReady, 0u);
}

TEST_F(MachineDevicesTest, APanicIsReportedAndKept) {
  absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_FALSE((*devices)->panicked());
  Write(**devices, kPvpanicRange, 0, 1, 1);
  EXPECT_EQ(panics_, 1);
  EXPECT_TRUE((*devices)->panicked());
}

TEST_F(MachineDevicesTest, ErrorsNameTheDeviceAndLeaveNothingOpen) {
  const size_t files = OpenFiles();
  EXPECT_CALL(vm_, RegisterIrqFd(_)).WillOnce(Return(ErrnoStatus(EBUSY, "KVM_IRQFD")));
  absl::Status status = Create().status();
  EXPECT_EQ(GetErrno(status), EBUSY);
  EXPECT_THAT(status.message(), HasSubstr("serial"));
  EXPECT_EQ(OpenFiles(), files);
  ::testing::Mock::VerifyAndClearExpectations(&vm_);

  EXPECT_CALL(vm_, RegisterIoEventFd(_)).WillOnce(Return(ErrnoStatus(ENOSPC, "KVM_IOEVENTFD")));
  status = Create().status();
  EXPECT_EQ(GetErrno(status), ENOSPC);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("blk.data"), HasSubstr("queue 0")));
  EXPECT_EQ(OpenFiles(), files);
  ::testing::Mock::VerifyAndClearExpectations(&vm_);

  EXPECT_CALL(vm_, RegisterIoEventFd(_))
      .WillOnce(Return(absl::OkStatus()))
      .WillOnce(Return(ErrnoStatus(EEXIST, "KVM_IOEVENTFD")));
  status = Create().status();
  EXPECT_EQ(GetErrno(status), EEXIST);
  EXPECT_THAT(status.message(), HasSubstr("blk.data"));
  EXPECT_EQ(OpenFiles(), files);
  ::testing::Mock::VerifyAndClearExpectations(&vm_);

  EXPECT_CALL(vm_, SetCounterAlarm(_)).WillOnce(Return(ErrnoStatus(ENOTTY, "counter alarm")));
  status = Create().status();
  EXPECT_THAT(status.message(), HasSubstr("rtc"));
  EXPECT_EQ(OpenFiles(), files);
}

TEST_F(MachineDevicesTest, ADiskThatCannotBeOpenedIsNamed) {
  config_.drives.push_back({.drive_id = "more", .path_on_host = "/no/such/disk.img"});
  const absl::Status status = Create().status();
  EXPECT_EQ(GetErrno(status), ENOENT) << status;
  EXPECT_THAT(status.message(), HasSubstr("/no/such/disk.img"));
}

// A reboot makes them anew in the same loop.
TEST_F(MachineDevicesTest, LeaveTheEventLoopWhenTheyGo) {
  const size_t files = OpenFiles();
  for (int n = 0; n < 3; ++n) {
    absl::StatusOr<std::unique_ptr<MachineDevices>> devices = Create();
    ASSERT_TRUE(devices.ok()) << devices.status();
    EXPECT_GT(OpenFiles(), files);
    devices->reset();
    loop_->Settle();
    EXPECT_EQ(OpenFiles(), files);
  }
}

TEST_F(MachineDevicesTest, InterruptsThatFailedToComeBackAreTriedAgain) {
  const auto devices = Create();
  ASSERT_TRUE(devices.ok()) << devices.status();
  const size_t lines = interrupts_.size();
  ASSERT_GT(lines, 2u);
  ASSERT_TRUE((*devices)->Freeze().ok());
  uint32_t calls = 0;
  ON_CALL(vm_, RegisterIrqFd).WillByDefault([&](const IrqFd& irqfd) {
    EXPECT_FALSE(irqfd.deassign);
    return ++calls == 2 ? ErrnoStatus(ENOMEM, "KVM_IRQFD") : absl::OkStatus();
  });
  EXPECT_EQ(GetErrno((*devices)->Thaw()), ENOMEM);
  EXPECT_EQ(calls, lines);
  EXPECT_TRUE((*devices)->Thaw().ok());
  EXPECT_EQ(calls, lines + 1);
}

}  // namespace
}  // namespace firn
