// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/console/console_device.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "devices/little_endian.h"
#include "devices/virtio/chain_io.h"
#include "devices/virtio/console/console_state.pb.h"
#include "devices/virtio/serve_queue.h"

namespace firn::virtio {

ConsoleDevice::ConsoleDevice(ByteSink& output, std::function<void()> on_input_room)
    : output_(output), on_input_room_(std::move(on_input_room)) {}

void ConsoleDevice::ReadConfig(uint64_t offset, absl::Span<std::byte> data) const {
  CopyFrom({}, offset, data);
}

void ConsoleDevice::Activate(ActiveQueues queues) {
  absl::MutexLock lock(&mutex_);
  queues_ = std::move(queues);
}

void ConsoleDevice::Reset() {
  absl::MutexLock lock(&mutex_);
  queues_ = ActiveQueues();
  guest_has_written_ = false;
  transmitted_ = 0;
}

std::vector<std::optional<QueuePosition>> ConsoleDevice::QueuePositions() const {
  absl::MutexLock lock(&mutex_);
  return queues_.positions();
}

std::string ConsoleDevice::SaveDevice() const {
  absl::MutexLock lock(&mutex_);
  state::Console state;
  state.set_guest_has_written(guest_has_written_);
  state.set_input_waits(input_waits_);
  state.set_transmitted(transmitted_);
  return state.SerializeAsString();
}

absl::Status ConsoleDevice::RestoreDevice(std::string_view state, ActiveQueues queues) {
  state::Console saved;
  if (!saved.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    return absl::InvalidArgumentError("the state of a console device is malformed");
  }
  absl::MutexLock lock(&mutex_);
  queues_ = std::move(queues);
  guest_has_written_ = saved.guest_has_written();
  input_waits_ = saved.input_waits();
  transmitted_ = saved.transmitted();
  return absl::OkStatus();
}

bool ConsoleDevice::OnQueueNotify(uint16_t queue) {
  bool more = false;
  bool has_room = false;
  {
    absl::MutexLock lock(&mutex_);
    if (queue == kTransmitQueue) more = Transmit();
    if (ReceiveQueue() != nullptr) has_room = std::exchange(input_waits_, false);
  }
  if (has_room && on_input_room_) on_input_room_();
  return more;
}

bool ConsoleDevice::Transmit() {
  return ServeQueue(
      queues_, kTransmitQueue, counters_,
      [this](const DescriptorChain& chain) -> absl::StatusOr<std::optional<uint32_t>> {
        if (!TransmitChain(chain)) return std::nullopt;
        return 0;
      });
}

bool ConsoleDevice::TransmitChain(const DescriptorChain& chain) {
  guest_has_written_ = guest_has_written_ || chain.readable_size() != 0;
  uint64_t skip = transmitted_;
  for (absl::Span<const std::byte> bytes : chain.readable()) {
    const size_t done = std::min<uint64_t>(skip, bytes.size());
    skip -= done;
    bytes.remove_prefix(done);
    const size_t taken = output_.Offer(bytes);
    counters_.bytes_written.Add(taken);
    transmitted_ += taken;
    if (taken < bytes.size()) return false;
  }
  transmitted_ = 0;
  return true;
}

size_t ConsoleDevice::OfferInput(absl::Span<const std::byte> data) {
  absl::MutexLock lock(&mutex_);
  Virtqueue* receive = ReceiveQueue();
  size_t taken = 0;
  while (receive != nullptr && taken < data.size()) {
    absl::StatusOr<std::optional<DescriptorChain>> chain = receive->Pop();
    absl::Status failure = chain.status();
    if (chain.ok() && *chain && (*chain)->writable_size() == 0) {
      failure = absl::InvalidArgumentError("a console receive buffer that is not writable");
    }
    if (!failure.ok()) {
      counters_.errors.Add();
      queues_.Fail(failure);
      receive = nullptr;
      break;
    }
    if (!*chain) {
      if (receive->EnableNotifications()) continue;
      break;
    }
    const size_t part = std::min<size_t>(data.size() - taken, (*chain)->writable_size());
    CopyToChain(**chain, 0, data.subspan(taken, part));
    receive->Return(*std::move(*chain), static_cast<uint32_t>(part));
    counters_.requests.Add();
    taken += part;
  }
  counters_.bytes_read.Add(taken);
  input_waits_ = taken < data.size();
  if (receive != nullptr) queues_.NotifyUsed(*receive);
  return taken;
}

}  // namespace firn::virtio
