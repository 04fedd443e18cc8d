// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/commands/clones.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"
#include "vmm/base/exit_status.h"

namespace firn {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
// A line that is longer comes out in parts.
constexpr size_t kLongestLine = 64 * 1024;

// One stream of one clone, by lines.
class Lines {
 public:
  Lines(FileDescriptor from, int to, std::string prefix)
      : from_(std::move(from)), to_(to), prefix_(std::move(prefix)) {}

  int fd() const { return from_.get(); }
  bool is_open() const { return from_.is_valid(); }

  // There is something to read, or the end.
  void OnReadable() {
    std::array<char, 4096> buffer;
    const ssize_t size = read(from_.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size > 0) partial_.append(buffer.data(), static_cast<size_t>(size));
    size_t end = 0;
    while ((end = partial_.find('\n')) != std::string::npos) {
      Write(std::string_view(partial_).substr(0, end + 1));
      partial_.erase(0, end + 1);
    }
    const bool is_end = size <= 0;
    if (partial_.size() > kLongestLine || (is_end && !partial_.empty())) {
      Write(absl::StrCat(partial_, "\n"));
      partial_.clear();
    }
    if (is_end) from_ = FileDescriptor();
  }

 private:
  // A single write, so that lines stay whole.
  void Write(std::string_view line) const {
    const std::string text = absl::StrCat(prefix_, line);
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t size = write(to_, text.data() + done, text.size() - done);
      if (size < 0 && errno == EINTR) continue;
      // Nobody reads any more. The clones run on: they are asked to end by a signal.
      if (size <= 0) return;
      done += static_cast<size_t>(size);
    }
  }

  FileDescriptor from_;
  const int to_;
  const std::string prefix_;
  std::string partial_;
};

struct Clone {
  pid_t pid = -1;
  int exit_status = 0;
};

sigset_t ForwardedSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kForwarded) sigaddset(&set, signal);
  return set;
}

class Clones {
 public:
  ~Clones() {
    // After an error: no process is left.
    for (const Clone& clone : clones_) {
      if (clone.pid > 0) kill(clone.pid, SIGKILL);
    }
    for (Clone& clone : clones_) Wait(clone);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  }

  absl::Status Begin() {
    const sigset_t set = ForwardedSet();
    sigprocmask(SIG_BLOCK, &set, &old_mask_);
    signals_ = FileDescriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    return signals_.get() < 0 ? ErrnoStatus(errno, "signalfd") : absl::OkStatus();
  }

  absl::Status Start(uint64_t number, absl::FunctionRef<int(uint64_t)> run) {
    std::array<FileDescriptor, 4> ends;  // read and write of stdout, and of stderr
    for (const size_t stream : {0, 2}) {
      int fds[2];
      if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, absl::StrCat("clone ", number));
      ends[stream] = FileDescriptor(fds[0]);
      ends[stream + 1] = FileDescriptor(fds[1]);
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return ErrnoStatus(errno, absl::StrCat("fork of clone ", number));
    if (pid == 0) _exit(BeClone(parent, ends[1].get(), ends[3].get(), number, run));
    clones_.push_back({pid, 0});
    const std::string prefix = absl::StrCat("[", number, "] ");
    lines_.emplace_back(std::move(ends[0]), STDOUT_FILENO, prefix);
    lines_.emplace_back(std::move(ends[2]), STDERR_FILENO, prefix);
    return absl::OkStatus();
  }

  int RunToTheEnd() {
    while (true) {
      std::vector<pollfd> polls = {{signals_.get(), POLLIN, 0}};
      for (const Lines& lines : lines_) polls.push_back({lines.fd(), POLLIN, 0});
      size_t open = 0;
      for (const Lines& lines : lines_) open += lines.is_open() ? 1 : 0;
      if (open == 0) break;
      if (poll(polls.data(), polls.size(), -1) < 0) continue;  // EINTR
      if (polls[0].revents != 0) Forward();
      for (size_t i = 0; i < lines_.size(); ++i) {
        if (polls[i + 1].revents != 0) lines_[i].OnReadable();
      }
    }
    int status = kExitPowerOff;
    for (Clone& clone : clones_) {
      Wait(clone);
      if (status == kExitPowerOff) status = clone.exit_status;
    }
    return status;
  }

 private:
  int BeClone(pid_t parent, int out, int err, uint64_t number,
              absl::FunctionRef<int(uint64_t)> run) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) return kExitError;
    lines_.clear();
    clones_.clear();
    signals_ = FileDescriptor();
    const FileDescriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (dup2(null.get(), STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0) {
      return kExitError;
    }
    close(out);
    close(err);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    return run(number);
  }

  void Forward() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      for (const Clone& clone : clones_) {
        if (clone.pid > 0) kill(clone.pid, static_cast<int>(info.ssi_signo));
      }
    }
  }

  static void Wait(Clone& clone) {
    if (clone.pid <= 0) return;
    int status = 0;
    while (waitpid(clone.pid, &status, 0) < 0 && errno == EINTR) {
    }
    clone.pid = -1;
    clone.exit_status =
        WIFSIGNALED(status) ? kExitSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
  }

  sigset_t old_mask_ = {};
  FileDescriptor signals_;
  std::vector<Clone> clones_;
  std::vector<Lines> lines_;
};

}  // namespace

absl::StatusOr<int> RunClones(uint64_t count, absl::FunctionRef<int(uint64_t)> run) {
  Clones clones;
  absl::Status status = clones.Begin();
  for (uint64_t number = 1; status.ok() && number <= count; ++number) {
    status = clones.Start(number, run);
  }
  if (!status.ok()) return status;
  return clones.RunToTheEnd();
}

}  // namespace firn
