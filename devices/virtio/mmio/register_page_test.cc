// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/mmio/register_page.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "devices/little_endian.h"

namespace firn::virtio {
namespace {

constexpr uint64_t kBase = 0x1001'0000;
constexpr GuestAddress kAddress(kBase + kGuestPageSize);

class RegisterPageTest : public ::testing::Test {
 protected:
  uint64_t Read(uint64_t offset, size_t size) {
    std::array<std::byte, 8> data;
    data.fill(std::byte{0xff});
    page_.Read(offset, absl::MakeSpan(data).first(size));
    return LoadLittleEndian(absl::MakeSpan(data).first(size));
  }
  std::string Memory(uint64_t address, size_t size) {
    std::string bytes(size, '\xff');
    auto* data = reinterpret_cast<std::byte*>(bytes.data());
    EXPECT_TRUE(memory_->Read(GuestAddress(address), absl::MakeSpan(data, size)).ok());
    return bytes;
  }

  std::unique_ptr<GuestMemory> memory_ =
      *GuestMemory::Create({*GuestRange::Create(GuestAddress(kBase), 3 * kGuestPageSize)});
  RegisterPage page_ = *RegisterPage::Create(*memory_, kAddress);
};

TEST_F(RegisterPageTest, ARegisterIsFourLittleEndianBytesAtItsOffset) {
  page_.Set(MmioRegister::kMagicValue, kMmioMagic);
  page_.Set(MmioRegister::kStatus, 0x0102'0304);
  EXPECT_EQ(page_.Get(MmioRegister::kStatus), 0x0102'0304u);
  EXPECT_EQ(Memory(kAddress.value, 4), "virt");
  EXPECT_EQ(Memory(kAddress.value + 0x70, 4), "\4\3\2\1");
  page_.Set(MmioRegister::kStatus, 0);
  EXPECT_EQ(Memory(kAddress.value + 0x70, 4), std::string(4, '\0'));
}

TEST_F(RegisterPageTest, WritesNothingElse) {
  for (const MmioRegister reg : kReadableRegisters) page_.Set(reg, ~0u);
  RegisterPage::ConfigSpace config;
  config.fill(std::byte{0xff});
  page_.SetConfig(config);
  EXPECT_EQ(Memory(kBase, kGuestPageSize), std::string(kGuestPageSize, '\0'));
  const std::string page = Memory(kAddress.value, 2 * kGuestPageSize);
  EXPECT_EQ(page.substr(kMmioConfig, config.size()), std::string(config.size(), '\xff'));
  EXPECT_EQ(page.substr(kMmioSize), std::string(page.size() - kMmioSize, '\0'));
  // No register that is written only.
  for (const uint64_t offset : {0x14, 0x20, 0x24, 0x30, 0x38, 0x50, 0x64, 0x80, 0xac}) {
    EXPECT_EQ(Read(offset, 4), 0u) << offset;
  }
}

TEST_F(RegisterPageTest, ReadsWhatALoadOfAnyWidthFinds) {
  page_.Set(MmioRegister::kMagicValue, 0x4433'2211);
  page_.Set(MmioRegister::kVersion, 0x8877'6655);
  RegisterPage::ConfigSpace config;
  config.fill(std::byte{0xee});
  page_.SetConfig(config);
  EXPECT_EQ(Read(0, 8), 0x8877'6655'4433'2211u);
  EXPECT_EQ(Read(0, 1), 0x11u);
  EXPECT_EQ(Read(1, 2), 0x3322u);
  EXPECT_EQ(Read(3, 2), 0x5544u);
  EXPECT_EQ(Read(2, 8), 0x8877'6655'4433u);
  EXPECT_EQ(Read(kMmioSize - 4, 8), 0xeeee'eeeeu);
  EXPECT_EQ(Read(kMmioSize, 8), 0u);
  EXPECT_EQ(Read(~0ull - 7, 8), 0u);
}

TEST_F(RegisterPageTest, WhereThereIsNoMemory) {
  EXPECT_EQ(RegisterPage::Create(*memory_, GuestAddress(kBase - kGuestPageSize)).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(
      RegisterPage::Create(*memory_, GuestAddress(kBase + 3 * kGuestPageSize)).status().code(),
      absl::StatusCode::kOutOfRange);
  EXPECT_EQ(RegisterPage::Create(*memory_, GuestAddress(kBase + 0x200)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RegisterPageTest, AReaderFindsTheOldValueOrTheNewOne) {
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      const uint64_t value = Read(0x60, 4);
      ASSERT_TRUE(value == 0 || value == 0xffff'ffff) << value;
    }
  });
  for (uint32_t i = 0; i < 10'000; ++i) page_.Set(MmioRegister::kInterruptStatus, 0 - i % 2);
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace firn::virtio
