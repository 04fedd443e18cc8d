// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/boot.h"

#include <algorithm>
#include <memory>

#include "arch-aarch64/fdt_reader.h"
#include "arch-aarch64/gicv5_fdt.h"
#include "boot/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

class BootTest : public testing::Test {
 protected:
  absl::StatusOr<BootImages> Load(const BootConfig& config) {
    return LoadGuest(config, layout_, gic_, *memory_);
  }

  BootConfig Config() {
    BootConfig config;
    config.kernel_path = WriteTestFile("Image", MakeImage());
    config.fdt.command_line = *CommandLine::Create("quiet");
    config.fdt.vcpu_ids = {0};
    return config;
  }

  const MemoryLayout layout_ = *MemoryLayout::Create(16 * kMiB);
  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create(layout_.ram());
  const Gicv5Fdt gic_{kInterruptControllerRegion.base()};
};

TEST_F(BootTest, KernelInitrdAndFdtAreInPlace) {
  BootConfig config = Config();
  config.initrd_path = WriteTestFile("initrd", ByteVector(5000, std::byte{5}));
  const auto images = Load(config);
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->kernel.entry, kRamBase);
  ASSERT_TRUE(images->initrd);
  EXPECT_TRUE(images->fdt.base().IsAligned(8));

  const GuestRange ranges[] = {images->kernel.range, *images->initrd, images->fdt};
  for (const GuestRange& a : ranges) {
    EXPECT_TRUE(memory_->Contains(a.base(), a.size()));
    for (const GuestRange& b : ranges) EXPECT_EQ(a.Overlaps(b), &a == &b);
  }

  const auto initrd = memory_->HostRange(images->initrd->base(), 5000);
  EXPECT_EQ(std::count(initrd->begin(), initrd->end(), std::byte{5}), 5000);

  const auto blob = memory_->HostRange(images->fdt.base(), images->fdt.size());
  ASSERT_TRUE(blob.ok());
  const FdtReader fdt(*blob);
  ASSERT_TRUE(fdt.IsValid());
  const uint32_t start = static_cast<uint32_t>(images->initrd->base().value);
  EXPECT_THAT(fdt.Cells("/chosen", "linux,initrd-start"), Optional(ElementsAre(0, start)));
  EXPECT_THAT(fdt.Cells("/chosen", "linux,initrd-end"), Optional(ElementsAre(0, start + 5000)));
  EXPECT_EQ(fdt.String("/chosen", "bootargs"), "quiet");
}

TEST_F(BootTest, WithoutInitrd) {
  const auto images = Load(Config());
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_FALSE(images->initrd);
  const auto blob = memory_->HostRange(images->fdt.base(), images->fdt.size());
  EXPECT_FALSE(FdtReader(*blob).Bytes("/chosen", "linux,initrd-start"));
}

TEST_F(BootTest, FailuresNameTheFile) {
  BootConfig config = Config();
  config.kernel_path = "/nonexistent/Image";
  EXPECT_THAT(Load(config).status().message(), HasSubstr("/nonexistent/Image"));
  config = Config();
  config.initrd_path = "/nonexistent/initrd";
  EXPECT_THAT(Load(config).status().message(), HasSubstr("/nonexistent/initrd"));
}

TEST_F(BootTest, InitrdThatDoesNotFitBesideTheKernel) {
  BootConfig config = Config();
  config.kernel_path = WriteTestFile("Image", MakeImage({.image_size = 10 * kMiB}));
  config.initrd_path = WriteTestFile("initrd", ByteVector(5 * kMiB));
  EXPECT_TRUE(absl::IsResourceExhausted(Load(config).status()));
}

}  // namespace
}  // namespace firn
