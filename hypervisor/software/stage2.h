// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Stage 2 translation tables: which guest physical pages are memory, and which may be written.
// Identity mapped, 4 KiB granule, 40-bit IPA, level 1 to 3, in 1 GiB and 2 MiB blocks where
// they fit. Source: Arm ARM (DDI 0487) D8.3 "VMSAv8-64 translation table format descriptors".
#ifndef FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_
#define FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn::software {

inline constexpr int kIpaBits = 40;

// Thread rules: one thread at a time.
class Stage2 {
 public:
  // Where engines see the tables: behind every guest physical address, so that no guest does.
  static constexpr uint64_t kPhysicalBase = uint64_t{1} << kIpaBits;

  // Reserves address space for the tables. Errors: those of mmap.
  static absl::StatusOr<std::unique_ptr<Stage2>> Create();
  ~Stage2();
  Stage2(const Stage2&) = delete;
  Stage2& operator=(const Stage2&) = delete;

  std::byte* memory() const { return memory_; }
  static uint64_t memory_size();
  uint64_t vttbr() const { return kPhysicalBase; }
  uint64_t vtcr() const;

  // Unmaps everything.
  void Clear();
  // Maps [ipa, ipa + size), 4 KiB aligned and not mapped yet, in pages only where `pages`.
  // ENOMEM when the reserved tables are used up.
  absl::Status Map(uint64_t ipa, uint64_t size, bool writable, bool pages);
  // Changes the write permission of one page that was mapped with `pages`.
  void SetWritable(uint64_t ipa, bool writable);

 private:
  explicit Stage2(std::byte* memory) : memory_(memory) {}
  uint64_t* Table(uint64_t physical) const;
  absl::StatusOr<uint64_t*> NextTable(uint64_t* entry);

  std::byte* const memory_;
  uint64_t tables_used_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_
