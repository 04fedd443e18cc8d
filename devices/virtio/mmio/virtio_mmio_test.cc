// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/mmio/virtio_mmio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "devices/little_endian.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/mmio_driver.h"

namespace firn::virtio {
namespace {

using testing::DriverQueue;
using testing::EchoDevice;
using ::testing::HasSubstr;
using testing::kBufferBase;
using testing::MmioDriver;

constexpr uint64_t kOwnFeature = EchoDevice::kOwnFeature;

class VirtioMmioTest : public ::testing::Test {
 protected:
  bool NeedsReset() { return (driver_.Read(MmioRegister::kStatus) & kNeedsReset) != 0; }
  uint64_t errors() { return device_.counters().Snapshot().errors; }

  EchoDevice device_;
  MmioDriver driver_{device_};
};

TEST_F(VirtioMmioTest, IdentifiesItself) {
  EXPECT_EQ(driver_.Read(MmioRegister::kMagicValue), 0x74726976u);
  EXPECT_EQ(driver_.Read(MmioRegister::kVersion), 2u);
  EXPECT_EQ(driver_.Read(MmioRegister::kDeviceId), 4u);
  EXPECT_EQ(driver_.Read(MmioRegister::kVendorId), kMmioVendor);
  EXPECT_EQ(driver_.OfferedFeatures(), kOwnFeature | kCommonFeatures);
  driver_.Write(MmioRegister::kDeviceFeaturesSel, 2);
  EXPECT_EQ(driver_.Read(MmioRegister::kDeviceFeatures), 0u);
}

TEST_F(VirtioMmioTest, ServesAQueueFromDoorbellToInterrupt) {
  driver_.Start(kOwnFeature);
  EXPECT_EQ(device_.activations, 1);
  driver_.queue(0).Add({{kBufferBase, 64, true}});
  driver_.Kick(0);
  EXPECT_EQ(driver_.queue(0).used_index(), 1);
  EXPECT_EQ(driver_.queue(0).used(0).length, 64u);
  EXPECT_EQ(driver_.interrupt().count(), 1);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), kInterruptUsedBuffer);
  // An acknowledgement may come late, so it takes nothing away.
  driver_.Write(MmioRegister::kInterruptAck, kInterruptUsedBuffer);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), kInterruptUsedBuffer);
  // A new edge for each batch, acknowledged or not.
  for (int i = 0; i < 2; ++i) {
    driver_.queue(0).Add({{kBufferBase, 64, true}});
    driver_.Kick(0);
  }
  EXPECT_EQ(driver_.interrupt().count(), 3);
  EXPECT_EQ(device_.counters().Snapshot().notifications, 3u);
  EXPECT_EQ(device_.counters().Snapshot().interrupts, 3u);
}

TEST_F(VirtioMmioTest, ADoorbellByMmioIsServedAtOnce) {
  driver_.Start(0);
  driver_.queue(1).Add({{kBufferBase, 8, true}});
  driver_.Write(MmioRegister::kQueueNotify, 1);
  EXPECT_EQ(driver_.queue(1).used_index(), 1);
}

TEST_F(VirtioMmioTest, NotifyOfABadQueueOrTooEarlyDoesNothing) {
  driver_.Write(MmioRegister::kQueueNotify, 0);
  ASSERT_TRUE(driver_.Negotiate(kFeatureVersion1));
  DriverQueue queue(driver_.memory(), 16);
  driver_.SetUpQueue(0, queue.settings());
  queue.Add({{kBufferBase, 8, true}});
  driver_.Write(MmioRegister::kQueueNotify, 0);
  EXPECT_EQ(queue.used_index(), 0);
  driver_.SetDriverOk();
  const uint64_t before = errors();
  for (const uint32_t bad : {2u, 0xffffu, 0x10000u, ~0u}) {
    driver_.Write(MmioRegister::kQueueNotify, bad);
  }
  EXPECT_EQ(errors(), before + 4);
  driver_.Write(MmioRegister::kQueueNotify, 1);  // there, but not set up
  EXPECT_EQ(queue.used_index(), 0);
  EXPECT_FALSE(NeedsReset());
  driver_.Write(MmioRegister::kQueueNotify, 0);
  EXPECT_EQ(queue.used_index(), 1);
}

