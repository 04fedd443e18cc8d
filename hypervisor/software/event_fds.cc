// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/event_fds.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::software {
namespace {

constexpr int kWakeId = -1;

// Like the kernel, hold the file itself: the caller may close its descriptor.
FileDescriptor Hold(int fd) { return FileDescriptor(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// The errno of KVM for a descriptor that is no eventfd, 0 for one that is (or where /proc is
// not there to tell).
int CheckEventFd(int fd) {
  if (fcntl(fd, F_GETFD) < 0) return EBADF;
  std::array<char, 64> target{};
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  if (size <= 0) return 0;
  return std::string_view(target.data(), static_cast<size_t>(size)) == "anon_inode:[eventfd]"
             ? 0
             : EINVAL;
}

void SignalFd(int fd) {
  const uint64_t one = 1;
  while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

bool TakeFd(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof(count)) == sizeof(count) && count > 0;
}

}  // namespace

absl::Status IoEventFds::Register(const IoEventFd& config) {
  constexpr std::string_view kCall = "KVM_IOEVENTFD";
  const uint32_t length = config.length;
  if ((length & (length - 1)) != 0 || length > 8 || (config.datamatch && length == 0)) {
    return ErrnoStatus(EINVAL, kCall);
  }
  if (!config.address.Plus(length)) return ErrnoStatus(EINVAL, kCall);
  if (const int error = CheckEventFd(config.fd); error != 0) return ErrnoStatus(error, kCall);
  std::vector<Entry>& entries = entries_[config.address.value];
  const auto same = [&](const Entry& entry) {
    return entry.length == length && entry.datamatch == config.datamatch;
  };
  if (config.deassign) {
    const size_t removed = std::erase_if(
        entries, [&](const Entry& entry) { return same(entry) && entry.user_fd == config.fd; });
    return removed > 0 ? absl::OkStatus() : ErrnoStatus(ENOENT, kCall);
  }
  for (const Entry& entry : entries) {
    const bool any = !entry.datamatch || !config.datamatch || entry.datamatch == config.datamatch;
    if ((entry.length == length || entry.length == 0 || length == 0) && any) {
      return ErrnoStatus(EEXIST, kCall);
    }
  }
  FileDescriptor fd = Hold(config.fd);
  if (!fd.is_valid()) return ErrnoStatus(errno, kCall);
  entries.push_back({length, config.datamatch, std::move(fd), config.fd});
  return absl::OkStatus();
}

bool IoEventFds::Signal(GuestAddress address, uint32_t size, uint64_t value) {
  const auto found = entries_.find(address.value);
  if (found == entries_.end()) return false;
  for (const Entry& entry : found->second) {
    if (entry.length != 0 && entry.length != size) continue;
    if (entry.datamatch && *entry.datamatch != value) continue;
    SignalFd(entry.fd.get());
    return true;
  }
  return false;
}

absl::Status AlarmFd::Set(const std::optional<CounterAlarm>& alarm) {
  if (alarm && (!fd_.is_valid() || alarm->fd != user_fd_)) {
    constexpr std::string_view kCall = "counter alarm";
    if (const int error = CheckEventFd(alarm->fd); error != 0) return ErrnoStatus(error, kCall);
    FileDescriptor fd = Hold(alarm->fd);
    if (!fd.is_valid()) return ErrnoStatus(errno, kCall);
    fd_ = std::move(fd);
    user_fd_ = alarm->fd;
  }
  counter_ = alarm ? std::optional<uint64_t>(alarm->counter) : std::nullopt;
  return absl::OkStatus();
}

void AlarmFd::Ring() {
  SignalFd(fd_.get());
  counter_.reset();
}

absl::StatusOr<IrqFds> IrqFds::Create() {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_valid()) return ErrnoStatus(errno, "epoll_create1");
  absl::StatusOr<EventFd> wake = EventFd::Create();
  if (!wake.ok()) return wake.status();
  epoll_event event{.events = EPOLLIN, .data = {.fd = kWakeId}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake->fd(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return IrqFds(std::move(epoll), *std::move(wake));
}

absl::Status IrqFds::Register(const IrqFd& config) {
  constexpr std::string_view kCall = "KVM_IRQFD";
  if (const int error = CheckEventFd(config.fd); error != 0) return ErrnoStatus(error, kCall);
  if (config.deassign) {
    const auto found = entries_.find(config.fd);
    if (found != entries_.end() && found->second.gsi == config.gsi) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd.get(), nullptr);
      entries_.erase(found);
    }
    return absl::OkStatus();
  }
  if (entries_.contains(config.fd)) return ErrnoStatus(EBUSY, kCall);
  Entry entry{.fd = Hold(config.fd), .resample_fd = {}, .gsi = config.gsi};
  if (!entry.fd.is_valid()) return ErrnoStatus(errno, kCall);
  if (config.resample_fd) {
    if (const int error = CheckEventFd(*config.resample_fd); error != 0) {
      return ErrnoStatus(error, kCall);
    }
    entry.resample_fd = Hold(*config.resample_fd);
    if (!entry.resample_fd.is_valid()) return ErrnoStatus(errno, kCall);
  }
  // Reads must not block, whatever flags the caller's eventfd has.
  fcntl(entry.fd.get(), F_SETFL, fcntl(entry.fd.get(), F_GETFL) | O_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.fd = config.fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.fd.get(), &event) != 0) {
    return ErrnoStatus(errno, kCall);
  }
  entries_.emplace(config.fd, std::move(entry));
  return absl::OkStatus();
}

void IrqFds::Poll(const Handler& handler) {
  std::array<epoll_event, 16> events;
  int count;
  do {
    count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == kWakeId) {
        wake_.Take();
        continue;
      }
      const auto found = entries_.find(events[i].data.fd);
      if (found == entries_.end() || !TakeFd(found->second.fd.get())) continue;
      handler(found->second.gsi, found->second.resample_fd.is_valid());
    }
  } while (count == static_cast<int>(events.size()));
}

bool IrqFds::Resample(uint32_t gsi) {
  bool any = false;
  for (const auto& [number, entry] : entries_) {
    if (entry.gsi != gsi || !entry.resample_fd.is_valid()) continue;
    SignalFd(entry.resample_fd.get());
    any = true;
  }
  return any;
}

void IrqFds::Wait(std::optional<uint64_t> nanoseconds) {
  epoll_event event;
  timespec timeout;
  if (nanoseconds) {
    timeout.tv_sec = static_cast<time_t>(*nanoseconds / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(*nanoseconds % 1'000'000'000);
  }
  epoll_pwait2(epoll_.get(), &event, 1, nanoseconds ? &timeout : nullptr, nullptr);
}

}  // namespace firn::software
