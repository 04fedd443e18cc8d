// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Stage 2 translation tables: which guest physical pages are memory, and which may be written.
// Identity mapped, 4 KiB granule, 40-bit IPA, level 1 to 3. Source: Arm ARM (DDI 0487) D8.3
// "VMSAv8-64 translation table format descriptors".
//
// In pages only, also where blocks would fit: what Unicorn keeps of a translation has the size of
// the stage 2 entry, and as soon as some are larger than a page, invalidating one page drops all of
// them.
#ifndef FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_
#define FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace firn::software {

inline constexpr int kIpaBits = 40;

// Thread rules: one thread at a time.
class Stage2 {
 public:
  // Where the engine sees the tables: behind every guest physical address, so that no guest does.
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
  // Maps [ipa, ipa + size), 4 KiB aligned and within the IPA space.
  void Map(uint64_t ipa, uint64_t size, bool writable);
  bool IsMapped(uint64_t ipa) const;
  // Changes the write permission of one page, if it is mapped.
  void SetWritable(uint64_t ipa, bool writable);

 private:
  explicit Stage2(std::byte* memory) : memory_(memory) {}
  uint64_t* Table(uint64_t physical) const;
  uint64_t* NextTable(uint64_t* entry);
  // The level 3 entry of `ipa`, or null.
  uint64_t* FindPage(uint64_t ipa) const;

  std::byte* const memory_;
  uint64_t tables_used_ = 0;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_STAGE2_H_
