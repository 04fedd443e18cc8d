// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/initrd.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "boot/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class InitrdTest : public testing::Test {
 protected:
  absl::StatusOr<GuestRange> Load(const ByteVector& content) {
    return LoadInitrd(WriteTestFile("initrd", content), layout_, kernel_, *memory_);
  }

  const MemoryLayout layout_ = *MemoryLayout::Create(16 * kMiB);
  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create(layout_.ram());
  const GuestRange kernel_ = *GuestRange::Create(kRamBase, 10 * kMiB);
};

TEST_F(InitrdTest, IsLoadedAsItIs) {
  // Bytes of no format at all: archives, one behind the other, are the kernel's business.
  const ByteVector content = Concatenate(Gzip(MakeImage()), ByteVector(513, std::byte{7}));
  const auto range = Load(content);
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->size(), content.size());
  const auto host = memory_->HostRange(range->base(), range->size());
  ASSERT_TRUE(host.ok());
  EXPECT_TRUE(std::equal(host->begin(), host->end(), content.begin()));
  EXPECT_FALSE(range->Overlaps(kernel_));
  EXPECT_FALSE(range->Overlaps(layout_.fdt_space()));
}

TEST_F(InitrdTest, Missing) {
  const auto range = LoadInitrd("/nonexistent/initrd", layout_, kernel_, *memory_);
  EXPECT_EQ(GetErrno(range.status()), ENOENT);
  EXPECT_THAT(range.status().message(), HasSubstr("initrd: open /nonexistent/initrd"));
}

TEST_F(InitrdTest, Folder) {
  const auto range = LoadInitrd(testing::TempDir(), layout_, kernel_, *memory_);
  EXPECT_THAT(range.status().message(), HasSubstr("is a folder"));
}

TEST_F(InitrdTest, Empty) {
  const auto range = Load({});
  EXPECT_THAT(range.status().message(), AllOf(HasSubstr("/initrd"), HasSubstr("is empty")));
}

TEST_F(InitrdTest, TooLarge) {
  EXPECT_TRUE(Load(ByteVector(4 * kMiB)).ok());
  const auto range = Load(ByteVector(4 * kMiB + 1));
  EXPECT_TRUE(absl::IsResourceExhausted(range.status())) << range.status();
  EXPECT_THAT(range.status().message(), AllOf(HasSubstr("/initrd"), HasSubstr("more memory")));
}

TEST_F(InitrdTest, TruncatedAfterItWasOpened) {
  class ShrunkFile final : public ImageFile {
   public:
    uint64_t size() const override { return 1000; }
    absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> data) override {
      return ImageFileOfBytes(content_)->ReadAt(offset, data);
    }

   private:
    const ByteVector content_ = ByteVector(999);
  } file;
  const auto range = LoadInitrd(file, layout_, kernel_, *memory_);
  EXPECT_TRUE(absl::IsOutOfRange(range.status())) << range.status();
}

}  // namespace
}  // namespace firn