// A driver that changes its mind (section 4.2.2.2).
TEST_F(VirtioMmioTest, AQueueThatIsUnreadyAgainAtDriverOkIsNotServed) {
  ASSERT_TRUE(driver_.Negotiate(kFeatureVersion1));
  DriverQueue queue(driver_.memory(), 16);
  driver_.SetUpQueue(0, queue.settings());
  driver_.Write(MmioRegister::kQueueReady, 0);
  queue.Add({{kBufferBase, 8, true}});
  driver_.SetDriverOk();
  EXPECT_FALSE(NeedsReset());
  driver_.Write(MmioRegister::kQueueNotify, 0);
  driver_.Kick(0);
  driver_.Write(MmioRegister::kQueueReady, 1);  // too late
  driver_.Write(MmioRegister::kQueueNotify, 0);
  EXPECT_EQ(queue.used_index(), 0);
}

// Status (sections 2.1 and 3.1.1).
TEST_F(VirtioMmioTest, StatusBitsThatComeOutOfOrderAreRefused) {
  struct Case {
    uint32_t from;
    uint32_t to;
    uint32_t result;
  };
  const std::vector<Case> cases = {
      {0, kDriver, 0},
      {0, kFeaturesOk, 0},
      {0, kDriverOk, 0},
      {kAcknowledge, kAcknowledge | kFeaturesOk, kAcknowledge},
      {kAcknowledge, kAcknowledge | kDriverOk, kAcknowledge},
      {kAcknowledge | kDriver, kAcknowledge | kDriver | kDriverOk, kAcknowledge | kDriver},
      {kAcknowledge | kDriver, kAcknowledge, kAcknowledge | kDriver},  // clears a bit
      {kAcknowledge | kDriver, kDriver, kAcknowledge | kDriver},
      {kAcknowledge, kAcknowledge | 0x10, kAcknowledge},  // no such bit
      {kAcknowledge, kAcknowledge | 0x100, kAcknowledge},
      {kAcknowledge, kAcknowledge | kNeedsReset, kAcknowledge},  // the device's bit
  };
  for (const Case& c : cases) {
    driver_.Write(MmioRegister::kStatus, 0);
    if (c.from != 0) driver_.Write(MmioRegister::kStatus, c.from);
    ASSERT_EQ(driver_.Read(MmioRegister::kStatus), c.from);
    driver_.Write(MmioRegister::kStatus, c.to);
    EXPECT_EQ(driver_.Read(MmioRegister::kStatus), c.result) << c.from << " -> " << c.to;
  }
  EXPECT_EQ(device_.activations, 0);
}

TEST_F(VirtioMmioTest, AFailedDriverGoesNoFurther) {
  driver_.Write(MmioRegister::kStatus, kFailed);
  driver_.Write(MmioRegister::kStatus, kFailed | kAcknowledge);
  EXPECT_EQ(driver_.Read(MmioRegister::kStatus), kFailed);
  driver_.Write(MmioRegister::kStatus, 0);
  driver_.Start(0);
  EXPECT_EQ(device_.activations, 1);
}

TEST_F(VirtioMmioTest, FeaturesOkNeedsVersion1AndOfferedBitsOnly) {
  for (const uint64_t bad :
       std::vector<uint64_t>{0, kOwnFeature, kFeatureVersion1 | 1ull << 63, kFeatureVersion1 | 1,
                             kFeatureVersion1 | 1ull << 34}) {
    driver_.Write(MmioRegister::kStatus, 0);
    EXPECT_FALSE(driver_.Negotiate(bad)) << std::hex << bad;
    driver_.SetDriverOk();
    EXPECT_EQ(driver_.Read(MmioRegister::kStatus), kAcknowledge | kDriver);
  }
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_TRUE(driver_.Negotiate(kFeatureVersion1));
  EXPECT_EQ(device_.activations, 0);
}

