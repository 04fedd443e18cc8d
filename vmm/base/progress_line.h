// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A line on the terminal that says how far something is that takes long.
#ifndef FIRN_VMM_BASE_PROGRESS_LINE_H_
#define FIRN_VMM_BASE_PROGRESS_LINE_H_

#include <pthread.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace firn {

// One line that is written over and over, and is removed in the end. Nothing is shown in the first
// second, and nothing at all where `fd` is no terminal. Thread rules: any thread.
class ProgressLine {
 public:
  using Clock = std::function<absl::Time()>;

  // `what` is as in "verifying". `fd` stays the caller's.
  explicit ProgressLine(std::string_view what, int fd = STDERR_FILENO, Clock clock = &absl::Now);
  ~ProgressLine() { Remove(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool is_terminal() const { return is_terminal_; }
  // Bytes. The line is removed when all is done.
  void Show(uint64_t done, uint64_t total);
  // For what does not tell how far it is.
  void ShowElapsed();
  void Remove();

 private:
  // Whether it is time to write again.
  bool IsDue(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string what_;
  const int fd_;
  const Clock clock_;
  const bool is_terminal_;
  const absl::Time begin_;
  absl::Mutex mutex_;
  absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool is_shown_ ABSL_GUARDED_BY(mutex_) = false;
};

// Shows the time that passes, each second until it is destroyed.
class ElapsedLine {
 public:
  explicit ElapsedLine(std::string_view what);
  ~ElapsedLine();

 private:
  ProgressLine line_;
  absl::Notification done_;
  std::optional<pthread_t> thread_;
};

}  // namespace firn

#endif  // FIRN_VMM_BASE_PROGRESS_LINE_H_
