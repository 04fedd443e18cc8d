// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tools/host/agent/port.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace agent {
namespace {

// Port 1 of the only virtio-serial device, whichever number that has among the virtio devices.
constexpr char kPort[] = "/dev/vport*p1";
constexpr size_t kHeaderSize = 5;
constexpr size_t kMaxPayload = 1 << 20;
constexpr size_t kChunk = 32 << 10;
constexpr int kAttempts = 5000;
constexpr useconds_t kInterval = 2000;

}  // namespace

void PowerOff(const char* why) {
  std::fprintf(stderr, "arm64-host agent: %s\n", why);
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

std::string Number32(uint32_t value) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

void Port::Open() {
  for (int attempt = 0; fd_ < 0 && attempt < kAttempts; ++attempt) {
    glob_t found;
    if (glob(kPort, 0, nullptr, &found) == 0) {
      fd_ = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC | O_NONBLOCK);
    }
    globfree(&found);
    if (fd_ < 0) usleep(kInterval);
  }
  if (fd_ < 0) PowerOff("the virtio-serial port did not appear");
  for (int attempt = 0; HungUp(POLLOUT, 0); ++attempt) {
    if (attempt == kAttempts) PowerOff("nobody is at the other side of the port");
    usleep(kInterval);
  }
}

void Port::Send(char type, std::string_view payload) {
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

void Port::Receive() {
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

bool Port::Next(char* type, std::string* payload) {
  if (received_.size() < kHeaderSize) return false;
  uint32_t size = 0;
  for (int i = 4; i >= 1; --i) size = size << 8 | static_cast<uint8_t>(received_[i]);
  if (size > kMaxPayload) PowerOff("a frame is too long");
  if (received_.size() < kHeaderSize + size) return false;
  *type = received_[0];
  *payload = received_.substr(kHeaderSize, size);
  received_.erase(0, kHeaderSize + size);
  return true;
}

bool Port::HungUp(short events, int timeout) const {
  pollfd wait = {fd_, events, 0};
  return poll(&wait, 1, timeout) > 0 && (wait.revents & POLLHUP) != 0;
}

}  // namespace agent
