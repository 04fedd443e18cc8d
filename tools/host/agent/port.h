// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#ifndef FIRN_TOOLS_HOST_AGENT_PORT_H_
#define FIRN_TOOLS_HOST_AGENT_PORT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace agent {

// Powers the machine off; `why` is in the kernel log.
[[noreturn]] void PowerOff(const char* why);

// Four bytes, little-endian.
std::string Number32(uint32_t value);

// The virtio-serial port to tools/arm64-host, and the frames in it (main.cc). Where the other side
// is gone, each of them powers off.
class Port {
 public:
  // Waits for the port, and for the other side.
  void Open();

  int fd() const { return fd_; }

  // Waits until the frame is on its way.
  void Send(char type, std::string_view payload);

  // Takes what has arrived, for Next.
  void Receive();

  // The next whole frame; false if there is none yet.
  bool Next(char* type, std::string* payload);

 private:
  // Waits for `events`; whether the other side is not there.
  bool HungUp(short events, int timeout) const;

  int fd_ = -1;
  std::string received_;
};

}  // namespace agent

#endif  // FIRN_TOOLS_HOST_AGENT_PORT_H_
