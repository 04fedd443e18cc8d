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
// What a command leaves running goes on; its output then goes nowhere. The host powers off when the
// other side is gone.

#include <fcntl.h>
#include <glob.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Port 1 of the only virtio-serial device, whichever number that has among the virtio devices.
constexpr char kPort[] = "/dev/vport*p1";
constexpr size_t kHeaderSize = 5;
constexpr size_t kMaxPayload = 1 << 20;
constexpr size_t kChunk = 32 << 10;
constexpr int kPortAttempts = 5000;
constexpr useconds_t kPortInterval = 2000;
// What a shell says of a command that it cannot find, or cannot execute.
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

[[noreturn]] void PowerOff(const char* why) {
  std::fprintf(stderr, "arm64-host agent: %s\n", why);
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

std::string Number32(uint32_t value) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

// The port, and the frames in it. Any failure means that the other side is gone: power off.
class Port {
 public:
  void Open() {
    for (int attempt = 0; fd_ < 0 && attempt < kPortAttempts; ++attempt) {
      glob_t found;
      if (glob(kPort, 0, nullptr, &found) == 0) {
        fd_ = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC | O_NONBLOCK);
      }
      globfree(&found);
      if (fd_ < 0) usleep(kPortInterval);
    }
    if (fd_ < 0) PowerOff("the virtio-serial port did not appear");
    for (int attempt = 0; HungUp(POLLOUT, 0); ++attempt) {
      if (attempt == kPortAttempts) PowerOff("nobody is at the other side of the port");
      usleep(kPortInterval);
    }
  }

  int fd() const { return fd_; }

  void Send(char type, std::string_view payload) {
    std::string frame(1, type);
    frame += Number32(static_cast<uint32_t>(payload.size()));
    frame += payload;
    std::string_view rest = frame;
    while (!rest.empty()) {
      const ssize_t written = write(fd_, rest.data(), rest.size());
      if (written > 0) {
        rest.remove_prefix(static_cast<size_t>(written));
      } else if (errno == EAGAIN) {
        if (HungUp(POLLOUT, -1)) PowerOff("the other side of the port is gone");
      } else if (errno != EINTR) {
        PowerOff("the port cannot be written");
      }
    }
  }

  // Takes what has arrived. Frames are then returned by Next.
  void Receive() {
    std::array<char, kChunk> chunk;
    const ssize_t size = read(fd_, chunk.data(), chunk.size());
    if (size > 0) {
      received_.append(chunk.data(), static_cast<size_t>(size));
    } else if (size == 0) {
      PowerOff("the other side of the port is gone");
    } else if (errno != EAGAIN && errno != EINTR) {
      PowerOff("the port cannot be read");
    }
  }

  bool Next(char* type, std::string* payload) {
    if (received_.size() < kHeaderSize) return false;
    uint32_t size = 0;
    for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<uint8_t>(received_[1 + i]);
    if (size > kMaxPayload) PowerOff("a frame is too long");
    if (received_.size() < kHeaderSize + size) return false;
    *type = received_[0];
    *payload = received_.substr(kHeaderSize, size);
    received_.erase(0, kHeaderSize + size);
    return true;
  }

 private:
  // Waits for `events`; whether the other side is not there.
  bool HungUp(short events, int timeout) const {
    pollfd wait = {fd_, events, 0};
    return poll(&wait, 1, timeout) > 0 && (wait.revents & POLLHUP) != 0;
  }

  int fd_ = -1;
  std::string received_;
};

