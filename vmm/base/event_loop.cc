// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/base/event_loop.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/log/check.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/thread.h"

namespace firn {
namespace {

// Ids of the two file descriptors that the loop itself waits for.
constexpr uint64_t kDevicesId = 0;
constexpr uint64_t kWakeId = 1;
constexpr uint64_t kFirstMonitorId = 2;

constexpr int kBatch = 64;

absl::Status EpollAdd(int epoll, int fd, uint64_t id) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) return ErrnoStatus(errno, "epoll_ctl(ADD)");
  return absl::OkStatus();
}

}  // namespace

EventLoop::EventLoop(FileDescriptor monitor, FileDescriptor devices, EventFd wake)
    : monitor_epoll_(std::move(monitor)),
      device_epoll_(std::move(devices)),
      wake_(std::move(wake)),
      next_monitor_id_(kFirstMonitorId) {}

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  FileDescriptor monitor(epoll_create1(EPOLL_CLOEXEC));
  if (!monitor.is_valid()) return ErrnoStatus(errno, "epoll_create1");
  FileDescriptor devices(epoll_create1(EPOLL_CLOEXEC));
  if (!devices.is_valid()) return ErrnoStatus(errno, "epoll_create1");
  absl::StatusOr<EventFd> wake = EventFd::Create();
  if (!wake.ok()) return wake.status();
  absl::Status status = EpollAdd(monitor.get(), devices.get(), kDevicesId);
  if (status.ok()) status = EpollAdd(monitor.get(), wake->fd(), kWakeId);
  if (!status.ok()) return status;
  return std::unique_ptr<EventLoop>(
      new EventLoop(std::move(monitor), std::move(devices), *std::move(wake)));
}

absl::Status EventLoop::Add(int epoll, int fd, uint64_t id, Handler handler, Watches& watches) {
  absl::Status status = EpollAdd(epoll, fd, id);
  if (!status.ok()) return status;
  watches[id] = {fd, std::make_shared<Handler>(std::move(handler))};
  return absl::OkStatus();
}

void EventLoop::Remove(int epoll, int fd, Watches& watches) {
  for (auto it = watches.begin(); it != watches.end(); ++it) {
    if (it->second.fd != fd) continue;
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
    watches.erase(it);
    return;
  }
}

absl::Status EventLoop::AddDevice(int fd, Handler handler) {
  absl::MutexLock lock(&dispatch_);
  return Add(device_epoll_.get(), fd, next_device_id_++, std::move(handler), device_watches_);
}

void EventLoop::RemoveDevice(int fd) {
  absl::MutexLock lock(&dispatch_);
  Remove(device_epoll_.get(), fd, device_watches_);
}

absl::Status EventLoop::SetRunDispatchesDevices(bool dispatch) {
  if (dispatch == run_dispatches_devices_) return absl::OkStatus();
  if (dispatch) {
    absl::Status status = EpollAdd(monitor_epoll_.get(), device_epoll_.get(), kDevicesId);
    if (!status.ok()) return status;
  } else {
    epoll_ctl(monitor_epoll_.get(), EPOLL_CTL_DEL, device_epoll_.get(), nullptr);
  }
  run_dispatches_devices_ = dispatch;
  return absl::OkStatus();
}

absl::Status EventLoop::AddMonitor(int fd, Handler handler) {
  return Add(monitor_epoll_.get(), fd, next_monitor_id_++, std::move(handler), monitor_watches_);
}

void EventLoop::SetMonitorEvents(int fd, uint32_t events) {
  for (const auto& [id, watch] : monitor_watches_) {
    if (watch.fd != fd) continue;
    epoll_event event = {};
    event.events = events;
    event.data.u64 = id;
    PCHECK(epoll_ctl(monitor_epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) << "epoll_ctl(MOD)";
    return;
  }
}

void EventLoop::RemoveMonitor(int fd) { Remove(monitor_epoll_.get(), fd, monitor_watches_); }

void EventLoop::Post(std::function<void()> work) {
  {
    absl::MutexLock lock(&post_mutex_);
    posted_.push_back(std::move(work));
  }
  wake_.Signal();
}

void EventLoop::Stop() {
  {
    absl::MutexLock lock(&post_mutex_);
    stop_ = true;
  }
  wake_.Signal();
}

bool EventLoop::RunPosted() {
  std::vector<std::function<void()>> posted;
  bool stop;
  {
    absl::MutexLock lock(&post_mutex_);
    posted.swap(posted_);
    stop = std::exchange(stop_, false);
  }
  for (const std::function<void()>& work : posted) work();
  return stop;
}

absl::Status EventLoop::Run() {
  std::array<epoll_event, kBatch> events;
  while (true) {
    const int count = epoll_wait(monitor_epoll_.get(), events.data(), kBatch, -1);
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "epoll_wait");
    }
    bool stop = false;
    for (int i = 0; i < count; ++i) {
      const uint64_t id = events[i].data.u64;
      if (id == kDevicesId) {
        absl::MutexLock lock(&dispatch_);
        DispatchDevicesOnce();
      } else if (id == kWakeId) {
        wake_.Take();
        stop = RunPosted() || stop;
      } else if (const auto it = monitor_watches_.find(id); it != monitor_watches_.end()) {
        // The handler may remove its own watch.
        const std::shared_ptr<Handler> handler = it->second.handler;
        (*handler)();
      }
    }
    if (stop) return absl::OkStatus();
  }
}

bool EventLoop::DispatchDevicesOnce() {
  std::array<epoll_event, kBatch> events;
  int count;
  do {
    count = epoll_wait(device_epoll_.get(), events.data(), kBatch, 0);
  } while (count < 0 && errno == EINTR);
  PCHECK(count >= 0) << "epoll_wait of an epoll of our own";
  for (int i = 0; i < count; ++i) {
    const uint64_t id = events[i].data.u64;  // packed: no reference
    const auto it = device_watches_.find(id);
    if (it != device_watches_.end()) (*it->second.handler)();
  }
  return count > 0;
}

void EventLoop::RunBeside(const std::function<void()>& work) {
  struct Task {
    const std::function<void()>& work;
    EventFd done;
  };
  if (!run_dispatches_devices_) return work();
  absl::StatusOr<EventFd> done = EventFd::Create();
  // Where there is no other way the guest waits for its devices.
  if (!done.ok()) return work();
  Task task{work, *std::move(done)};
  const auto body = [](void* argument) -> void* {
    Task& task = *static_cast<Task*>(argument);
    task.work();
    task.done.Signal();
    return nullptr;
  };
  const absl::StatusOr<pthread_t> thread = StartThread("beside", "a save", body, &task);
  if (!thread.ok()) return work();
  while (true) {
    std::array<pollfd, 2> ready = {{{.fd = device_epoll_.get(), .events = POLLIN, .revents = 0},
                                    {.fd = task.done.fd(), .events = POLLIN, .revents = 0}}};
    if (poll(ready.data(), ready.size(), -1) < 0) continue;  // EINTR
    if (ready[1].revents != 0) break;
    absl::MutexLock lock(&dispatch_);
    DispatchDevicesOnce();
  }
  pthread_join(*thread, nullptr);
}

void EventLoop::Settle() {
  absl::MutexLock lock(&dispatch_);
  while (DispatchDevicesOnce()) {
  }
}

}  // namespace firn