TEST_F(VirtioMmioTest, FeaturesStandFromFeaturesOkOn) {
  ASSERT_TRUE(driver_.Negotiate(kFeatureVersion1));
  driver_.Write(MmioRegister::kDriverFeaturesSel, 0);
  driver_.Write(MmioRegister::kDriverFeatures, ~0u);
  driver_.SetDriverOk();
  EXPECT_EQ(device_.activations, 1);
  EXPECT_FALSE(NeedsReset());
}

// Queue settings.
TEST_F(VirtioMmioTest, QueueSettingsStandFromDriverOkToReset) {
  driver_.Start(0);
  // All that CVE-2026-5747 was about: size, addresses and readiness of an active queue.
  const QueueSettings elsewhere = {.size = 8, .descriptor_table = 0x10, .ready = true};
  driver_.SetUpQueue(0, elsewhere);
  driver_.Write(MmioRegister::kQueueReady, 0);
  EXPECT_EQ(driver_.Read(MmioRegister::kQueueReady), 1u);
  driver_.Write(MmioRegister::kQueueNum, 0xffff);
  for (int i = 0; i < 40; ++i) {
    driver_.queue(0).Add({{kBufferBase, 1, true}});
    driver_.Kick(0);
  }
  EXPECT_EQ(driver_.queue(0).used_index(), 40);
  EXPECT_FALSE(NeedsReset());
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_EQ(driver_.Read(MmioRegister::kQueueReady), 0u);
  driver_.Start(0, 8);
  driver_.queue(0).Add({{kBufferBase, 1, true}});
  driver_.Kick(0);
  EXPECT_EQ(driver_.queue(0).used_index(), 1);  // counted from 0 again
}

TEST_F(VirtioMmioTest, AReadyQueueIsNotChangedUntilItIsUnready) {
  ASSERT_TRUE(driver_.Negotiate(kFeatureVersion1));
  DriverQueue queue(driver_.memory(), 16);
  driver_.SetUpQueue(0, queue.settings());
  driver_.Write(MmioRegister::kQueueNum, 3);  // ignored
  driver_.Write(MmioRegister::kQueueReady, 0);
  EXPECT_EQ(driver_.Read(MmioRegister::kQueueReady), 0u);
  driver_.Write(MmioRegister::kQueueNum, 8);
  driver_.Write(MmioRegister::kQueueReady, 1);
  driver_.SetDriverOk();
  EXPECT_FALSE(NeedsReset());
}

TEST_F(VirtioMmioTest, ABadQueueSelReadsAsNoQueue) {
  driver_.Write(MmioRegister::kQueueSel, 1);
  EXPECT_EQ(driver_.Read(MmioRegister::kQueueNumMax), 8u);
  for (const uint32_t sel : {2u, 0xffffu, 0x10000u, ~0u}) {
    driver_.Write(MmioRegister::kQueueSel, sel);
    EXPECT_EQ(driver_.Read(MmioRegister::kQueueNumMax), 0u);
    EXPECT_EQ(driver_.Read(MmioRegister::kQueueReady), 0u);
    driver_.Write(MmioRegister::kQueueNum, 8);
    driver_.Write(MmioRegister::kQueueReady, 1);
  }
}

