// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "devices/virtio/rng/rng_device.h"
#include "devices/virtio/testing/virtio_under_test.h"

namespace firn::virtio {
namespace {

using testing::kBufferBase;

class FakeEntropy final : public EntropySource {
 public:
  absl::Status Fill(absl::Span<std::byte> data) override {
    std::fill(data.begin(), data.end(), std::byte{'r'});
    return absl::OkStatus();
  }
};

// There before the device.
struct HasEntropy {
  FakeEntropy entropy;
};

class RngUnderTest : private HasEntropy, public testing::VirtioUnderTest<RngDevice> {
 public:
  RngUnderTest() : VirtioUnderTest(std::make_unique<RngDevice>(entropy)) {}

  void Drive() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(kFeatureEventIndex, 16);
    for (int i = 0; i < 5; ++i) Ask();
  }
  void Clobber() {
    driver().Write(MmioRegister::kStatus, 0);
    driver().Start(0, 8);
    Ask();
  }
  std::string GoOn() {
    std::string seen = Look();
    for (int i = 0; i < 20; ++i) {
      Ask();
      seen += Look();
    }
    return seen + testing::ReadString(driver().memory(), kBufferBase, 9);
  }

 protected:
  std::unique_ptr<RngDevice> MakeDevice() override { return std::make_unique<RngDevice>(entropy); }

 private:
  void Ask() {
    driver().queue(0).Add({{kBufferBase, 8, true}});
    driver().Kick(0);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Rng, SaveRestoreTest, RngUnderTest);

TEST(RngStateTest, HasNoneOfItsOwn) {
  FakeEntropy entropy;
  RngDevice device(entropy);
  EXPECT_EQ(device.SaveDevice(), "");
  EXPECT_EQ(device.RestoreDevice("x", ActiveQueues()).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace firn::virtio
