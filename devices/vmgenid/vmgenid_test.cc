// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/vmgenid/vmgenid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "devices/testing/counting_interrupt_line.h"
#include "devices/testing/save_restore.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

constexpr GuestAddress kAddress(0x1006'0000);

VmGenId::Id IdOf(uint8_t first) {
  VmGenId::Id id;
  for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(first + i);
  return id;
}

class VmGenIdUnderTest {
 public:
  using Saved = SavedState;

  VmGenIdUnderTest() {
    memory_ = *GuestMemory::Create({*GuestRange::Create(kAddress, kGuestPageSize)});
    device_ = *VmGenId::Create(*memory_, kAddress, interrupt_, IdOf(1));
  }
  void Drive() { Renew(IdOf(0x20)); }
  void Clobber() { Renew(IdOf(0x40)); }
  Saved Save() { return {device_->Save().SerializeAsString()}; }
  absl::Status Restore(const Saved& saved) {
    state::VmGenId state;
    if (!state.ParseFromString(saved.state)) return absl::InvalidArgumentError("not a message");
    auto device = VmGenId::Restore(*memory_, kAddress, interrupt_, state);
    if (!device.ok()) return device.status();
    device_ = *std::move(device);
    return absl::OkStatus();
  }
  int interrupts() { return interrupt_.count(); }
  std::string GoOn() {
    std::string seen = Seen();
    Renew(IdOf(0x60));
    return seen + Seen();
  }

  void Renew(const VmGenId::Id& id) { ASSERT_TRUE(device_->Renew(id).ok()); }
  // What the guest reads.
  std::string Seen() {
    std::string seen(16, 0);
    EXPECT_TRUE(
        memory_->Read(kAddress, absl::MakeSpan(reinterpret_cast<std::byte*>(seen.data()), 16))
            .ok());
    return seen;
  }
  GuestMemory& memory() { return *memory_; }

 private:
  testing::CountingInterruptLine interrupt_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<VmGenId> device_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(VmGenId, SaveRestoreTest, VmGenIdUnderTest);

TEST(VmGenIdTest, TheGuestReadsTheIdAndIsToldOfANewOne) {
  VmGenIdUnderTest subject;
  EXPECT_EQ(subject.Seen()[0], 1);
  EXPECT_EQ(subject.Seen()[15], 16);
  EXPECT_EQ(subject.interrupts(), 0) << "the first one is no change";
  subject.Drive();
  EXPECT_EQ(subject.Seen()[0], 0x20);
  EXPECT_EQ(subject.Seen()[15], 0x2f);
  EXPECT_EQ(subject.interrupts(), 1);
}

TEST(VmGenIdTest, AnIdOfAnotherLengthIsRefused) {
  VmGenIdUnderTest subject;
  state::VmGenId state;
  for (const size_t size : {0, 15, 17}) {
    state.set_id(std::string(size, 'x'));
    const absl::Status status = subject.Restore({state.SerializeAsString()});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(" bytes, not 16"));
  }
}

TEST(VmGenIdTest, AnAddressOutsideOfTheMemoryIsAnError) {
  VmGenIdUnderTest subject;
  testing::CountingInterruptLine interrupt;
  const GuestAddress outside(kAddress.value + kGuestPageSize - 8);
  EXPECT_EQ(VmGenId::Create(subject.memory(), outside, interrupt, IdOf(1)).status().code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace firn
