// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/memory_guard.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "vmm/base/exit_status.h"
#include "vmm/console/terminal.h"

namespace firn {
namespace {

// Guest memory that is mapped from a file, which is cut short.
class MemoryGuardTest : public ::testing::Test {
 protected:
  MemoryGuardTest() {
    EXPECT_EQ(ftruncate(file_, 4 * kGuestPageSize), 0);
    EXPECT_TRUE(memory_->MapFile(file_, 0).ok());
    EXPECT_EQ(ftruncate(file_, kGuestPageSize), 0);
  }
  ~MemoryGuardTest() override { close(file_); }

  uint64_t Load(uint64_t page) const {
    return *memory_->Load<uint64_t>(GuestAddress(page * kGuestPageSize));
  }

  const int file_ = memfd_create("guest", MFD_CLOEXEC);
  const GuestRange range_ = *GuestRange::Create(GuestAddress(0), 4 * kGuestPageSize);
  const std::unique_ptr<GuestMemory> memory_ = *GuestMemory::Create({range_});
};

TEST_F(MemoryGuardTest, SaysWhatHappenedAndEnds) {
  const MemoryGuard guard(*memory_, "error: the file \x1b is short");
  EXPECT_EQ(Load(0), 0u);
  EXPECT_EXIT(Load(2), ::testing::ExitedWithCode(kExitError),
              "^firn: error: the file \\? is short\n$");
}

TEST_F(MemoryGuardTest, AnswersInstructionsWithZerosButNoSystemCalls) {
  MemoryGuard guard(*memory_, "error");
  guard.AnswerWithZeros();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const auto host = *memory_->HostRange(GuestAddress(2 * kGuestPageSize), 8);
  EXPECT_EQ(write(pipe[1], host.data(), host.size()), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(Load(2), 0u);
  EXPECT_EQ(write(pipe[1], host.data(), host.size()), 8);
  close(pipe[0]);
  close(pipe[1]);
}

TEST_F(MemoryGuardTest, OtherMemoryDiesAsEver) {
  { const MemoryGuard gone(*memory_, "error"); }
  EXPECT_EXIT(Load(2), ::testing::KilledBySignal(SIGBUS), "");
  const std::unique_ptr<GuestMemory> other = *GuestMemory::Create({range_});
  const MemoryGuard guard(*other, "error");
  EXPECT_EXIT(Load(2), ::testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace firn
