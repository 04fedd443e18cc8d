// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "boot/kernel.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

// An Image in a file: as it is, or packed.
struct Image {
  ImageFile* file = nullptr;
  std::optional<CompressedData> packed;
  std::string_view format;
};

absl::StatusOr<Image> FindImage(ImageFile& file) {
  KernelHeaderBytes start;
  if (absl::Status status = file.ReadAt(0, absl::MakeSpan(start)); !status.ok()) return status;

  if (const std::optional<Compression> compression = DetectCompression(start)) {
    return Image{.file = &file,
                 .packed = CompressedData{&file, 0, file.size(), *compression},
                 .format = CompressionName(*compression)};
  }
  if (IsZboot(start)) {
    const absl::StatusOr<ZbootPayload> payload = ParseZbootHeader(start, file.size());
    if (!payload.ok()) return payload.status();
    return Image{
        .file = &file,
        .packed = CompressedData{&file, payload->offset, payload->size, payload->compression},
        .format = payload->compression == Compression::kGzip ? "zboot gzip" : "zboot zstd"};
  }
  return Image{.file = &file, .packed = std::nullopt, .format = "Image"};
}

absl::StatusOr<KernelHeader> ReadHeader(const Image& image) {
  KernelHeaderBytes bytes;
  const absl::Status status = image.packed ? DecompressPrefix(*image.packed, absl::MakeSpan(bytes))
                                           : image.file->ReadAt(0, absl::MakeSpan(bytes));
  if (!status.ok()) return status;
  return ParseKernelHeader(bytes);
}

// The kernel's place, or an error where it does not fit.
absl::StatusOr<GuestRange> PlaceKernel(const KernelHeader& header, const MemoryLayout& layout) {
  const GuestRange space = layout.kernel_space();
  if (header.image_size > space.size() || header.text_offset > space.size() - header.image_size) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "takes ", header.image_size, " bytes of memory, and the guest has room for ",
        space.size() - std::min(space.size(), header.text_offset), ": give the guest more memory"));
  }
  return *GuestRange::Create(GuestAddress(space.base().value + header.text_offset),
                             header.image_size);
}

// Memory that is about to be filled anyway may as well come in pages of 2 MiB: less than a third
// of the time. Where the host has none of these, nothing changes.
void AdviseHugePages(absl::Span<std::byte> host) {
  madvise(host.data(), host.size(), MADV_HUGEPAGE);
}

absl::Status CopyImage(const Image& image, GuestRange range, GuestMemory& memory) {
  if (!image.packed) {
    // A signature may follow the image; it is nothing to the kernel.
    const uint64_t size = std::min(image.file->size(), range.size());
    const absl::StatusOr<absl::Span<std::byte>> host = memory.MutableHostRange(range.base(), size);
    if (!host.ok()) return host.status();
    AdviseHugePages(*host);
    return image.file->ReadAt(0, *host);
  }
  const absl::StatusOr<absl::Span<std::byte>> host =
      memory.MutableHostRange(range.base(), range.size());
  if (!host.ok()) return host.status();
  AdviseHugePages(*host);
  const absl::StatusOr<uint64_t> size = Decompress(*image.packed, *host);
  if (absl::IsResourceExhausted(size.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat(size.status().message(),
                     ", the image_size in its header: the file is corrupt, fetch it again"));
  }
  return size.status();
}

}  // namespace

absl::StatusOr<LoadedKernel> LoadKernel(ImageFile& file, const MemoryLayout& layout,
                                        GuestMemory& memory) {
  if (file.size() < kKernelHeaderSize) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.size() == 0 ? "is empty" : absl::StrCat("has only ", file.size(), " bytes"),
        ", an arm64 kernel image has a header of ", kKernelHeaderSize, ": fetch it again"));
  }
  const absl::StatusOr<Image> image = FindImage(file);
  if (!image.ok()) return image.status();
  const absl::StatusOr<KernelHeader> header = ReadHeader(*image);
  if (!header.ok()) return header.status();
  const absl::StatusOr<GuestRange> range = PlaceKernel(*header, layout);
  if (!range.ok()) return range.status();
  if (absl::Status status = CopyImage(*image, *range, memory); !status.ok()) return status;
  return LoadedKernel{
      .entry = range->base(), .range = *range, .header = *header, .format = image->format};
}

absl::StatusOr<LoadedKernel> LoadKernel(const std::string& path, const MemoryLayout& layout,
                                        GuestMemory& memory) {
  const absl::StatusOr<std::unique_ptr<ImageFile>> file = OpenImageFile(path);
  if (!file.ok()) return Annotate(file.status(), "kernel");
  absl::StatusOr<LoadedKernel> kernel = LoadKernel(**file, layout, memory);
  if (!kernel.ok()) return Annotate(kernel.status(), absl::StrCat("kernel ", path));
  return kernel;
}

}  // namespace firn