// What frame R asks for.
struct Request {
  bool terminal = false;
  winsize size = {};
  std::string folder;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

std::vector<std::string> Strings(const std::string& payload) {
  std::vector<std::string> strings;
  for (size_t start = 0; start < payload.size();) {
    strings.emplace_back(payload.c_str() + start);
    start += strings.back().size() + 1;
  }
  return strings;
}

winsize WindowSize(const std::string& rows, const std::string& columns) {
  winsize size = {};
  size.ws_row = static_cast<uint16_t>(std::atoi(rows.c_str()));
  size.ws_col = static_cast<uint16_t>(std::atoi(columns.c_str()));
  return size;
}

bool ParseRequest(const std::string& payload, Request* request) {
  constexpr size_t kFixed = 5;
  const std::vector<std::string> strings = Strings(payload);
  if (strings.size() <= kFixed) return false;
  const size_t count = std::strtoul(strings[4].c_str(), nullptr, 10);
  if (count == 0 || count > strings.size() - kFixed) return false;
  const auto arguments = strings.begin() + kFixed;
  request->terminal = strings[0] == "tty";
  request->size = WindowSize(strings[1], strings[2]);
  request->folder = strings[3];
  request->arguments.assign(arguments, arguments + static_cast<std::ptrdiff_t>(count));
  request->environment.assign(arguments + static_cast<std::ptrdiff_t>(count), strings.end());
  return true;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In the child: becomes the command, or says why not. Not execvp, which takes a program of another
// architecture for a shell script.
[[noreturn]] void Execute(const Request& request) {
  const std::vector<char*> arguments = Pointers(request.arguments);
  const std::vector<char*> environment = Pointers(request.environment);
  const std::string& name = request.arguments[0];
  std::string path = "/bin";
  for (const std::string& entry : request.environment) {
    if (entry.rfind("PATH=", 0) == 0) path = entry.substr(5);
  }
  int error = ENOENT;
  if (chdir(request.folder.c_str()) != 0) {
    error = errno;
    std::fprintf(stderr, "%s: %s\n", request.folder.c_str(), strerror(error));
    _exit(kNotExecutable);
  }
  if (name.find('/') != std::string::npos) {
    execve(name.c_str(), arguments.data(), environment.data());
    error = errno;
  } else {
    for (size_t start = 0; start <= path.size();) {
      const size_t end = std::min(path.find(':', start), path.size());
      const std::string file = path.substr(start, end - start) + "/" + name;
      execve(file.c_str(), arguments.data(), environment.data());
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
      start = end + 1;
    }
  }
  std::fprintf(stderr, "%s: %s%s\n", name.c_str(), strerror(error),
               error == ENOEXEC ? ": neither an arm64 program nor a script with #!" : "");
  _exit(error == ENOENT ? kNotFound : kNotExecutable);
}

// One command and its pipes, or its terminal.
class Command {
 public:
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  int out() const { return out_; }
  int error() const { return error_; }
  // The end that takes its input, if some is waiting.
  int pending_in() const { return input_.empty() ? -1 : in_; }

  bool Start(const Request& request) {
    terminal_ = request.terminal;
    std::array<int, 2> in, out, error = {-1, -1};
    if (terminal_) {
      const int main = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      if (main < 0 || grantpt(main) != 0 || unlockpt(main) != 0) return false;
      ioctl(main, TIOCSWINSZ, &request.size);
      const int side = open(ptsname(main), O_RDWR | O_NOCTTY | O_CLOEXEC);
      in = {side, main};
      out = {main, side};
    } else if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0 ||
               pipe2(error.data(), O_CLOEXEC) != 0) {
      return false;
    }
    pid_ = fork();
    if (pid_ < 0) return false;
    if (pid_ == 0) {
      setsid();
      if (terminal_) ioctl(in[0], TIOCSCTTY, 0);
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(terminal_ ? out[1] : error[1], STDERR_FILENO);
      std::signal(SIGPIPE, SIG_DFL);
      sigset_t none;
      sigemptyset(&none);
      sigprocmask(SIG_SETMASK, &none, nullptr);
      Execute(request);
    }
    close(in[0]);
    if (!terminal_) {
      close(out[1]);
      close(error[1]);
    }
    in_ = in[1];
    out_ = out[0];
    error_ = error[0];
    for (const int fd : {in_, out_, error_}) {
      if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    input_.clear();
    input_ended_ = false;
    return true;
  }

  void TakeInput(const std::string& bytes) {
    if (bytes.empty()) input_ended_ = true;
    input_ += bytes;
    if (input_ended_ && input_.empty()) EndInput();
  }

  // Passes input on; returns how many bytes are dealt with. A command that closed its input gets
  // none.
  size_t PassInput() {
    size_t done = input_.size();
    if (in_ >= 0) {
      const ssize_t written = write(in_, input_.data(), input_.size());
      if (written < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
      if (written >= 0) done = static_cast<size_t>(written);
    }
    input_.erase(0, done);
    if (input_ended_ && input_.empty()) EndInput();
    return done;
  }

  // Sends what `fd` has as frames of `type`, one chunk or all of it; closes it at its end.
  void Forward(int fd, char type, bool all, Port* port) {
    std::array<char, kChunk> chunk;
    do {
      const ssize_t size = read(fd, chunk.data(), chunk.size());
      if (size > 0) {
        port->Send(type, {chunk.data(), static_cast<size_t>(size)});
      } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
      } else {
        CloseOutput(fd);
        return;
      }
    } while (all);
  }

  void Finish(int status, Port* port) {
    if (out_ >= 0) Forward(out_, 'O', true, port);
    if (error_ >= 0) Forward(error_, 'E', true, port);
    CloseOutput(out_);
    CloseOutput(error_);
    EndInput();
    pid_ = -1;
    port->Send('X', Number32(static_cast<uint32_t>(status)));
  }

  void Resize(winsize size) const {
    if (running() && terminal_) ioctl(in_, TIOCSWINSZ, &size);
  }

 private:
  void EndInput() {
    if (in_ >= 0 && terminal_ && running()) {
      constexpr char kEndOfTransmission = 4;
      if (write(in_, &kEndOfTransmission, 1) < 0) return;
    } else if (in_ >= 0) {
      if (in_ != out_) close(in_);
    }
    in_ = -1;
  }

  void CloseOutput(int fd) {
    if (fd < 0) return;
    close(fd);
    if (fd == in_) in_ = -1;
    if (fd == out_) out_ = -1;
    if (fd == error_) error_ = -1;
  }

  bool terminal_ = false;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int error_ = -1;
  std::string input_;
  bool input_ended_ = false;
};

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
      if (wait[2].revents != 0) command_.Forward(wait[2].fd, 'O', false, &port_);
      if (wait[3].revents != 0) command_.Forward(wait[3].fd, 'E', false, &port_);
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
        const std::vector<std::string> size = Strings(payload);
        if (size.size() == 2) command_.Resize(WindowSize(size[0], size[1]));
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

int main() { Agent().Run(); }
