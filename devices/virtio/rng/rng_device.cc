// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/rng/rng_device.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "devices/little_endian.h"
#include "devices/virtio/chain_io.h"
#include "devices/virtio/serve_queue.h"

namespace firn::virtio {

void RngDevice::ReadConfig(uint64_t offset, absl::Span<std::byte> data) const {
  CopyFrom({}, offset, data);
}

void RngDevice::Activate(ActiveQueues queues) {
  absl::MutexLock lock(&mutex_);
  queues_ = std::move(queues);
}

void RngDevice::Reset() {
  absl::MutexLock lock(&mutex_);
  queues_ = ActiveQueues();
}

std::vector<std::optional<QueuePosition>> RngDevice::QueuePositions() const {
  absl::MutexLock lock(&mutex_);
  return queues_.positions();
}

// Entropy is not the guest's to keep: a restored one draws anew.
std::string RngDevice::SaveDevice() const { return {}; }

absl::Status RngDevice::RestoreDevice(std::string_view state, ActiveQueues queues) {
  if (!state.empty()) {
    return absl::InvalidArgumentError("an entropy device has no state of its own");
  }
  Activate(std::move(queues));
  return absl::OkStatus();
}

bool RngDevice::OnQueueNotify(uint16_t queue) {
  absl::MutexLock lock(&mutex_);
  return ServeQueue(queues_, queue, counters_, [this](const DescriptorChain& chain) {
    mutex_.AssertHeld();
    return Serve(chain);
  });
}

absl::StatusOr<uint32_t> RngDevice::Serve(const DescriptorChain& chain) {
  if (chain.writable_size() == 0) {
    return absl::InvalidArgumentError("an entropy request without room for an answer");
  }
  uint32_t written = 0;
  for (const iovec& part : WritableSlice(chain, 0, kMaxBytes)) {
    auto* const to = static_cast<std::byte*>(part.iov_base);
    for (size_t done = 0; done < part.iov_len;) {
      // Not straight into guest memory: a system call that meets a page that is lost fails.
      std::array<std::byte, 512> bytes;
      const size_t size = std::min(bytes.size(), part.iov_len - done);
      // A source that fails has no answer that a driver would understand: section 5.4.6.2 asks for
      // one byte at least.
      const absl::Status filled = entropy_.Fill(absl::MakeSpan(bytes).first(size));
      if (!filled.ok()) return filled;
      std::memcpy(to + done, bytes.data(), size);
      done += size;
    }
    written += static_cast<uint32_t>(part.iov_len);
  }
  counters_.bytes_read.Add(written);
  return written;
}

}  // namespace firn::virtio
