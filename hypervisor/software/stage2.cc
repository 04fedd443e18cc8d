// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/stage2.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

constexpr uint64_t kTableSize = 4096;
// 2^40 bytes from level 1 on need two root tables, side by side.
constexpr uint64_t kRootTables = 2;
constexpr unsigned kLevel1Shift = 30;
constexpr unsigned kLevel2Shift = 21;
constexpr unsigned kLevel3Shift = 12;

// Enough for all of the IPA space; only what is used costs memory.
constexpr uint64_t kMaxTables = kRootTables + (uint64_t{1} << (kIpaBits - kLevel1Shift)) +
                                (uint64_t{1} << (kIpaBits - kLevel2Shift));

constexpr uint64_t kValid = 1;
constexpr uint64_t kTableOrPage = 2;
constexpr uint64_t kMemAttrNormal = 0xf << 2;
constexpr uint64_t kS2apRead = 1 << 6;
constexpr uint64_t kS2apWrite = 1 << 7;
constexpr uint64_t kInnerShareable = 3 << 8;
constexpr uint64_t kAccessFlag = 1 << 10;
constexpr uint64_t kAddressMask = 0x0000'ffff'ffff'f000;

constexpr uint64_t Page(uint64_t ipa, bool writable) {
  return ipa | kValid | kTableOrPage | kMemAttrNormal | kInnerShareable | kAccessFlag | kS2apRead |
         (writable ? kS2apWrite : 0);
}

constexpr uint64_t Index(uint64_t ipa, unsigned shift) { return ipa >> shift & 511; }

}  // namespace

uint64_t Stage2::memory_size() { return kMaxTables * kTableSize; }

absl::StatusOr<std::unique_ptr<Stage2>> Stage2::Create() {
  void* memory = mmap(nullptr, memory_size(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "mmap of stage 2 tables");
  std::unique_ptr<Stage2> stage2(new Stage2(static_cast<std::byte*>(memory)));
  stage2->Clear();
  return stage2;
}

Stage2::~Stage2() { munmap(memory_, memory_size()); }

uint64_t Stage2::vtcr() const {
  constexpr uint64_t kT0sz = 64 - kIpaBits;
  constexpr uint64_t kStartLevel1 = 1 << 6;
  constexpr uint64_t kPhysical40Bits = 2 << 16;
  constexpr uint64_t kRes1 = uint64_t{1} << 31;
  return kT0sz | kStartLevel1 | kPhysical40Bits | kRes1;
}

uint64_t* Stage2::Table(uint64_t physical) const {
  return reinterpret_cast<uint64_t*>(memory_ + (physical - kPhysicalBase));
}

void Stage2::Clear() {
  // Zero pages come back when they are next touched.
  madvise(memory_, std::max(tables_used_, kRootTables) * kTableSize, MADV_DONTNEED);
  tables_used_ = kRootTables;
}

uint64_t* Stage2::NextTable(uint64_t* entry) {
  if (*entry == 0) {
    *entry = (kPhysicalBase + tables_used_++ * kTableSize) | kTableOrPage | kValid;
  }
  return Table(*entry & kAddressMask);
}

void Stage2::Map(uint64_t ipa, uint64_t size, bool writable) {
  for (const uint64_t end = ipa + size; ipa < end; ipa += uint64_t{1} << kLevel3Shift) {
    uint64_t* table2 = NextTable(Table(kPhysicalBase) + (ipa >> kLevel1Shift));
    uint64_t* table3 = NextTable(table2 + Index(ipa, kLevel2Shift));
    table3[Index(ipa, kLevel3Shift)] = Page(ipa, writable);
  }
}

uint64_t* Stage2::FindPage(uint64_t ipa) const {
  const uint64_t level1 = Table(kPhysicalBase)[ipa >> kLevel1Shift];
  if (level1 == 0) return nullptr;
  const uint64_t level2 = Table(level1 & kAddressMask)[Index(ipa, kLevel2Shift)];
  if (level2 == 0) return nullptr;
  uint64_t* level3 = Table(level2 & kAddressMask) + Index(ipa, kLevel3Shift);
  return *level3 == 0 ? nullptr : level3;
}

bool Stage2::IsMapped(uint64_t ipa) const { return FindPage(ipa) != nullptr; }

void Stage2::SetWritable(uint64_t ipa, bool writable) {
  if (uint64_t* page = FindPage(ipa)) {
    *page = writable ? *page | kS2apWrite : *page & ~kS2apWrite;
  }
}

}  // namespace firn::software
