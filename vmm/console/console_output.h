// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where the guest's console output goes: a file descriptor with a thread of its own that writes.
//
// What has no newline yet is written a moment later, so that a guest that writes byte by byte
// does not cost a write each. Others only append to a bounded buffer. A reader that stalls (a
// pager, a full pipe) thus holds up the guest, as a slow terminal would: a vCPU that writes to its
// serial port waits, and what it sends through a queue stays there (Offer). Signals still end firn,
// for Abandon lets go of whoever waits.
#ifndef FIRN_VMM_CONSOLE_CONSOLE_OUTPUT_H_
#define FIRN_VMM_CONSOLE_CONSOLE_OUTPUT_H_

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "devices/byte_sink.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

class ConsoleOutput final : public ByteSink {
 public:
  // How long a reader may stall once firn is to end.
  static constexpr absl::Duration kGrace = absl::Milliseconds(200);

  // Writes to `fd`; once `ending_fd` (-1: none) is readable, a reader that stalls longer than
  // kGrace is abandoned. Both are borrowed and outlive this. `on_error` is called once, on the
  // writer's thread, when a write fails for good (EPIPE, ENOSPC): what comes later is dropped.
  // Errors: those of pthread_create and eventfd.
  static absl::StatusOr<std::unique_ptr<ConsoleOutput>> Start(
      int fd, int ending_fd, std::function<void(absl::Status)> on_error);

  // Writes what is left, and ends the thread. Waits for a reader that stalls, unless abandoned.
  ~ConsoleOutput() override;

  // Appends `data`; waits while the buffer is full. Any thread.
  void Write(absl::Span<const std::byte> data) override;

  // Appends what there is room for; after less than all, room_event becomes readable when there is
  // some. Any thread.
  size_t Offer(absl::Span<const std::byte> data) override;
  const EventFd& room_event() const { return room_event_; }

  // Drops what is not written, now and later, and lets go of everybody who waits. Any thread.
  void Abandon();

  // Waits until all is written, at most `patience`, and abandons the rest. Any thread.
  void FinishWithin(absl::Duration patience);

 private:
  ConsoleOutput(int fd, int ending_fd, EventFd abandoned, EventFd room_event,
                std::function<void(absl::Status)> on_error)
      : fd_(fd),
        ending_fd_(ending_fd),
        abandoned_(std::move(abandoned)),
        room_event_(std::move(room_event)),
        on_error_(std::move(on_error)) {}

  static void* ThreadMain(void* self);
  void WriterLoop();
  // False once output is given up.
  bool WriteOut(std::string_view data);
  bool WaitUntilWritable();
  void GiveUp();
  void TellOfRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What there is room for, appended.
  size_t Append(absl::Span<const std::byte> data) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const int ending_fd_;
  const EventFd abandoned_;  // readable from Abandon on
  const EventFd room_event_;
  const std::function<void(absl::Status)> on_error_;
  pthread_t thread_ = {};

  absl::Mutex mutex_;
  std::string buffer_ ABSL_GUARDED_BY(mutex_);
  // The buffer holds a whole line, or enough to be worth a write.
  bool is_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
  bool room_is_wanted_ ABSL_GUARDED_BY(mutex_) = false;  // Offer did not take all
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace firn

#endif  // FIRN_VMM_CONSOLE_CONSOLE_OUTPUT_H_
