// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#ifndef FIRN_TOOLS_HOST_AGENT_COMMAND_H_
#define FIRN_TOOLS_HOST_AGENT_COMMAND_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "tools/host/agent/port.h"
#include "tools/host/agent/request.h"

namespace agent {

// The command that runs, if one does, with its pipes or its terminal.
class Command {
 public:
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

  // What to wait for: output to forward, and input that is to be passed on. -1: nothing.
  int out() const { return out_; }
  int error() const { return error_; }
  int pending_in() const { return input_.empty() ? -1 : in_; }

  // Starts it; false if there is no process or pipe for it.
  bool Start(const Request& request);

  // Takes bytes for its input; none: the end.
  void TakeInput(const std::string& bytes);

  // Passes input on; returns how many bytes are dealt with. What a command does not want counts
  // too.
  size_t PassInput();

  // Sends a chunk of what it wrote; closes that at its end.
  void ForwardOutput(Port* port);
  void ForwardError(Port* port);

  // After its end: sends the rest of what it wrote, and its wait status.
  void Finish(int status, Port* port);

  void Resize(winsize size) const;

 private:
  // Returns how many bytes were sent.
  size_t Forward(int fd, char type, Port* port);
  void EndInput();
  void CloseOutput(int fd);

  bool terminal_ = false;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int error_ = -1;
  std::string input_;
  bool input_ended_ = false;
};

}  // namespace agent

#endif  // FIRN_TOOLS_HOST_AGENT_COMMAND_H_
