// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/console_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

absl::Span<const std::byte> Bytes(std::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

class ConsoleOutputTest : public ::testing::Test {
 protected:
  ConsoleOutputTest() {
    signal(SIGPIPE, SIG_IGN);
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    reader_.Reset(fds[0]);
    writer_.Reset(fds[1]);
    output_ =
        *ConsoleOutput::Start(writer_.get(), ending_.fd(), [this](const absl::Status& status) {
          error_ = status;
          failed_.Notify();
        });
  }
  // Until not all is taken: the pipe and the buffer are full, or the thread, however slow it is,
  // has yet to take the buffer for the pipe. Either way room_event tells only of room after this.
  size_t OfferUntilFull() {
    const std::string text(10000, 'x');
    size_t taken = 0;
    for (size_t refused = 0; refused < 100;) {
      output_->room_event().Take();
      const size_t part = output_->Offer(Bytes(text));
      taken += part;
      refused = part == 0 ? refused + 1 : 0;
      if (part == 0) absl::SleepFor(absl::Milliseconds(1));
    }
    return taken;
  }
  bool IsThereRoom(int timeout_ms) {
    pollfd room = {.fd = output_->room_event().fd(), .events = POLLIN, .revents = 0};
    return poll(&room, 1, timeout_ms) == 1;
  }
  std::string ReadExactly(size_t size) {
    std::string text(size, '\0');
    size_t got = 0;
    while (got < size) {
      const ssize_t n = read(reader_.get(), text.data() + got, size - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    text.resize(got);
    return text;
  }

  FileDescriptor reader_, writer_;
  EventFd ending_ = *EventFd::Create();
  absl::Status error_;
  absl::Notification failed_;
  std::unique_ptr<ConsoleOutput> output_;
};

TEST_F(ConsoleOutputTest, WritesWithoutWaitingForALine) {
  output_->Write(Bytes("login: "));
  EXPECT_EQ(ReadExactly(7), "login: ");
}

TEST_F(ConsoleOutputTest, DestructionWritesTheRest) {
  output_->Write(Bytes("bye"));
  output_.reset();
  writer_.Reset();
  EXPECT_EQ(ReadExactly(10), "bye");
}

TEST_F(ConsoleOutputTest, KeepsOrderBeyondItsBuffer) {
  std::string text;
  for (int i = 0; text.size() < 1000000; ++i) text += std::to_string(i) + "\n";
  std::thread guest([&] {
    for (size_t at = 0; at < text.size(); at += 4099) {
      output_->Write(Bytes(std::string_view(text).substr(at, 4099)));
    }
  });
  EXPECT_EQ(ReadExactly(text.size()), text);
  guest.join();
}

TEST_F(ConsoleOutputTest, AbandonLetsGoOfAStalledGuest) {
  std::thread guest([&] { output_->Write(Bytes(std::string(4 << 20, 'x'))); });
  EXPECT_EQ(ReadExactly(100).size(), 100u);
  output_->Abandon();
  guest.join();
  output_->Write(Bytes("dropped"));
  output_.reset();
  EXPECT_TRUE(error_.ok());
}

TEST_F(ConsoleOutputTest, StalledReaderIsAbandonedOnceFirnIsToEnd) {
  std::thread guest([&] { output_->Write(Bytes(std::string(4 << 20, 'x'))); });
  ending_.Signal();
  guest.join();
  output_.reset();
}

TEST_F(ConsoleOutputTest, ReaderIsServedWhileFirnEnds) {
  ending_.Signal();
  const std::string text(1 << 20, 'x');
  std::thread guest([&] {
    output_->Write(Bytes(text));
    output_.reset();
  });
  EXPECT_EQ(ReadExactly(text.size()), text);
  guest.join();
}

TEST_F(ConsoleOutputTest, FinishWithinWaitsForTheWriter) {
  output_->Write(Bytes("bye"));
  output_->FinishWithin(absl::Seconds(10));
  EXPECT_EQ(fcntl(reader_.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(ReadExactly(3), "bye");
}

TEST_F(ConsoleOutputTest, FinishWithinAbandonsAStalledReader) {
  std::atomic<bool> released = false;
  std::thread guest([&] {
    output_->Write(Bytes(std::string(4 << 20, 'x')));
    released = true;
  });
  // Finds nothing to wait for until the guest has begun to write.
  while (!released) output_->FinishWithin(absl::Milliseconds(10));
  guest.join();
}

TEST_F(ConsoleOutputTest, OfferTakesWhatThereIsRoomForAndTellsOfMore) {
  const size_t taken = OfferUntilFull();
  EXPECT_GE(taken, size_t{64} << 10);
  EXPECT_EQ(ReadExactly(taken), std::string(taken, 'x'));
  EXPECT_TRUE(IsThereRoom(60'000));
  EXPECT_EQ(output_->Offer(Bytes("z")), 1u);
  EXPECT_EQ(ReadExactly(1), "z");
}

TEST_F(ConsoleOutputTest, NobodyIsToldOfRoomWhoFoundEnough) {
  EXPECT_EQ(output_->Offer(Bytes("x")), 1u);
  EXPECT_EQ(ReadExactly(1), "x");
  output_->Abandon();
  EXPECT_FALSE(IsThereRoom(0));
}

// Who waits for room must go on, though nothing is written any more.
TEST_F(ConsoleOutputTest, ThereIsRoomOnceTheReaderIsGone) {
  OfferUntilFull();
  reader_.Reset();
  EXPECT_TRUE(IsThereRoom(60'000));
  failed_.WaitForNotification();
  EXPECT_EQ(GetErrno(error_), EPIPE);
  EXPECT_EQ(output_->Offer(Bytes("dropped")), 7u);
}

TEST_F(ConsoleOutputTest, ThereIsRoomOnceAbandoned) {
  OfferUntilFull();
  output_->Abandon();
  EXPECT_TRUE(IsThereRoom(60'000));
  EXPECT_EQ(output_->Offer(Bytes("dropped")), 7u);
}

TEST_F(ConsoleOutputTest, ClosedPipeIsAnErrorOnce) {
  reader_.Reset();
  output_->Write(Bytes("x"));
  failed_.WaitForNotification();
  output_->Write(Bytes(std::string(1 << 20, 'x')));
  EXPECT_EQ(GetErrno(error_), EPIPE);
}

TEST(ConsoleOutputFileTest, FullDiskIsAnError) {
  FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.is_valid());
  absl::Status error;
  {
    auto output =
        ConsoleOutput::Start(full.get(), -1, [&](const absl::Status& status) { error = status; });
    ASSERT_TRUE(output.ok());
    (*output)->Write(Bytes("x"));
  }
  EXPECT_EQ(GetErrno(error), ENOSPC);
}

}  // namespace
}  // namespace firn
