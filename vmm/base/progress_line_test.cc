// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/progress_line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <string>

namespace firn {
namespace {

class ProgressLineTest : public ::testing::Test {
 protected:
  ProgressLineTest() {
    EXPECT_EQ(openpty(&controller_, &terminal_, nullptr, nullptr, nullptr), 0);
    fcntl(controller_, F_SETFL, O_NONBLOCK);
  }
  ~ProgressLineTest() override {
    close(controller_);
    close(terminal_);
  }

  // What was written since the last call.
  static std::string ReadFrom(int fd) {
    char buffer[4096];
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
  }
  std::string Written() const { return ReadFrom(controller_); }

  absl::Time now_ = absl::UnixEpoch();
  int controller_ = -1, terminal_ = -1;
  const ProgressLine::Clock clock_ = [this] { return now_; };
};

TEST_F(ProgressLineTest, NothingInTheFirstSecond) {
  ProgressLine line("verifying", terminal_, clock_);
  line.Show(1, 4);
  line.ShowElapsed();
  now_ += absl::Milliseconds(999);
  line.Show(2, 4);
  line.Remove();
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressLineTest, IsWrittenOverAndRemovedWhenAllIsDone) {
  constexpr uint64_t kTotal = 512 << 20;
  ProgressLine line("verifying", terminal_, clock_);
  now_ += absl::Seconds(1);
  line.Show(kTotal / 4, kTotal);
  EXPECT_EQ(Written(), "\rfirn: verifying: 25 % of 512 MiB\x1b[K");
  line.Show(kTotal / 3, kTotal);
  EXPECT_EQ(Written(), "");  // too soon
  now_ += absl::Milliseconds(100);
  line.Show(kTotal / 2, kTotal);
  EXPECT_EQ(Written(), "\rfirn: verifying: 50 % of 512 MiB\x1b[K");
  line.Show(kTotal, kTotal);
  EXPECT_EQ(Written(), "\r\x1b[K");
  line.Remove();
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressLineTest, IsRemovedWithTheObject) {
  {
    ProgressLine line("saving", terminal_, clock_);
    now_ += absl::Milliseconds(3500);
    line.ShowElapsed();
    EXPECT_EQ(Written(), "\rfirn: saving... 3 s\x1b[K");
  }
  EXPECT_EQ(Written(), "\r\x1b[K");
}

TEST_F(ProgressLineTest, SizesThatOverflow) {
  ProgressLine line("verifying", terminal_, clock_);
  now_ += absl::Seconds(2);
  line.Show(~uint64_t{0} / 2, ~uint64_t{0});
  EXPECT_EQ(Written(), "\rfirn: verifying: 50 % of 17592186044415 MiB\x1b[K");
  line.Show(0, 0);
}

TEST_F(ProgressLineTest, NothingIntoAPipe) {
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, O_NONBLOCK), 0);
  {
    ProgressLine line("saving", pipe[1], clock_);
    now_ += absl::Seconds(10);
    line.Show(1, 2);
    line.ShowElapsed();
  }
  EXPECT_EQ(ReadFrom(pipe[0]), "");
  close(pipe[0]);
  close(pipe[1]);
}

}  // namespace
}  // namespace firn
