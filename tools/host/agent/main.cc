// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
//
// Process 1 of the emulated arm64 host, after the init script: runs commands for tools/arm64-host.
//
// It talks to the other side over one virtio-serial port. Each way the stream is made of frames: a
// type (1 byte), the payload's length (4 bytes, little-endian), the payload.
//
//   to the agent
//     R  run a command: strings, each with a NUL behind it: "pipe" or "tty", rows, columns, working
//        folder, number of arguments, the arguments, the environment. One command at a time.
//     I  bytes for its standard input; none at all: its end
//     W  "ROWS\0COLUMNS\0": the terminal's size
//     S  1 byte: a signal for the command's process group
//     K  kills every process
//   from the agent
//     H  it is ready; payload: empty, or why /dev/kvm cannot create a VM
//     O  bytes of standard output (of the terminal, with "tty")
//     E  bytes of standard error
//     A  4 bytes, little-endian: so many bytes of standard input were passed on
//     X  4 bytes, little-endian: the command's wait status; all that it wrote was sent before
//
// What a command leaves running goes on; nobody reads what it writes then. The host powers off when
// the other side is gone.

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>

#include "tools/host/agent/command.h"
#include "tools/host/agent/port.h"
#include "tools/host/agent/request.h"

namespace agent {
namespace {

class Agent {
 public:
  [[noreturn]] void Run() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    port_.Open();
    port_.Send('H', KvmProblem());
    for (;;) {
      std::array<pollfd, 5> wait = {{{port_.fd(), POLLIN, 0},
                                     {children, POLLIN, 0},
                                     {command_.out(), POLLIN, 0},
                                     {command_.error(), POLLIN, 0},
                                     {command_.pending_in(), POLLOUT, 0}}};
      if (poll(wait.data(), wait.size(), -1) < 0) continue;
      if (wait[2].revents != 0) command_.ForwardOutput(&port_);
      if (wait[3].revents != 0) command_.ForwardError(&port_);
      if (wait[4].revents != 0) port_.Send('A', Number32(command_.PassInput()));
      if (wait[0].revents != 0) HandleFrames();
      if (wait[1].revents != 0) Reap(children);
    }
  }

 private:
  static std::string KvmProblem() {
    const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) return strerror(errno);
    std::string problem;
    const int vm = ioctl(fd, KVM_CREATE_VM, 0);
    if (vm < 0) problem = std::string("KVM_CREATE_VM: ") + strerror(errno);
    close(vm);
    close(fd);
    return problem;
  }

  void HandleFrames() {
    char type = 0;
    std::string payload;
    port_.Receive();
    while (port_.Next(&type, &payload)) Handle(type, payload);
  }

  void Handle(char type, const std::string& payload) {
    switch (type) {
      case 'R':
        Start(payload);
        return;
      case 'I':
        if (!command_.running()) return;
        command_.TakeInput(payload);
        return;
      case 'W': {
        winsize size;
        if (ParseWindowSize(payload, &size)) command_.Resize(size);
        return;
      }
      case 'S':
        if (command_.running() && payload.size() == 1) kill(-command_.pid(), payload[0]);
        return;
      case 'K':
        kill(-1, SIGKILL);
        return;
      default:
        PowerOff("a frame of unknown type");
    }
  }

  void Start(const std::string& payload) {
    Request request;
    if (command_.running() || !ParseRequest(payload, &request)) PowerOff("a bad request");
    if (!command_.Start(request)) PowerOff("cannot start a process");
  }

  // As process 1 it is everybody's parent in the end.
  void Reap(int children) {
    signalfd_siginfo info;
    while (read(children, &info, sizeof(info)) > 0) {
    }
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == command_.pid()) command_.Finish(status, &port_);
    }
  }

  Port port_;
  Command command_;
};

}  // namespace
}  // namespace agent

int main() { agent::Agent().Run(); }
