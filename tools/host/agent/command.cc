// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tools/host/agent/command.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace agent {
namespace {

constexpr size_t kChunk = 32 << 10;
// More than a pipe or a terminal holds.
constexpr size_t kPipeSize = 256 << 10;
constexpr char kEndOfTransmission = 4;

// Both ends of what a command reads from and writes to: {for reading, for writing}.
struct Channels {
  std::array<int, 2> in = {-1, -1};
  std::array<int, 2> out = {-1, -1};
  std::array<int, 2> error = {-1, -1};
};

bool OpenPipes(Channels* channels) {
  return pipe2(channels->in.data(), O_CLOEXEC) == 0 &&
         pipe2(channels->out.data(), O_CLOEXEC) == 0 &&
         pipe2(channels->error.data(), O_CLOEXEC) == 0;
}

bool OpenTerminal(const winsize& size, Channels* channels) {
  const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ours < 0 || grantpt(ours) != 0 || unlockpt(ours) != 0) return false;
  ioctl(ours, TIOCSWINSZ, &size);
  const int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (theirs < 0) return false;
  channels->in = {theirs, ours};
  channels->out = {ours, theirs};
  channels->error = {-1, theirs};
  return true;
}

[[noreturn]] void BecomeCommand(const Request& request, const Channels& channels) {
  setsid();
  if (request.terminal) ioctl(channels.in[0], TIOCSCTTY, 0);
  dup2(channels.in[0], STDIN_FILENO);
  dup2(channels.out[1], STDOUT_FILENO);
  dup2(channels.error[1], STDERR_FILENO);
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  Execute(request);
}

}  // namespace

bool Command::Start(const Request& request) {
  Channels channels;
  terminal_ = request.terminal;
  if (!(terminal_ ? OpenTerminal(request.size, &channels) : OpenPipes(&channels))) return false;
  pid_ = fork();
  if (pid_ < 0) return false;
  if (pid_ == 0) BecomeCommand(request, channels);
  close(channels.in[0]);
  if (!terminal_) {
    close(channels.out[1]);
    close(channels.error[1]);
  }
  in_ = channels.in[1];
  out_ = channels.out[0];
  error_ = channels.error[0];
  for (const int fd : {in_, out_, error_}) {
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  input_.clear();
  input_ended_ = false;
  return true;
}

void Command::TakeInput(const std::string& bytes) {
  if (bytes.empty()) input_ended_ = true;
  input_ += bytes;
  if (input_ended_ && input_.empty()) EndInput();
}

size_t Command::PassInput() {
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

void Command::ForwardOutput(Port* port) { Forward(out_, 'O', port); }

void Command::ForwardError(Port* port) { Forward(error_, 'E', port); }

void Command::Finish(int status, Port* port) {
  // What it wrote itself is in the pipes; a process that it left behind may write on for ever.
  for (size_t sent = 0, more = 1; out_ >= 0 && more > 0 && sent < kPipeSize; sent += more) {
    more = Forward(out_, 'O', port);
  }
  for (size_t sent = 0, more = 1; error_ >= 0 && more > 0 && sent < kPipeSize; sent += more) {
    more = Forward(error_, 'E', port);
  }
  pid_ = -1;
  EndInput();
  CloseOutput(out_);
  CloseOutput(error_);
  port->Send('X', Number32(static_cast<uint32_t>(status)));
}

void Command::Resize(winsize size) const {
  if (running() && terminal_ && out_ >= 0) ioctl(out_, TIOCSWINSZ, &size);
}

size_t Command::Forward(int fd, char type, Port* port) {
  std::array<char, kChunk> chunk;
  const ssize_t size = read(fd, chunk.data(), chunk.size());
  if (size > 0) {
    port->Send(type, {chunk.data(), static_cast<size_t>(size)});
    return static_cast<size_t>(size);
  }
  // (The end of a terminal is EIO.)
  if (size == 0 || (errno != EAGAIN && errno != EINTR)) CloseOutput(fd);
  return 0;
}

void Command::EndInput() {
  if (in_ >= 0 && in_ != out_) {
    close(in_);
  } else if (in_ >= 0 && running() && write(in_, &kEndOfTransmission, 1) < 0) {
    return;
  }
  in_ = -1;
}

void Command::CloseOutput(int fd) {
  if (fd < 0) return;
  close(fd);
  if (fd == in_) in_ = -1;
  if (fd == out_) out_ = -1;
  if (fd == error_) error_ = -1;
}

}  // namespace agent
