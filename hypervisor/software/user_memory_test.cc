// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/user_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>

#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

uint64_t Address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

TEST(UserMemoryTest, CopiesBothWays) {
  uint64_t value = 0x1122334455667788;
  EXPECT_EQ(*GetUser<uint64_t>(Address(&value), "get"), 0x1122334455667788u);
  ASSERT_TRUE(PutUser<uint32_t>(Address(&value), 0xaabbccdd, "put").ok());
  EXPECT_EQ(value, 0x11223344aabbccddu);
}

TEST(UserMemoryTest, NothingToCopyNeedsNoAddress) {
  EXPECT_TRUE(CopyFromUser({}, 0, "get").ok());
  EXPECT_TRUE(CopyToUser(0, {}, "put").ok());
}

TEST(UserMemoryTest, BadAddressIsEfaultAndNamesTheCall) {
  for (uint64_t bad : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 63}) {
    const absl::Status get = GetUser<uint64_t>(bad, "KVM_SET_DEVICE_ATTR(x)").status();
    EXPECT_EQ(GetErrno(get), EFAULT) << bad;
    EXPECT_NE(get.message().find("KVM_SET_DEVICE_ATTR(x)"), std::string::npos);
    EXPECT_EQ(GetErrno(PutUser<uint64_t>(bad, 1, "x")), EFAULT) << bad;
  }
}

TEST(UserMemoryTest, BufferThatEndsInAHoleIsEfault) {
  constexpr size_t kPage = 4096;
  void* pages =
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  std::byte* const hole = static_cast<std::byte*>(pages) + kPage;
  ASSERT_EQ(mprotect(hole, kPage, PROT_NONE), 0);
  std::array<std::byte, 8> buffer{};
  EXPECT_TRUE(CopyFromUser(absl::MakeSpan(buffer), Address(hole - 8), "get").ok());
  EXPECT_EQ(GetErrno(CopyFromUser(absl::MakeSpan(buffer), Address(hole - 7), "get")), EFAULT);
  EXPECT_EQ(GetErrno(CopyToUser(Address(hole - 7), buffer, "put")), EFAULT);
  munmap(pages, 2 * kPage);
}

TEST(UserMemoryTest, ReadOnlyMemoryIsReadButNotWritten) {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  EXPECT_TRUE(GetUser<uint64_t>(Address(page), "get").ok());
  EXPECT_EQ(GetErrno(PutUser<uint64_t>(Address(page), 1, "put")), EFAULT);
  munmap(page, 4096);
}

}  // namespace
}  // namespace firn::software
