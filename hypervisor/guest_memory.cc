// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/guest_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hypervisor/errno_status.h"

namespace firn {

// One bitmap per region; a bit is set by any thread and taken by one.
struct GuestMemory::DirtyLog {
  std::atomic<bool> enabled = false;
  std::vector<std::vector<std::atomic<uint64_t>>> bitmaps;
};

namespace {

size_t BitmapWords(uint64_t size) { return (size / kGuestPageSize + 63) / 64; }

absl::Status CheckRanges(absl::Span<const GuestRange> ranges) {
  if (ranges.empty()) return absl::InvalidArgumentError("guest memory without a range");
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].size() == 0 || ranges[i].size() % kGuestPageSize != 0 ||
        !ranges[i].base().IsAligned(kGuestPageSize)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("guest memory of 0x%x bytes at 0x%x is not whole 4 KiB pages",
                          ranges[i].size(), ranges[i].base().value));
    }
    if (i > 0 && ranges[i].base() < ranges[i - 1].end()) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "guest memory at 0x%x overlaps the range before it", ranges[i].base().value));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFileSize(int fd, uint64_t offset, uint64_t size) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, "fstat of the guest memory file");
  const uint64_t file_size = static_cast<uint64_t>(info.st_size);
  if (offset > file_size || size > file_size - offset) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the guest memory file has %d bytes, %d are needed from offset %d on",
                        file_size, size, offset));
  }
  return absl::OkStatus();
}

// With host and guest addresses alike below this, the host can back guest memory with huge pages
// and KVM map them as such: fewer faults for a guest that starts.
constexpr uint64_t kHugePageSize = 2 << 20;

