// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/kernel.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "boot/test_images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class KernelTest : public testing::Test {
 protected:
  absl::StatusOr<LoadedKernel> Load(const ByteVector& file) {
    return LoadKernel(WriteTestFile("vmlinuz", file), layout_, *memory_);
  }

  void ExpectRefused(const ByteVector& file, const char* cause) {
    const auto kernel = Load(file);
    EXPECT_FALSE(kernel.ok()) << "expected: " << cause;
    EXPECT_THAT(kernel.status().message(),
                AllOf(HasSubstr("kernel "), HasSubstr("/vmlinuz"), HasSubstr(cause)));
  }

  void ExpectLoads(const ByteVector& file, const TestImage& image, const char* format) {
    const ByteVector content = MakeImage(image);
    const auto kernel = Load(file);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    EXPECT_EQ(kernel->format, format);
    EXPECT_EQ(kernel->entry, GuestAddress(kRamBase.value + image.text_offset));
    EXPECT_EQ(kernel->range, *GuestRange::Create(kernel->entry, image.image_size));
    const auto host = memory_->HostRange(kernel->entry, content.size());
    ASSERT_TRUE(host.ok());
    EXPECT_TRUE(std::equal(host->begin(), host->end(), content.begin()));
    // Nothing behind it.
    const auto behind = memory_->HostRange(kernel->range.end(), 4096);
    EXPECT_EQ(std::count(behind->begin(), behind->end(), std::byte{0}), 4096);
  }

  const MemoryLayout layout_ = *MemoryLayout::Create(16 * kMiB);
  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create(layout_.ram());
};

TEST_F(KernelTest, RawImage) { ExpectLoads(MakeImage(), {}, "Image"); }

TEST_F(KernelTest, GzipImage) { ExpectLoads(Gzip(MakeImage()), {}, "gzip"); }

TEST_F(KernelTest, ZstdImage) { ExpectLoads(Zstd(MakeImage()), {}, "zstd"); }

TEST_F(KernelTest, ZbootImages) {
  ExpectLoads(Zboot(Gzip(MakeImage()), "gzip"), {}, "zboot gzip");
  ExpectLoads(Zboot(Zstd(MakeImage()), "zstd"), {}, "zboot zstd");
  ExpectLoads(Zboot(Zstd(MakeImage()), "zstd22"), {}, "zboot zstd");
}

TEST_F(KernelTest, TextOffsetOfOlderKernels) {
  const TestImage image = {.text_offset = 0x80000};
  ExpectLoads(MakeImage(image), image, "Image");
  ExpectLoads(Gzip(MakeImage(image)), image, "gzip");
  ExpectLoads(Zstd(MakeImage(image)), image, "zstd");
}

TEST_F(KernelTest, ImageThatFillsItsImageSize) {
  const TestImage image = {.image_size = 0x21000, .size = 0x21000};
  ExpectLoads(MakeImage(image), image, "Image");
  ExpectLoads(Gzip(MakeImage(image)), image, "gzip");
  ExpectLoads(Zstd(MakeImage(image)), image, "zstd");
}

TEST_F(KernelTest, LargerThanAnInputChunk) {
  const TestImage image = {.image_size = 4 * kMiB, .size = 3 * kMiB + 123};
  ExpectLoads(MakeImage(image), image, "Image");
  ExpectLoads(Gzip(MakeImage(image)), image, "gzip");
  ExpectLoads(Zstd(MakeImage(image)), image, "zstd");
}

TEST_F(KernelTest, SeveralMembersAndTrailingBytes) {
  const ByteVector image = MakeImage();
  const absl::Span<const std::byte> all = image;
  const auto a = all.first(0x9000), b = all.subspan(0x9000);
  ExpectLoads(Concatenate(Gzip(a), Gzip(b)), {}, "gzip");
  ExpectLoads(Concatenate(Zstd(a), Zstd(b)), {}, "zstd");
  ExpectLoads(Concatenate(Gzip(all), ByteVector(100)), {}, "gzip");
  ExpectLoads(Concatenate(Zstd(all), ByteVector(4, std::byte{1})), {}, "zstd");
}

TEST_F(KernelTest, SignatureBehindTheImageIsNotLoaded) {
  const TestImage image = {.image_size = 0x21000, .size = 0x21000};
  ExpectLoads(Concatenate(MakeImage(image), ByteVector(5000, std::byte{1})), image, "Image");
}

TEST_F(KernelTest, PageSizes) {
  for (const auto& [flags, page_size] :
       {std::pair<uint64_t, uint32_t>{0x8, 0}, {0xa, 4096}, {0xc, 16384}, {0xe, 65536}}) {
    const auto kernel = Load(MakeImage({.flags = flags}));
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    EXPECT_EQ(kernel->header.page_size, page_size);
  }
}

