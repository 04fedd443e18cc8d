// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The event loop (epoll) for devices and for the monitor itself.
//
// Device events (doorbells) and monitor events (terminal, signals, posted work) are kept apart:
// a deterministic hypervisor has its vCPU thread finish all device events at the instruction
// that caused them (Vm::SetSettleCallback), and no monitor event may run there.
#ifndef FIRN_VMM_BASE_EVENT_LOOP_H_
#define FIRN_VMM_BASE_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/file_descriptor.h"

namespace firn {

class EventLoop {
 public:
  // Called when the file descriptor is readable (or broken: the next read says how), or what
  // SetMonitorEvents says. It must bear being called when there is nothing to read. Handlers of one
  // loop never run at once.
  using Handler = std::function<void()>;

  // Errors: those of epoll_create1 and eventfd.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();

  // Watches `fd` for the devices. The handler runs on the thread of Run or of Settle, with the
  // dispatch lock held: it must not call Add… or Remove…. Errors: EPERM for a file descriptor
  // that cannot be waited for (a regular file), EEXIST for one that is there.
  // Any thread that is not in a handler.
  absl::Status AddDevice(int fd, Handler handler);
  void RemoveDevice(int fd);

  // Whether Run dispatches device events (true at first). False where the hypervisor settles
  // every doorbell, which spares Run to wake for each. The thread of Run, or before Run.
  absl::Status SetRunDispatchesDevices(bool dispatch);

  // Watches `fd` for the monitor. The handler runs on the thread of Run only and may add and
  // remove monitor events, its own too. The thread of Run only. Errors as above.
  absl::Status AddMonitor(int fd, Handler handler);
  // From now on the handler runs when one of `events` (EPOLLIN, EPOLLOUT) is true of `fd`, or it is
  // broken or hung up, which is always told. At first: EPOLLIN. `fd` is watched by AddMonitor. The
  // thread of Run only.
  void SetMonitorEvents(int fd, uint32_t events);
  void RemoveMonitor(int fd);

  // Runs `work` on the thread of Run, after what was posted before. Any thread.
  void Post(std::function<void()> work);

  // Dispatches until Stop; what was posted before Stop has run when it returns. One thread.
  // Errors: those of epoll_wait.
  absl::Status Run();

  // Ends Run, or the next one. Any thread.
  void Stop();

  // Dispatches device events until none is left; does not wait. Any thread.
  void Settle();

  // Does `work`, which may take long, on another thread, and serves the devices of a guest that
  // runs meanwhile. Returns when it is done. The thread of Run.
  void RunBeside(const std::function<void()>& work);

 private:
  EventLoop(FileDescriptor monitor, FileDescriptor devices, EventFd wake);

  // The epoll data of a watch is an id that is never used again, so that an event of a watch
  // that has gone since finds nothing.
  struct Watch {
    int fd;
    std::shared_ptr<Handler> handler;
  };
  using Watches = std::map<uint64_t, Watch>;

  static absl::Status Add(int epoll, int fd, uint64_t id, Handler handler, Watches& watches);
  static void Remove(int epoll, int fd, Watches& watches);

  bool DispatchDevicesOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(dispatch_);
  // Runs posted work; returns whether Stop was called.
  bool RunPosted();

  const FileDescriptor monitor_epoll_;
  const FileDescriptor device_epoll_;
  const EventFd wake_;

  bool run_dispatches_devices_ = true;
  Watches monitor_watches_;
  uint64_t next_monitor_id_;

  absl::Mutex dispatch_;
  Watches device_watches_ ABSL_GUARDED_BY(dispatch_);
  uint64_t next_device_id_ ABSL_GUARDED_BY(dispatch_) = 0;

  absl::Mutex post_mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(post_mutex_);
  bool stop_ ABSL_GUARDED_BY(post_mutex_) = false;
};

}  // namespace firn

#endif  // FIRN_VMM_BASE_EVENT_LOOP_H_
