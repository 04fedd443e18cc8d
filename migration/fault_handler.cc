// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/fault_handler.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

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
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
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

}  // namespace

absl::StatusOr<std::unique_ptr<FaultHandler>> FaultHandler::Connect(const std::string& path,
                                                                    const GuestMemory& memory) {
  absl::StatusOr<Userfault> userfault = Userfault::Create();
  if (!userfault.ok()) return userfault.status();
  absl::StatusOr<FileDescriptor> socket = ConnectTo(path);
  if (!socket.ok()) return socket.status();
  for (const GuestMemoryRegion& region : memory.regions()) {
    absl::Status status = userfault->Register(absl::MakeSpan(region.host, region.range.size()));
    if (!status.ok()) return status;
  }
  absl::Status status = Send(socket->get(), DescribeRegions(memory), userfault->fd());
  if (!status.ok()) return status;
  return absl::WrapUnique(new FaultHandler(*std::move(userfault), *std::move(socket)));
}

}  // namespace firn
