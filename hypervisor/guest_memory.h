// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The guest's RAM as this process sees it: regions of host memory with their guest physical
// addresses, bounds-checked access, and a log of the pages that this process has written.
//
// What a guest put there is hostile: read a value once with Load or Read, check the copy, use
// the copy. Guest memory is little-endian, as every host that firn builds for.
#ifndef FIRN_HYPERVISOR_GUEST_MEMORY_H_
#define FIRN_HYPERVISOR_GUEST_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/file_descriptor.h"
#include "hypervisor/guest_address.h"

namespace firn {

// The unit of dirty tracking, as KVM's dirty log with 4 KiB host pages.
inline constexpr uint64_t kGuestPageSize = 4096;

struct GuestMemoryBacking {
  enum class Kind {
    kAnonymous,  // private pages of this process
    kMemfd,      // a memfd of its own: can be handed to another process
    kFile,       // a file, from `file_offset` on, one region behind the other
  };
  Kind kind = Kind::kAnonymous;
  // kFile: borrowed for the call of Create only; the mapping keeps its own reference.
  int fd = -1;
  uint64_t file_offset = 0;
  // kFile: true writes guest stores back into the file, false keeps them private.
  bool shared = false;
};

// One contiguous piece of guest RAM.
struct GuestMemoryRegion {
  GuestRange range;
  std::byte* host = nullptr;  // range.size() bytes, page aligned
};

// Thread rules: every method may be called from any thread. Concurrent access to the same bytes
// (by the guest, by devices) is not ordered, except by LoadAcquire and StoreRelease.
class GuestMemory {
 public:
  // Maps one region per range, zero-filled (kFile: with the file's content), at a host address
  // that allows for huge pages. Pages are not touched: cost does not grow with size. Ranges are
  // page aligned, not empty, ascending and disjoint: InvalidArgument otherwise. Errors of mmap,
  // memfd_create and ftruncate keep errno; a file shorter than the ranges is InvalidArgument.
  static absl::StatusOr<std::unique_ptr<GuestMemory>> Create(
      absl::Span<const GuestRange> ranges, const GuestMemoryBacking& backing = {});
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // Puts the content of `fd` from `offset` on, one region behind the other, in the place of what
  // the regions have, as a private mapping: nothing is read before it is touched, and stores stay
  // in this process. The host addresses do not change. For a moment when nobody uses the memory.
  // Errors as those of Create.
  absl::Status MapFile(int fd, uint64_t offset);

  // Ascending by address.
  absl::Span<const GuestMemoryRegion> regions() const { return regions_; }
  // The sum of all regions, in bytes.
  uint64_t size() const;
  // The memfd of a kMemfd backing, -1 else.
  int memfd() const { return memfd_.get(); }

  // True where [address, address + size) lies in one region.
  bool Contains(GuestAddress address, uint64_t size) const;

  // Copies between guest memory and `data`. OutOfRange, with nothing copied, unless the whole
  // range lies in one region. Write logs the pages as dirty.
  absl::Status Read(GuestAddress address, absl::Span<std::byte> data) const;
  absl::Status Write(GuestAddress address, absl::Span<const std::byte> data);

  // One trivially copyable value, at any alignment. Fetches it exactly once.
  template <typename T>
  absl::StatusOr<T> Load(GuestAddress address) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    absl::Status status =
        Read(address, absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(value)));
    if (!status.ok()) return status;
    return value;
  }
  template <typename T>
  absl::Status Store(GuestAddress address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Write(address,
                 absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&value), sizeof(value)));
  }

  // An integer shared with the guest under the memory model (a ring index): naturally aligned,
  // InvalidArgument otherwise.
  template <typename T>
  absl::StatusOr<T> LoadAcquire(GuestAddress address) const {
    absl::StatusOr<std::byte*> host = AtomicHost(address, sizeof(T));
    if (!host.ok()) return host.status();
    return std::atomic_ref<T>(*reinterpret_cast<T*>(*host)).load(std::memory_order_acquire);
  }
  template <typename T>
  absl::Status StoreRelease(GuestAddress address, T value) {
    absl::StatusOr<std::byte*> host = AtomicHost(address, sizeof(T));
    if (!host.ok()) return host.status();
    std::atomic_ref<T>(*reinterpret_cast<T*>(*host)).store(value, std::memory_order_release);
    MarkDirty(address, sizeof(T));
    return absl::OkStatus();
  }

  // Host memory of a range within one region, for I/O without a copy; OutOfRange otherwise.
  // Guest bytes may change while they are looked at. HostRange is for reading;
  // MutableHostRange logs the whole range as dirty at once, before the bytes are written.
  absl::StatusOr<absl::Span<const std::byte>> HostRange(GuestAddress address, uint64_t size) const;
  absl::StatusOr<absl::Span<std::byte>> MutableHostRange(GuestAddress address, uint64_t size);

  // The log of pages that this process wrote (what the guest wrote is Vm::GetDirtyLog's).
  // Start and Stop are for a moment when nobody writes.
  // Start clears it. TakeDirty returns and clears the bitmap of region `index`, one bit per
  // page, bit 0 of word 0 first; FailedPrecondition when not started.
  void StartDirtyTracking();
  void StopDirtyTracking();
  absl::StatusOr<std::vector<uint64_t>> TakeDirty(size_t index);
  // Logs a range that was written by other means (an I/O system call into HostRange).
  void MarkDirty(GuestAddress address, uint64_t size);

 private:
  struct DirtyLog;

  GuestMemory() = default;
  const GuestMemoryRegion* Find(GuestAddress address, uint64_t size) const;
  absl::StatusOr<std::byte*> AtomicHost(GuestAddress address, size_t size) const;

  std::vector<GuestMemoryRegion> regions_;
  FileDescriptor memfd_;
  std::unique_ptr<DirtyLog> dirty_;
};

}  // namespace firn

#endif  // FIRN_HYPERVISOR_GUEST_MEMORY_H_
