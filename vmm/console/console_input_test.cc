// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/console_input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "hypervisor/file_descriptor.h"

namespace firn {
namespace {

class ConsoleInputTest : public ::testing::Test {
 protected:
  ConsoleInputTest() : loop_(*EventLoop::Create()) {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    reader_.Reset(fds[0]);
    writer_.Reset(fds[1]);
  }
  ConsoleInput::Options Options(int fd) {
    return {.fd = fd,
            .has_escapes = false,
            .deliver =
                [this](absl::Span<const std::byte> data) {
                  const size_t taken = std::min(data.size(), room_);
                  room_ -= taken;
                  got_.append(reinterpret_cast<const char*>(data.data()), taken);
                  return taken;
                },
            .on_quit = [this] { ++quits_; },
            .on_help = [this] { ++helps_; }};
  }
  void Type(std::string_view text) {
    ASSERT_EQ(write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Lets the loop turn a few times.
  void Turn(int times = 8) {
    std::function<void()> turn = [&] {
      if (--times == 0) {
        loop_->Stop();
      } else {
        loop_->Post(turn);
      }
    };
    loop_->Post(turn);
    ASSERT_TRUE(loop_->Run().ok());
  }

  std::unique_ptr<EventLoop> loop_;
  FileDescriptor reader_, writer_;
  size_t room_ = 1 << 20;
  std::string got_;
  int quits_ = 0;
  int helps_ = 0;
};

TEST_F(ConsoleInputTest, BringsWhatIsPipedIn) {
  ConsoleInput input(*loop_, Options(reader_.get()));
  Type("ls\x01x\n");
  Turn();
  EXPECT_EQ(got_, "ls\x01x\n");
  EXPECT_EQ(quits_, 0);
}

TEST_F(ConsoleInputTest, WaitsForRoomAndLosesNothing) {
  room_ = 3;
  ConsoleInput input(*loop_, Options(reader_.get()));
  Type("abcdef");
  Turn();
  EXPECT_EQ(got_, "abc");
  Type("ghi");
  room_ = 2;
  input.Resume();
  Turn();
  EXPECT_EQ(got_, "abcde");
  room_ = 100;
  input.Resume();
  Turn();
  EXPECT_EQ(got_, "abcdefghi");
}

TEST_F(ConsoleInputTest, EndOfInputJustEnds) {
  ConsoleInput input(*loop_, Options(reader_.get()));
  Type("bye");
  writer_.Reset();
  Turn();
  EXPECT_EQ(got_, "bye");
  input.Resume();
  Turn();
}

TEST_F(ConsoleInputTest, RegularFileIsReadToItsEnd) {
  FileDescriptor file(memfd_create("input", MFD_CLOEXEC));
  std::string text;
  for (int i = 0; text.size() < 5000; ++i) text += std::to_string(i);
  ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ASSERT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
  FileDescriptor regular(
      open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
  room_ = 1500;
  ConsoleInput input(*loop_, Options(regular.get()));
  Turn(20);
  EXPECT_EQ(got_.size(), 1500u);
  room_ = 1 << 20;
  input.Resume();
  Turn(40);
  EXPECT_EQ(got_, text);
}

TEST_F(ConsoleInputTest, EscapesAreCommandsOnATerminal) {
  ConsoleInput::Options options = Options(reader_.get());
  options.has_escapes = true;
  ConsoleInput input(*loop_, std::move(options));
  Type("a\x01hb");
  Turn();
  EXPECT_EQ(got_, "ab");
  EXPECT_EQ(helps_, 1);
  Type("\x01");
  Turn();
  Type("xignored");
  Turn();
  EXPECT_EQ(quits_, 1);
  EXPECT_EQ(got_, "ab");
}

TEST_F(ConsoleInputTest, BadFileDescriptorIsNoInput) {
  ConsoleInput input(*loop_, Options(-1));
  Turn();
  EXPECT_EQ(got_, "");
}

TEST_F(ConsoleInputTest, PostedWorkOutlivesIt) {
  {
    ConsoleInput input(*loop_, Options(reader_.get()));
    input.Resume();
  }
  Turn();
}

}  // namespace
}  // namespace firn