TEST_F(KernelTest, LoadedPagesAreLoggedAsDirty) {
  memory_->StartDirtyTracking();
  ASSERT_TRUE(Load(Gzip(MakeImage())).ok());
  const auto dirty = memory_->TakeDirty(0);
  ASSERT_TRUE(dirty.ok());
  EXPECT_EQ((*dirty)[0] & 0x1ffffffff, 0x1ffffffff);  // 33 pages
}

TEST_F(KernelTest, NotAFile) {
  const auto missing = LoadKernel("/nonexistent/vmlinuz", layout_, *memory_);
  EXPECT_EQ(GetErrno(missing.status()), ENOENT);
  EXPECT_THAT(missing.status().message(), HasSubstr("kernel: open /nonexistent/vmlinuz"));

  const auto folder = LoadKernel(testing::TempDir(), layout_, *memory_);
  EXPECT_THAT(folder.status().message(), HasSubstr("is a folder"));

  const std::string pipe = testing::TempDir() + "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto fifo = LoadKernel(pipe, layout_, *memory_);
  EXPECT_THAT(fifo.status().message(), HasSubstr("not a regular file"));
}

TEST_F(KernelTest, TooShort) {
  ExpectRefused({}, "is empty");
  ExpectRefused(ByteVector(63), "has only 63 bytes");
  ExpectRefused(ByteVector(64), "is not an arm64 kernel image");
}

TEST_F(KernelTest, OtherKindsOfFileAreNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {"\x7f"
       "ELF",
       "is an ELF file"},
      {std::string("\xfd"
                   "7zXZ\0",
                   6),
       "compressed with xz"},
      {"BZh9", "compressed with bzip2"},
      {"\x02\x21\x4c\x18", "compressed with lz4"},
      {"\x04\x22\x4d\x18", "compressed with lz4"},
      {"\x89LZO", "compressed with lzo"},
      {"\xd0\x0d\xfe\xed", "devicetree"},
      {"\x27\x05\x19\x56", "uImage"},
      {"!<arch>\n", "Debian package"},
      {"070701", "an initrd"},
      {"MZ\xea\x07", "another architecture"},
      {"#!/bin/sh", "no magic number 0x644d5241"},
  };
  for (const auto& [magic, cause] : cases) {
    ByteVector file(4096);
    std::memcpy(file.data(), magic.data(), magic.size());
    ExpectRefused(file, cause);
    ExpectRefused(file, "arch/arm64/boot/Image");
  }
  ByteVector elf = MakeImage();
  std::memset(elf.data(), 0, kKernelHeaderSize);
  std::memcpy(elf.data(),
              "\x7f"
              "ELF",
              4);
  ExpectRefused(Gzip(elf), "is an ELF file");
}

TEST_F(KernelTest, ImpossibleHeaders) {
  ExpectRefused(MakeImage({.flags = 0xb}), "big-endian");
  ExpectRefused(MakeImage({.image_size = 0}), "image_size 0");
  ExpectRefused(MakeImage({.image_size = 63}), "image_size 63");
  ExpectRefused(MakeImage({.text_offset = 0x80001}), "text_offset 0x80001");
  ExpectRefused(MakeImage({.text_offset = 0x200000}), "text_offset 0x200000");
  ExpectRefused(MakeImage({.text_offset = ~uint64_t{0xfff}}), "text_offset 0xfffffffffffff000");
}

TEST_F(KernelTest, LargerThanTheMemory) {
  ExpectRefused(MakeImage({.image_size = 14 * kMiB + 1}), "give the guest more memory");
  ExpectRefused(MakeImage({.image_size = ~uint64_t{0}}), "give the guest more memory");
  ExpectRefused(MakeImage({.text_offset = 0x80000, .image_size = 14 * kMiB}),
                "give the guest more memory");
  ExpectRefused(Gzip(MakeImage({.image_size = 14 * kMiB + 1})), "give the guest more memory");
  ExpectLoads(MakeImage({.image_size = 14 * kMiB - 4096}), {.image_size = 14 * kMiB - 4096},
              "Image");
}

TEST_F(KernelTest, JunkBehindACompressionMagic) {
  ByteVector gzip = MakeImage();
  gzip[0] = std::byte{0x1f};
  gzip[1] = std::byte{0x8b};
  ExpectRefused(gzip, "gzip data is corrupt");
  ByteVector zstd = MakeImage();
  std::memcpy(zstd.data(), "\x28\xb5\x2f\xfd\xff\xff\xff\xff", 8);
  ExpectRefused(zstd, "zstd data is corrupt");
}

TEST_F(KernelTest, FlippedBitsInTheMiddle) {
  ByteVector gzip = Gzip(MakeImage());
  gzip[gzip.size() / 2] ^= std::byte{0x10};
  ExpectRefused(gzip, "gzip data is corrupt");
}

