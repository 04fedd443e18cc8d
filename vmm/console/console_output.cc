// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/console_output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/log/check.h"
#include "absl/time/time.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/thread.h"

namespace firn {
namespace {

// A console at 115,200 baud takes over five seconds for as much.
constexpr size_t kBufferSize = 64 * 1024;
// How long the start of a line waits for its rest.
constexpr absl::Duration kLinger = absl::Milliseconds(2);
constexpr size_t kWorthWriting = PIPE_BUF;

}  // namespace

absl::StatusOr<std::unique_ptr<ConsoleOutput>> ConsoleOutput::Start(
    int fd, int ending_fd, std::function<void(absl::Status)> on_error) {
  absl::StatusOr<EventFd> abandoned = EventFd::Create();
  if (!abandoned.ok()) return abandoned.status();
  absl::StatusOr<EventFd> room_event = EventFd::Create();
  if (!room_event.ok()) return room_event.status();
  // Not make_unique: private; destroyed by hand where no thread exists to be joined.
  ConsoleOutput* output = new ConsoleOutput(fd, ending_fd, *std::move(abandoned),
                                            *std::move(room_event), std::move(on_error));
  output->buffer_.reserve(kBufferSize);
  const absl::StatusOr<pthread_t> thread =
      StartThread("console", "console output", &ThreadMain, output);
  if (!thread.ok()) {
    {
      absl::MutexLock lock(&output->mutex_);
      output->closing_ = true;
    }
    delete output;
    return thread.status();
  }
  output->thread_ = *thread;
  return std::unique_ptr<ConsoleOutput>(output);
}

ConsoleOutput::~ConsoleOutput() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(closing_, true)) return;  // the thread was never there
  }
  const int error = pthread_join(thread_, nullptr);
  CHECK_EQ(error, 0) << "pthread_join of the console thread";
}

void ConsoleOutput::Write(absl::Span<const std::byte> data) {
  auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return given_up_ || buffer_.size() < kBufferSize;
  };
  while (!data.empty()) {
    absl::MutexLock lock(&mutex_, absl::Condition(&has_room));
    if (given_up_) return;
    data.remove_prefix(Append(data));
  }
}

size_t ConsoleOutput::Offer(absl::Span<const std::byte> data) {
  absl::MutexLock lock(&mutex_);
  if (given_up_) return data.size();
  const size_t taken = Append(data);
  room_is_wanted_ = room_is_wanted_ || taken < data.size();
  return taken;
}

size_t ConsoleOutput::Append(absl::Span<const std::byte> data) {
  const size_t size = std::min(data.size(), kBufferSize - buffer_.size());
  const std::string_view piece(reinterpret_cast<const char*>(data.data()), size);
  buffer_.append(piece);
  is_due_ = is_due_ || buffer_.size() >= kWorthWriting || piece.find('\n') != piece.npos;
  return size;
}

void ConsoleOutput::GiveUp() {
  absl::MutexLock lock(&mutex_);
  given_up_ = true;
  buffer_.clear();
  TellOfRoom();
}

void ConsoleOutput::Abandon() {
  GiveUp();
  abandoned_.Signal();
}

void ConsoleOutput::FinishWithin(absl::Duration patience) {
  auto is_done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return given_up_ || (buffer_.empty() && !is_writing_);
  };
  {
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&is_done), patience)) return;
  }
  Abandon();
}

void* ConsoleOutput::ThreadMain(void* self) {
  static_cast<ConsoleOutput*>(self)->WriterLoop();
  return nullptr;
}

void ConsoleOutput::WriterLoop() {
  auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closing_ || given_up_ || !buffer_.empty();
  };
  auto is_due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return closing_ || given_up_ || is_due_;
  };
  std::string taken;
  taken.reserve(kBufferSize);
  bool goes_on = true;
  while (goes_on) {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      mutex_.Await(absl::Condition(&has_work));
      mutex_.AwaitWithTimeout(absl::Condition(&is_due), kLinger);
      goes_on = !given_up_ && !buffer_.empty();
      taken.swap(buffer_);
      is_due_ = false;
      is_writing_ = goes_on;
      TellOfRoom();
    }
    goes_on = goes_on && WriteOut(taken);
    taken.clear();
  }
  GiveUp();
}

void ConsoleOutput::TellOfRoom() {
  if (std::exchange(room_is_wanted_, false)) room_event_.Signal();
}

bool ConsoleOutput::WriteOut(std::string_view data) {
  while (!data.empty()) {
    if (!WaitUntilWritable()) return false;
    // poll promises room for this much in a pipe, so that the write does not block.
    const size_t size = std::min<size_t>(data.size(), PIPE_BUF);
    const ssize_t written = write(fd_, data.data(), size);
    if (written >= 0) {
      data.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      on_error_(ErrnoStatus(errno, "write to the console"));
      return false;
    }
  }
  return true;
}

bool ConsoleOutput::WaitUntilWritable() {
  pollfd fds[] = {{.fd = fd_, .events = POLLOUT, .revents = 0},
                  {.fd = abandoned_.fd(), .events = POLLIN, .revents = 0},
                  {.fd = ending_fd_, .events = POLLIN, .revents = 0}};
  nfds_t count = 3;
  int timeout = -1;
  while (true) {
    const int ready = poll(fds, count, timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) {
      on_error_(ErrnoStatus(errno, "poll of the console"));
      return false;
    }
    if (ready == 0 || fds[1].revents != 0) return false;
    // An error or a hangup shows in the write.
    if (fds[0].revents != 0) return true;
    // Only the end is near: wait on, not looking at that any more.
    count = 2;
    timeout = static_cast<int>(absl::ToInt64Milliseconds(kGrace));
  }
}

}  // namespace firn
