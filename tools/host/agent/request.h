// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#ifndef FIRN_TOOLS_HOST_AGENT_REQUEST_H_
#define FIRN_TOOLS_HOST_AGENT_REQUEST_H_

#include <sys/ioctl.h>

#include <string>
#include <vector>

namespace agent {

// What frame R asks for.
struct Request {
  bool terminal = false;
  winsize size = {};
  std::string folder;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

bool ParseRequest(const std::string& payload, Request* request);

// What frame W tells; false if it is something else.
bool ParseWindowSize(const std::string& payload, winsize* size);

// In the child: becomes the command, or says on standard error why not and ends as a shell would.
[[noreturn]] void Execute(const Request& request);

}  // namespace agent

#endif  // FIRN_TOOLS_HOST_AGENT_REQUEST_H_
