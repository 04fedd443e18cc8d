// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// That a guest sees what was cleaned takes a guest: tests/kvm. Here: it may be called for any
// range.
#include "hypervisor/data_cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace firn {
namespace {

constexpr size_t kPage = 4096;

TEST(DataCacheTest, AnyRangeOfAPageIsCleanedAndKeepsItsContent) {
  // Pages that must not be touched on both sides.
  void* mapped =
      mmap(nullptr, 3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  std::byte* page = static_cast<std::byte*>(mapped) + kPage;
  ASSERT_EQ(mprotect(page, kPage, PROT_READ | PROT_WRITE), 0);
  memset(page, 0x5a, kPage);
  CleanDataCache({page, kPage});
  CleanDataCache({page, 0});
  CleanDataCache({page, 1});
  CleanDataCache({page + 60, 8});
  CleanDataCache({page + kPage - 1, 1});
  ASSERT_EQ(mprotect(page, kPage, PROT_READ), 0);
  CleanDataCache({page, kPage});
  for (size_t i = 0; i < kPage; ++i) ASSERT_EQ(page[i], std::byte{0x5a});
  munmap(mapped, 3 * kPage);
}

}  // namespace
}  // namespace firn