TEST_F(VirtioMmioTest, AMalformedQueueAtDriverOkNeedsAReset) {
  ASSERT_TRUE(driver_.Negotiate(kFeatureVersion1));
  QueueSettings settings = DriverQueue(driver_.memory(), 16).settings();
  settings.used_ring = 0;
  driver_.SetUpQueue(0, settings);
  driver_.SetDriverOk();
  EXPECT_TRUE(NeedsReset());
  EXPECT_EQ(device_.activations, 0);
  EXPECT_THAT(driver_.transport().last_failure().message(), HasSubstr("queue 0: the used ring"));
  // Section 2.1.2: the driver hears of it by a configuration change.
  EXPECT_EQ(driver_.interrupt().count(), 1);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), kInterruptConfigChange);
  driver_.Write(MmioRegister::kInterruptAck, kInterruptConfigChange);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), 0u);
  EXPECT_TRUE(NeedsReset());
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_EQ(driver_.Read(MmioRegister::kStatus), 0u);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), 0u);
  driver_.Start(0);
  EXPECT_FALSE(NeedsReset());
}

TEST_F(VirtioMmioTest, AMalformedChainNeedsAResetAndStopsEveryQueueUntilThen) {
  driver_.Start(0);
  driver_.queue(0).MakeAvailable(999);
  driver_.Kick(0);
  EXPECT_TRUE(NeedsReset());
  driver_.queue(1).Add({{kBufferBase, 1, true}});
  driver_.Kick(1);
  EXPECT_EQ(driver_.queue(1).used_index(), 0);
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_FALSE(NeedsReset());
}

TEST_F(VirtioMmioTest, EachCauseIsAcknowledgedForItself) {
  driver_.Start(0);
  driver_.queue(1).Add({{kBufferBase, 1, true}});
  driver_.Kick(1);
  driver_.queue(0).MakeAvailable(999);
  driver_.Kick(0);
  const uint32_t both = kInterruptUsedBuffer | kInterruptConfigChange;
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), both);
  driver_.Write(MmioRegister::kInterruptAck, kInterruptUsedBuffer);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), both);
  driver_.Write(MmioRegister::kInterruptAck, both);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), kInterruptUsedBuffer);
  driver_.Write(MmioRegister::kStatus, 0);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), 0u);
}

// The register window (section 4.2.2).
TEST_F(VirtioMmioTest, RegistersTakeAligned32BitWritesOnly) {
  std::array<std::byte, 8> data;
  data.fill(std::byte{1});
  for (const size_t size : {1, 2, 8}) {
    driver_.transport().Write(0x70, absl::MakeConstSpan(data).first(size));
  }
  for (const uint64_t offset : {1, 2, 3, 0x71, 0xfd}) {
    driver_.transport().Write(offset, absl::MakeConstSpan(data).first(4));
  }
  EXPECT_EQ(driver_.Read(MmioRegister::kStatus), 0u);
  EXPECT_EQ(errors(), 8u);
}

// What the bus gives where the page is not mapped is the page.
TEST_F(VirtioMmioTest, ReadsAreLoadsOfThePage) {
  driver_.Start(kOwnFeature);
  std::string window(kMmioSize, '\xff');
  auto* data = reinterpret_cast<std::byte*>(window.data());
  driver_.transport().Read(0, absl::MakeSpan(data, window.size()));
  EXPECT_EQ(window, driver_.ReadWindow());
  EXPECT_EQ(errors(), 0u);
}

TEST_F(VirtioMmioTest, ReadOnlyWriteOnlyAndUndefinedRegisters) {
  for (const uint32_t offset :
       {0x000, 0x004, 0x008, 0x00c, 0x010, 0x034, 0x060, 0x0b0, 0x0fc, 0x018, 0x0c0, 0x0d0}) {
    const uint32_t before = driver_.Read(MmioRegister{offset});
    driver_.Write(MmioRegister{offset}, ~before);
    EXPECT_EQ(driver_.Read(MmioRegister{offset}), before) << std::hex << offset;
  }
  for (const uint32_t offset : {0x014, 0x020, 0x024, 0x030, 0x038, 0x050, 0x064, 0x080, 0x084,
                                0x090, 0x0a0, 0x0ac, 0x018, 0x0c0, 0x0f8}) {
    EXPECT_EQ(driver_.Read(MmioRegister{offset}), 0u) << std::hex << offset;
  }
  for (const uint32_t offset : {0x0b0, 0x0b4, 0x0b8, 0x0bc}) {  // no shared memory
    driver_.Write(MmioRegister::kShmSel, 3);
    EXPECT_EQ(driver_.Read(MmioRegister{offset}), ~0u);
  }
}