// mmap of `range` so that the host address is `range`'s modulo kHugePageSize. MAP_FAILED and errno
// where it fails.
void* MapRange(const GuestRange& range, int flags, int fd, uint64_t offset) {
  const size_t size = range.size();
  size_t reserved_size = 0;
  if (__builtin_add_overflow(size, kHugePageSize, &reserved_size)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void* reserved =
      mmap(nullptr, reserved_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return reserved;
  const auto start = reinterpret_cast<uintptr_t>(reserved);
  const uint64_t head = (range.base().value - start) % kHugePageSize;
  const uint64_t tail = kHugePageSize - head;
  std::byte* host = static_cast<std::byte*>(reserved) + head;
  if (mmap(host, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, static_cast<off_t>(offset)) ==
      MAP_FAILED) {
    const int error = errno;
    munmap(reserved, reserved_size);
    errno = error;
    return MAP_FAILED;
  }
  if (head != 0) munmap(reserved, head);
  munmap(host + size, tail);
  return host;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GuestMemory>> GuestMemory::Create(
    absl::Span<const GuestRange> ranges, const GuestMemoryBacking& backing) {
  if (absl::Status status = CheckRanges(ranges); !status.ok()) return status;
  uint64_t total = 0;
  for (const GuestRange& range : ranges) {
    if (__builtin_add_overflow(total, range.size(), &total)) {
      return absl::InvalidArgumentError("guest memory exceeds the address space");
    }
  }

  std::unique_ptr<GuestMemory> memory(new GuestMemory);
  int fd = -1;
  uint64_t offset = 0;
  int flags = MAP_PRIVATE | MAP_NORESERVE;
  switch (backing.kind) {
    case GuestMemoryBacking::Kind::kAnonymous:
      flags |= MAP_ANONYMOUS;
      break;
    case GuestMemoryBacking::Kind::kMemfd:
      memory->memfd_.Reset(memfd_create("firn-guest-memory", MFD_CLOEXEC));
      if (!memory->memfd_.is_valid()) return ErrnoStatus(errno, "memfd_create");
      if (ftruncate(memory->memfd_.get(), static_cast<off_t>(total)) != 0) {
        return ErrnoStatus(errno, absl::StrCat("ftruncate of the memfd to ", total, " bytes"));
      }
      fd = memory->memfd_.get();
      flags = MAP_SHARED | MAP_NORESERVE;
      break;
    case GuestMemoryBacking::Kind::kFile:
      if (absl::Status status = CheckFileSize(backing.fd, backing.file_offset, total);
          !status.ok()) {
        return status;
      }
      fd = backing.fd;
      offset = backing.file_offset;
      if (backing.shared) flags = MAP_SHARED | MAP_NORESERVE;
      break;
  }

  memory->dirty_ = std::make_unique<DirtyLog>();
  for (const GuestRange& range : ranges) {
    void* host = MapRange(range, flags, fd, offset);
    if (host == MAP_FAILED) {
      return ErrnoStatus(errno, absl::StrCat("mmap of ", range.size(), " bytes of guest memory"));
    }
    memory->regions_.push_back({range, static_cast<std::byte*>(host)});
    if (fd >= 0) offset += range.size();
  }
  return memory;
}

absl::Status GuestMemory::MapFile(int fd, uint64_t offset) {
  if (absl::Status status = CheckFileSize(fd, offset, size()); !status.ok()) return status;
  for (const GuestMemoryRegion& region : regions_) {
    const size_t bytes = region.range.size();
    if (mmap(region.host, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
             fd, static_cast<off_t>(offset)) == MAP_FAILED) {
      return ErrnoStatus(errno, absl::StrCat("mmap of ", bytes, " bytes of a guest memory file"));
    }
    offset += bytes;
  }
  return absl::OkStatus();
}

GuestMemory::~GuestMemory() {
  for (const GuestMemoryRegion& region : regions_) munmap(region.host, region.range.size());
}

uint64_t GuestMemory::size() const {
  uint64_t total = 0;
  for (const GuestMemoryRegion& region : regions_) total += region.range.size();
  return total;
}

const GuestMemoryRegion* GuestMemory::Find(GuestAddress address, uint64_t size) const {
  for (const GuestMemoryRegion& region : regions_) {
    if (region.range.Contains(address, size)) return &region;
  }
  return nullptr;
}

bool GuestMemory::Contains(GuestAddress address, uint64_t size) const {
  return Find(address, size) != nullptr;
}

absl::StatusOr<absl::Span<const std::byte>> GuestMemory::HostRange(GuestAddress address,
                                                                   uint64_t size) const {
  const GuestMemoryRegion* region = Find(address, size);
  if (region == nullptr) {
    return absl::OutOfRangeError(absl::StrFormat(
        "0x%x bytes at guest address 0x%x are not in guest memory", size, address.value));
  }
  return absl::MakeConstSpan(region->host + (address.value - region->range.base().value), size);
}

absl::StatusOr<absl::Span<std::byte>> GuestMemory::MutableHostRange(GuestAddress address,
                                                                    uint64_t size) {
  absl::StatusOr<absl::Span<const std::byte>> host = HostRange(address, size);
  if (!host.ok()) return host.status();
  MarkDirty(address, size);
  return absl::MakeSpan(const_cast<std::byte*>(host->data()), host->size());
}

absl::StatusOr<std::byte*> GuestMemory::AtomicHost(GuestAddress address, size_t size) const {
  if (!address.IsAligned(size)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("guest address 0x%x is not aligned to %d bytes", address.value, size));
  }
  absl::StatusOr<absl::Span<const std::byte>> host = HostRange(address, size);
  if (!host.ok()) return host.status();
  return const_cast<std::byte*>(host->data());
}

absl::Status GuestMemory::Read(GuestAddress address, absl::Span<std::byte> data) const {
  absl::StatusOr<absl::Span<const std::byte>> host = HostRange(address, data.size());
  if (!host.ok()) return host.status();
  memcpy(data.data(), host->data(), data.size());
  return absl::OkStatus();
}

absl::Status GuestMemory::Write(GuestAddress address, absl::Span<const std::byte> data) {
  absl::StatusOr<absl::Span<std::byte>> host = MutableHostRange(address, data.size());
  if (!host.ok()) return host.status();
  memcpy(host->data(), data.data(), data.size());
  return absl::OkStatus();
}

void GuestMemory::StartDirtyTracking() {
  std::vector<std::vector<std::atomic<uint64_t>>> bitmaps;
  for (const GuestMemoryRegion& region : regions_) {
    bitmaps.emplace_back(BitmapWords(region.range.size()));
  }
  dirty_->enabled.store(false, std::memory_order_release);
  dirty_->bitmaps = std::move(bitmaps);
  dirty_->enabled.store(true, std::memory_order_release);
}

void GuestMemory::StopDirtyTracking() { dirty_->enabled.store(false, std::memory_order_release); }

absl::StatusOr<std::vector<uint64_t>> GuestMemory::TakeDirty(size_t index) {
  if (!dirty_->enabled.load(std::memory_order_acquire)) {
    return absl::FailedPreconditionError("dirty tracking of guest memory was not started");
  }
  if (index >= regions_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("guest memory has no region ", index));
  }
  std::vector<uint64_t> taken;
  taken.reserve(dirty_->bitmaps[index].size());
  for (std::atomic<uint64_t>& word : dirty_->bitmaps[index]) {
    taken.push_back(word.exchange(0, std::memory_order_acq_rel));
  }
  return taken;
}

void GuestMemory::MarkDirty(GuestAddress address, uint64_t size) {
  if (size == 0 || !dirty_->enabled.load(std::memory_order_acquire)) return;
  const GuestMemoryRegion* region = Find(address, size);
  if (region == nullptr) return;
  const uint64_t offset = address.value - region->range.base().value;
  const size_t index = static_cast<size_t>(region - regions_.data());
  for (uint64_t page = offset / kGuestPageSize; page <= (offset + size - 1) / kGuestPageSize;
       ++page) {
    dirty_->bitmaps[index][page / 64].fetch_or(uint64_t{1} << page % 64, std::memory_order_acq_rel);
  }
}

}  // namespace firn
