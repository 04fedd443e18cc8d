// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/mmio_bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "devices/little_endian.h"

namespace firn {
namespace {

using ::testing::HasSubstr;

// Answers reads with its id and remembers the last write.
class IdDevice final : public MmioDevice {
 public:
  explicit IdDevice(uint64_t id) : id_(id) {}
  void Read(uint64_t offset, absl::Span<std::byte> data) override {
    StoreLittleEndian(id_ << 8 | offset, data);
  }
  void Write(uint64_t offset, absl::Span<const std::byte> data) override {
    written_at = offset;
    written = LoadLittleEndian(data);
  }
  uint64_t written_at = ~0ull;
  uint64_t written = 0;

 private:
  uint64_t id_;
};

GuestRange Range(uint64_t base, uint64_t size) {
  return *GuestRange::Create(GuestAddress(base), size);
}

uint64_t Read(MmioBus& bus, uint64_t address, size_t size = 4) {
  std::array<std::byte, 8> data;
  data.fill(std::byte{0xff});
  bus.Read(GuestAddress(address), absl::MakeSpan(data).first(size));
  return LoadLittleEndian(absl::MakeConstSpan(data).first(size));
}

TEST(MmioBusTest, FindsTheDeviceAndItsOffsetWhateverTheOrderOfAdding) {
  MmioBus bus;
  IdDevice a(0xa), b(0xb), c(0xc);
  ASSERT_TRUE(bus.Add("b", Range(0x2000, 0x1000), b).ok());
  ASSERT_TRUE(bus.Add("c", Range(0x5000, 0x10), c).ok());
  ASSERT_TRUE(bus.Add("a", Range(0x1000, 0x1000), a).ok());
  EXPECT_EQ(Read(bus, 0x1000), 0xa00u);
  EXPECT_EQ(Read(bus, 0x1004), 0xa04u);
  EXPECT_EQ(Read(bus, 0x2008), 0xb08u);
  EXPECT_EQ(Read(bus, 0x500c), 0xc0cu);
  const uint32_t value = 0x1234;
  bus.Write(GuestAddress(0x5004),
            absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(value)));
  EXPECT_EQ(c.written_at, 4u);
  EXPECT_EQ(c.written, 0x1234u);
}

TEST(MmioBusTest, WhatIsNotWhollyInADeviceReadsAsZeroAndIsCounted) {
  MmioBus bus;
  EXPECT_EQ(Read(bus, 0), 0u);  // an empty bus
  IdDevice a(0xa), b(0xb);
  ASSERT_TRUE(bus.Add("a", Range(0x1000, 0x10), a).ok());
  ASSERT_TRUE(bus.Add("b", Range(0x1010, 0x10), b).ok());
  EXPECT_EQ(Read(bus, 0xffc), 0u);
  EXPECT_EQ(Read(bus, 0xffe), 0u);   // into a
  EXPECT_EQ(Read(bus, 0x100e), 0u);  // from a into b
  EXPECT_EQ(Read(bus, 0x101e), 0u);  // out of b
  EXPECT_EQ(Read(bus, 0x1020), 0u);
  EXPECT_EQ(Read(bus, ~0ull - 3, 8), 0u);
  EXPECT_EQ(bus.unmapped_reads(), 7u);
  const std::array<std::byte, 8> data{};
  bus.Write(GuestAddress(0x100c), data);
  bus.Write(GuestAddress(~0ull), data);
  EXPECT_EQ(bus.unmapped_writes(), 2u);
  EXPECT_EQ(a.written_at, ~0ull);
}

TEST(MmioBusTest, RefusesOverlapAndEmptiness) {
  MmioBus bus;
  IdDevice device(1);
  ASSERT_TRUE(bus.Add("taken", Range(0x2000, 0x1000), device).ok());
  for (const GuestRange& range : {Range(0x2000, 0x1000), Range(0x1fff, 2), Range(0x2fff, 1),
                                  Range(0x1000, 0x3000), Range(0x2800, 8)}) {
    const absl::Status status = bus.Add("late", range, device);
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << range.base().value;
    EXPECT_THAT(status.message(), HasSubstr("taken"));
  }
  EXPECT_EQ(bus.Add("none", Range(0x1000, 0), device).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(bus.Add("below", Range(0x1000, 0x1000), device).ok());
  EXPECT_TRUE(bus.Add("above", Range(0x3000, 0x1000), device).ok());
}

TEST(MmioBusTest, CountsPerDevice) {
  MmioBus bus;
  IdDevice a(0xa), b(0xb);
  ASSERT_TRUE(bus.Add("b", Range(0x2000, 0x10), b).ok());
  ASSERT_TRUE(bus.Add("a", Range(0x1000, 0x10), a).ok());
  Read(bus, 0x1000);
  Read(bus, 0x1000);
  bus.Write(GuestAddress(0x2000), std::array<std::byte, 1>{});
  const auto counts = bus.counts();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].name, "a");
  EXPECT_EQ(counts[0].reads, 2u);
  EXPECT_EQ(counts[0].writes, 0u);
  EXPECT_EQ(counts[1].reads, 0u);
  EXPECT_EQ(counts[1].writes, 1u);
}

}  // namespace
}  // namespace firn