TEST_F(KernelTest, WrongChecksumAtTheEnd) {
  ByteVector gzip = Gzip(MakeImage());
  gzip[gzip.size() - 6] ^= std::byte{1};
  ExpectRefused(gzip, "incorrect data check");
}

TEST_F(KernelTest, TruncatedAnywhere) {
  for (const auto& [whole, cause] : {std::pair{Gzip(MakeImage()), "gzip data is truncated"},
                                     std::pair{Zstd(MakeImage()), "zstd data is truncated"}}) {
    for (const size_t size : {size_t{64}, size_t{200}, whole.size() / 2, whole.size() - 1}) {
      ExpectRefused(ByteVector(whole.begin(), whole.begin() + size), cause);
    }
  }
}

TEST_F(KernelTest, UnpacksToLessThanAHeader) {
  ByteVector small = MakeImage();
  small.resize(63);
  ExpectRefused(Concatenate(Gzip(small), ByteVector(64)), "unpacks to 63 bytes");
  ExpectRefused(Concatenate(Zstd(small), ByteVector(64)), "unpacks to 63 bytes");
}

// A bomb: more than its header says.
TEST_F(KernelTest, BombStopsAtImageSize) {
  ByteVector bomb = MakeImage();
  bomb.resize(64 * kMiB);
  for (const ByteVector& packed : {Gzip(bomb), Zstd(bomb)}) {
    ASSERT_LT(packed.size(), 1 * kMiB);
    ExpectRefused(packed, "unpacks to more than 196608 bytes, the image_size in its header");
    const auto behind = memory_->HostRange(GuestAddress(kRamBase.value + 0x30000), 4096);
    EXPECT_EQ(std::count(behind->begin(), behind->end(), std::byte{0}), 4096);
  }
}

TEST_F(KernelTest, BombOfOneByteTooMany) {
  const TestImage image = {.image_size = 0x21000, .size = 0x21001};
  ExpectRefused(Gzip(MakeImage(image)), "unpacks to more than 135168 bytes");
  ExpectRefused(Zstd(MakeImage(image)), "unpacks to more than 135168 bytes");
}

TEST_F(KernelTest, CompressedTwiceIsNotAKernel) {
  ExpectRefused(Gzip(Gzip(MakeImage())), "is not an arm64 kernel image");
}

TEST_F(KernelTest, ZbootOfOtherCompressions) {
  ExpectRefused(Zboot(MakeImage(), "lzma"), "compressed with \"lzma\"");
  ExpectRefused(Zboot(MakeImage(), ""), "compressed with \"\"");
  ExpectRefused(Zboot(MakeImage(), std::string(40, '\xff')), "firn unpacks gzip and zstd");
}

TEST_F(KernelTest, ZbootPayloadOutsideTheFile) {
  const ByteVector whole = Zboot(Gzip(MakeImage()), "gzip");
  for (const auto& [offset, size] : {std::pair<uint32_t, uint32_t>{~0u, 16},
                                     {0x1000, ~0u},
                                     {~0u, ~0u},
                                     {0x1000, 0},
                                     {0, 100},
                                     {static_cast<uint32_t>(whole.size()), 1}}) {
    ByteVector file = whole;
    std::memcpy(file.data() + 8, &offset, 4);
    std::memcpy(file.data() + 12, &size, 4);
    ExpectRefused(file, "is not in the file");
  }
}

// A file that fails or shrinks while it is read.
class FailingFile final : public ImageFile {
 public:
  FailingFile(ByteVector content, int good_reads)
      : content_(std::move(content)), good_reads_(good_reads) {}

  uint64_t size() const override { return content_.size(); }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> data) override {
    if (good_reads_-- <= 0) return ErrnoStatus(EIO, "pread");
    return ImageFileOfBytes(content_)->ReadAt(offset, data);
  }
  bool failed() const { return good_reads_ < 0; }

 private:
  const ByteVector content_;
  int good_reads_;
};

TEST_F(KernelTest, EachFailingReadIsReported) {
  for (const ByteVector& content :
       {MakeImage(), Gzip(MakeImage()), Zstd(MakeImage()), Zboot(Zstd(MakeImage()), "zstd")}) {
    int failures = 0;
    for (int good_reads = 0;; ++good_reads) {
      FailingFile file(content, good_reads);
      const auto kernel = LoadKernel(file, layout_, *memory_);
      if (!file.failed()) {
        EXPECT_TRUE(kernel.ok()) << kernel.status();
        break;
      }
      EXPECT_EQ(GetErrno(kernel.status()), EIO) << kernel.status();
      ++failures;
    }
    EXPECT_GE(failures, 3);
  }
}

}  // namespace
}  // namespace firn
