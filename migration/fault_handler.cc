// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/fault_handler.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/thread.h"
#include "migration/memory_file.h"
#include "migration/page_scan.h"

namespace firn {
namespace {

std::string DescribeRegions(const GuestMemory& memory) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::string json = "[";
  uint64_t offset = 0;
  for (const GuestMemoryRegion& region : memory.regions()) {
    absl::StrAppend(&json, offset == 0 ? "" : ",",
                    "{\"base_host_virt_addr\":", reinterpret_cast<uintptr_t>(region.host),
                    ",\"size\":", region.range.size(), ",\"offset\":", offset,
                    ",\"page_size\":", page, ",\"page_size_kib\":", page, "}");
    offset += region.range.size();
  }
  return json + "]";
}

absl::StatusOr<FileDescriptor> ConnectTo(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("page fault handler: ", path, " has over ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  // Without waiting: it may not be accepting connections any more.
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_valid()) return ErrnoStatus(errno, "socket");
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return socket;
  }
  return Suggest(ErrnoStatus(errno, absl::StrCat("connect to page fault handler ", path)),
                 "it must listen there before the snapshot is loaded");
}

absl::Status Send(int socket, const std::string& text, int fd) {
  iovec data = {.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  // Some hundred bytes into an empty socket: all or nothing.
  const ssize_t size = sendmsg(socket, &message, MSG_NOSIGNAL);
  if (size == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return ErrnoStatus(size < 0 ? errno : EMSGSIZE, "sendmsg to the page fault handler");
}

int MillisecondsUntil(const std::optional<absl::Time>& deadline) {
  if (!deadline) return -1;
  const absl::Duration left = *deadline - absl::Now();
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(left, absl::ZeroDuration()))) + 1;
}

}  // namespace

FaultHandler::FaultHandler(std::string path, const GuestMemory& memory, FaultHandlerOptions options,
                           Userfault userfault, LostMemory lost, FileDescriptor socket,
                           EventFd wake)
    : path_(std::move(path)),
      memory_(memory),
      options_(std::move(options)),
      userfault_(std::move(userfault)),
      lost_(std::move(lost)),
      socket_(std::move(socket)),
      wake_(std::move(wake)) {}

absl::StatusOr<std::unique_ptr<FaultHandler>> FaultHandler::Connect(const std::string& path,
                                                                    const GuestMemory& memory,
                                                                    FaultHandlerOptions options) {
  absl::StatusOr<Userfault> userfault = Userfault::Create();
  if (!userfault.ok()) return userfault.status();
  absl::StatusOr<LostMemory> lost = LostMemory::Create();
  if (!lost.ok()) return lost.status();
  absl::StatusOr<EventFd> wake = EventFd::Create();
  if (!wake.ok()) return wake.status();
  absl::StatusOr<FileDescriptor> socket = ConnectTo(path);
  if (!socket.ok()) return socket.status();
  for (const GuestMemoryRegion& region : memory.regions()) {
    absl::Status status = userfault->Register(absl::MakeSpan(region.host, region.range.size()));
    if (!status.ok()) return status;
  }
  auto handler =
      absl::WrapUnique(new FaultHandler(path, memory, std::move(options), *std::move(userfault),
                                        *std::move(lost), *std::move(socket), *std::move(wake)));
  absl::Status status =
      Send(handler->socket_.get(), DescribeRegions(memory), handler->userfault_.fd());
  if (!status.ok()) return Annotate(status, path);
  const absl::StatusOr<pthread_t> thread =
      StartThread("handler", "watching the page fault handler", &ThreadMain, handler.get());
  if (!thread.ok()) return thread.status();
  handler->thread_ = *thread;
  return handler;
}

FaultHandler::~FaultHandler() { EndWatch(); }

absl::Status FaultHandler::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void FaultHandler::EndSoon() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  wake_.Signal();
}

void FaultHandler::EndWatch() {
  if (!thread_) return;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  wake_.Signal();
  pthread_join(*thread_, nullptr);
  thread_.reset();
}

// ---- The thread. Not the event loop: a device may wait for a page there.

void* FaultHandler::ThreadMain(void* self) {
  FaultHandler& handler = *static_cast<FaultHandler*>(self);
  const absl::Status why = handler.Watch();
  if (!why.ok()) handler.Lose(why);
  return nullptr;
}

absl::Status FaultHandler::Watch() {
  // A hang-up is told without being asked for.
  pollfd fds[] = {{wake_.fd(), POLLIN, 0}, {socket_.get(), 0, 0}, {options_.end_fd, POLLIN, 0}};
  std::optional<absl::Time> deadline;
  while (true) {
    bool ending = fds[2].revents != 0;
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return absl::OkStatus();
      ending = ending || ending_;
    }
    if (ending && !deadline) {
      deadline = absl::Now() + kGrace;
      fds[2].fd = -1;  // it stays readable
    }
    if (deadline && absl::Now() >= *deadline) {
      return absl::CancelledError("the guest's memory is given up: firn ends");
    }
    if (poll(fds, std::size(fds), MillisecondsUntil(deadline)) < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "poll of the page fault handler");
    }
    if (fds[0].revents != 0) wake_.Take();
    if (fds[1].revents != 0) return OnHangUp();
  }
}

absl::Status FaultHandler::OnHangUp() {
  const absl::StatusOr<PageSet> there = OwnPages(memory_);
  if (!there.ok()) return Annotate(there.status(), "what a page fault handler left");
  const uint64_t missing = there->pages() - there->Count();
  if (missing > 0) {
    return Suggest(
        absl::UnavailableError(absl::StrCat(
            "the page fault handler at ", path_, " is gone (it closed its socket), and ", missing,
            " of ", there->pages(), " pages of the guest's memory were still to come")),
        "see why it ended, start it again and load the snapshot into a new firn");
  }
  for (const GuestMemoryRegion& region : memory_.regions()) {
    absl::Status status = userfault_.Unregister({region.host, region.range.size()});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void FaultHandler::Lose(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    status_ = why;
  }
  if (options_.on_lost) options_.on_lost(why);
  for (const GuestMemoryRegion& region : memory_.regions()) {
    const absl::Span<std::byte> range(region.host, region.range.size());
    if (!lost_.Replace(range)) LostMemory::Close(range);
    // Who waits tries again, and gets what is there now. All who wait do so since before: nobody
    // begins to in a mapping that is gone. The handler may have another copy of the userfaultfd, so
    // closing this one would wake nobody.
    userfault_.Wake(range).IgnoreError();
  }
}

}  // namespace firn
