// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tools/host/agent/request.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace agent {
namespace {

// What a shell says of a command that it cannot find, or cannot execute.
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

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

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

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

bool ParseWindowSize(const std::string& payload, winsize* size) {
  const std::vector<std::string> strings = Strings(payload);
  if (strings.size() != 2) return false;
  *size = WindowSize(strings[0], strings[1]);
  return true;
}

// Not execvp, which takes a program of another architecture for a shell script.
void Execute(const Request& request) {
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

}  // namespace agent