TEST_F(VirtioMmioTest, ConfigSpaceTakesAnyWidthAndEndsInZeroes) {
  std::array<std::byte, 8> data;
  const auto read = [&](uint64_t offset, size_t size) {
    data.fill(std::byte{0xff});
    driver_.transport().Read(kMmioConfig + offset, absl::MakeSpan(data).first(size));
    return LoadLittleEndian(absl::MakeSpan(data).first(size));
  };
  EXPECT_EQ(read(0, 1), 0x11u);
  EXPECT_EQ(read(1, 2), 0x3322u);
  EXPECT_EQ(read(4, 4), 0x88776655u);
  EXPECT_EQ(read(0, 8), 0x8877665544332211u);
  EXPECT_EQ(read(6, 4), 0x8877u);
  EXPECT_EQ(read(8, 8), 0u);
  EXPECT_EQ(read(~0ull - kMmioConfig - 8, 8), 0u);
  driver_.transport().Write(kMmioConfig, data);
  EXPECT_EQ(read(0, 1), 0x11u);
}

TEST_F(VirtioMmioTest, AcknowledgingUnsetBitsDoesNothing) {
  driver_.Start(0);
  driver_.Write(MmioRegister::kInterruptAck, ~0u);
  driver_.queue(0).Add({{kBufferBase, 64, true}});
  driver_.Kick(0);
  driver_.Write(MmioRegister::kInterruptAck, ~kInterruptUsedBuffer);
  EXPECT_EQ(driver_.Read(MmioRegister::kInterruptStatus), kInterruptUsedBuffer);
}

// Progress and interference.
TEST_F(VirtioMmioTest, ALongQueueIsServedInPassesThatYield) {
  driver_.Start(0, 8);
  for (int i = 0; i < 8; ++i) driver_.queue(1).Add({{kBufferBase, 1, true}});
  driver_.transport().queue_event(1).Signal();
  driver_.transport().OnQueueEvent(1);
  EXPECT_EQ(driver_.queue(1).used_index(), 8);
  // The pass ended at its bound, so it asks to be called again, and that call finds nothing.
  EXPECT_EQ(driver_.transport().queue_event(1).Take(), 1u);
  driver_.transport().queue_event(1).Signal();
  driver_.transport().OnQueueEvent(1);
  EXPECT_EQ(driver_.transport().queue_event(1).Take(), 0u);
  EXPECT_EQ(device_.counters().Snapshot().notifications, 1u);
}

TEST_F(VirtioMmioTest, ResetsStormWhileAQueueIsServed) {
  driver_.Start(0);
  std::atomic<bool> stop = false;
  std::thread server([&] {
    while (!stop) driver_.transport().OnQueueEvent(0);
  });
  for (int i = 0; i < 200; ++i) {
    driver_.Write(MmioRegister::kStatus, 0);
    ASSERT_EQ(driver_.Read(MmioRegister::kStatus), 0u);
    driver_.memory()
        .StoreRelease<uint16_t>(GuestAddress(testing::kMemoryBase + 0x4002), 0)
        .IgnoreError();
    driver_.Start(kFeatureEventIndex);
    driver_.queue(0).Add({{kBufferBase, 64, true}});
    driver_.Write(MmioRegister::kQueueNotify, 0);
  }
  stop = true;
  server.join();
  EXPECT_EQ(device_.resets, 200);
  EXPECT_EQ(device_.activations, 201);
  EXPECT_FALSE(NeedsReset());
}

}  // namespace
}  // namespace firn::virtio
