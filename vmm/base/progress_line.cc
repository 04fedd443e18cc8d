// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/progress_line.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/thread.h"

namespace firn {
namespace {

constexpr absl::Duration kSilence = absl::Seconds(1);
constexpr absl::Duration kInterval = absl::Milliseconds(100);
constexpr std::string_view kRestOfLine = "\x1b[K";  // ECMA-48: erase in line

}  // namespace

ProgressLine::ProgressLine(std::string_view what, int fd, Clock clock)
    : what_(what),
      fd_(fd),
      clock_(std::move(clock)),
      is_terminal_(isatty(fd) != 0),
      begin_(clock_()) {}

bool ProgressLine::IsDue(absl::Time now) {
  if (now - begin_ < kSilence || now - last_ < kInterval) return false;
  last_ = now;
  return true;
}

void ProgressLine::Show(uint64_t done, uint64_t total) {
  if (!is_terminal_ || total == 0) return;
  absl::MutexLock lock(&mutex_);
  if (done >= total) return RemoveLocked();
  if (!IsDue(clock_())) return;
  const uint64_t percent =
      static_cast<uint64_t>(static_cast<double>(done) * 100 / static_cast<double>(total));
  Write(absl::StrCat(what_, ": ", percent, " % of ", total >> 20, " MiB"));
}

void ProgressLine::ShowElapsed() {
  if (!is_terminal_) return;
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_();
  if (IsDue(now)) Write(absl::StrCat(what_, "... ", absl::ToInt64Seconds(now - begin_), " s"));
}

void ProgressLine::Remove() {
  absl::MutexLock lock(&mutex_);
  RemoveLocked();
}

void ProgressLine::RemoveLocked() {
  if (std::exchange(is_shown_, false)) {
    [[maybe_unused]] const ssize_t size = write(fd_, "\r\x1b[K", 4);
  }
}

void ProgressLine::Write(std::string_view text) {
  const std::string line = absl::StrCat("\rfirn: ", text, kRestOfLine);
  // Where the terminal is gone there is nobody to tell.
  [[maybe_unused]] const ssize_t size = write(fd_, line.data(), line.size());
  is_shown_ = true;
}

ElapsedLine::ElapsedLine(std::string_view what) : line_(what) {
  if (!line_.is_terminal()) return;
  const auto show = [](void* self) -> void* {
    ElapsedLine& line = *static_cast<ElapsedLine*>(self);
    while (!line.done_.WaitForNotificationWithTimeout(absl::Seconds(1))) line.line_.ShowElapsed();
    return nullptr;
  };
  const absl::StatusOr<pthread_t> thread = StartThread("elapsed", "progress", show, this);
  if (thread.ok()) thread_ = *thread;
}

ElapsedLine::~ElapsedLine() {
  done_.Notify();
  if (thread_) pthread_join(*thread_, nullptr);
}

}  // namespace firn
