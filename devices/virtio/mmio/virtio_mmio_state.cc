// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Save and Restore of the transport.
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "devices/state_field.h"
#include "devices/virtio/mmio/virtio_mmio.h"
#include "hypervisor/errno_status.h"

namespace firn::virtio {
namespace {

QueueSettings SettingsOf(const state::VirtioMmio::Queue& queue) {
  return {.size = queue.size(),
          .descriptor_table = queue.descriptor_table(),
          .avail_ring = queue.avail_ring(),
          .used_ring = queue.used_ring(),
          .ready = queue.ready()};
}

QueuePosition PositionOf(const state::VirtioMmio::Position& position) {
  return {.next_avail = static_cast<uint16_t>(position.next_avail()),
          .next_used = static_cast<uint16_t>(position.next_used()),
          .interrupted_used = static_cast<uint16_t>(position.interrupted_used()),
          .notifications_enabled = position.notifications_enabled()};
}

// Whether the driver set it up and is served.
bool IsInUse(const state::VirtioMmio& saved, const state::VirtioMmio::Queue& queue) {
  return queue.ready() && (saved.status() & kDriverOk) && !saved.needs_reset();
}

absl::Status CheckQueue(const state::VirtioMmio& saved, const state::VirtioMmio::Queue& queue) {
  if (queue.has_position() != IsInUse(saved, queue)) {
    return absl::InvalidArgumentError(queue.has_position()
                                          ? "position is there for a queue that is not in use"
                                          : "position is missing for a queue in use");
  }
  const state::VirtioMmio::Position& position = queue.position();
  absl::Status status =
      CheckBits({{"position.next_avail", position.next_avail(), 0xffff},
                 {"position.next_used", position.next_used(), 0xffff},
                 {"position.interrupted_used", position.interrupted_used(), 0xffff}});
  if (!status.ok()) return status;
  // Nobody would ever answer what a device had taken.
  if (position.next_used() != position.next_avail()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("position.next_used is %d and next_avail %d: all that was taken must have "
                        "been answered",
                        position.next_used(), position.next_avail()));
  }
  return absl::OkStatus();
}

// Section 3.1.1.
absl::Status CheckStatus(const state::VirtioMmio& saved) {
  for (const StatusStep& step : kStatusSteps) {
    if ((saved.status() & step.bit) && (saved.status() & step.after) != step.after) {
      return absl::InvalidArgumentError(
          absl::StrFormat("status is 0x%x: 0x%x without 0x%x, which has to come before",
                          saved.status(), step.bit, step.after));
    }
  }
  if (saved.needs_reset() && !(saved.status() & kDriverOk)) {
    return absl::InvalidArgumentError("needs_reset is set without DRIVER_OK in status");
  }
  return absl::OkStatus();
}

absl::Status CheckFeatures(const state::VirtioMmio& saved, uint64_t offered) {
  if (!(saved.status() & kDriver) && saved.driver_features() != 0) {
    return absl::InvalidArgumentError("driver_features is set without DRIVER in status");
  }
  if (!(saved.status() & kFeaturesOk)) return absl::OkStatus();
  if (!(saved.driver_features() & kFeatureVersion1)) {
    return absl::InvalidArgumentError("driver_features lacks VIRTIO_F_VERSION_1");
  }
  if (const uint64_t missing = saved.driver_features() & ~offered; missing != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("driver_features has 0x%x, which the guest's driver uses and this device "
                        "does not offer (it offers 0x%x)",
                        missing, offered));
  }
  return absl::OkStatus();
}

absl::Status CheckState(const state::VirtioMmio& saved, const VirtioDevice& device,
                        uint64_t offered) {
  if (saved.device_id() != static_cast<uint32_t>(device.type())) {
    return absl::FailedPreconditionError(
        absl::StrFormat("device_id is %d, but the device in this place is of type %d",
                        saved.device_id(), static_cast<uint32_t>(device.type())));
  }
  absl::Status status = CheckBits({{"status", saved.status(), kDriverStatusBits},
                                   {"interrupt_status", saved.interrupt_status(),
                                    kInterruptUsedBuffer | kInterruptConfigChange}});
  if (status.ok()) status = CheckStatus(saved);
  if (status.ok()) status = CheckFeatures(saved, offered);
  if (!status.ok()) return status;
  const size_t queues = device.queue_sizes().size();
  if (static_cast<size_t>(saved.queues_size()) != queues) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "queues has %d elements, but the device has %d", saved.queues_size(), queues));
  }
  for (int i = 0; i < saved.queues_size(); ++i) {
    status = CheckQueue(saved, saved.queues(i));
    if (!status.ok()) return Annotate(status, absl::StrCat("queues[", i, "]"));
  }
  return absl::OkStatus();
}

}  // namespace

state::VirtioMmio VirtioMmio::Save() const {
  absl::MutexLock lock(&mutex_);
  const std::vector<std::optional<QueuePosition>> positions = device_.QueuePositions();
  state::VirtioMmio saved;
  saved.set_device_id(static_cast<uint32_t>(device_.type()));
  saved.set_status(state_.status);
  saved.set_device_features_sel(state_.device_features_sel);
  saved.set_driver_features_sel(state_.driver_features_sel);
  saved.set_driver_features(state_.driver_features);
  saved.set_queue_sel(state_.queue_sel);
  {
    absl::MutexLock notify_lock(&notify_mutex_);
    saved.set_interrupt_status(interrupt_status_);
    saved.set_needs_reset(needs_reset_);
  }
  saved.set_config_generation(config_generation_);
  for (size_t i = 0; i < state_.queues.size(); ++i) {
    const QueueSettings& settings = state_.queues[i];
    state::VirtioMmio::Queue& queue = *saved.add_queues();
    queue.set_size(settings.size);
    queue.set_descriptor_table(settings.descriptor_table);
    queue.set_avail_ring(settings.avail_ring);
    queue.set_used_ring(settings.used_ring);
    queue.set_ready(settings.ready);
    if (i >= positions.size() || !positions[i]) continue;
    state::VirtioMmio::Position& position = *queue.mutable_position();
    position.set_next_avail(positions[i]->next_avail);
    position.set_next_used(positions[i]->next_used);
    position.set_interrupted_used(positions[i]->interrupted_used);
    position.set_notifications_enabled(positions[i]->notifications_enabled);
  }
  saved.set_device(device_.SaveDevice());
  return saved;
}

absl::StatusOr<std::unique_ptr<VirtioMmio>> VirtioMmio::Restore(GuestMemory& memory,
                                                                VirtioDevice& device,
                                                                InterruptLine& interrupt,
                                                                RegisterPage registers,
                                                                const state::VirtioMmio& saved) {
  absl::StatusOr<std::unique_ptr<VirtioMmio>> transport =
      Make(memory, device, interrupt, registers);
  if (!transport.ok()) return transport.status();
  absl::Status status = CheckState(saved, device, (*transport)->offered_features_);
  if (status.ok()) status = (*transport)->Load(saved);
  if (!status.ok()) return status;
  (*transport)->PublishAll();
  return transport;
}

absl::Status VirtioMmio::Load(const state::VirtioMmio& saved) {
  absl::MutexLock lock(&mutex_);
  state_.status = saved.status();
  state_.device_features_sel = saved.device_features_sel();
  state_.driver_features_sel = saved.driver_features_sel();
  state_.driver_features = saved.driver_features();
  state_.queue_sel = saved.queue_sel();
  for (size_t i = 0; i < state_.queues.size(); ++i) {
    state_.queues[i] = SettingsOf(saved.queues(static_cast<int>(i)));
  }
  config_generation_ = saved.config_generation();
  {
    absl::MutexLock notify_lock(&notify_mutex_);
    interrupt_status_ = saved.interrupt_status();
    needs_reset_ = saved.needs_reset();
    if (needs_reset_) {
      last_failure_ = absl::UnknownError("the driver broke the rules before the snapshot was made");
    }
  }
  std::vector<QueuePosition> positions;
  for (const state::VirtioMmio::Queue& queue : saved.queues()) {
    positions.push_back(PositionOf(queue.position()));
  }
  ActiveQueues active;
  if (state_.status & kDriverOk) {
    std::vector<std::optional<Virtqueue>> queues;
    // A driver that has to reset first is not served, and its rings may be anywhere.
    if (!saved.needs_reset()) {
      absl::StatusOr<std::vector<std::optional<Virtqueue>>> made = MakeQueues(positions);
      if (!made.ok()) return made.status();
      queues = *std::move(made);
    }
    active = ActiveQueues(state_.driver_features, std::move(queues), *this);
  }
  // Last: from here on the device knows this transport.
  return Annotate(device_.RestoreDevice(saved.device(), std::move(active)), "device");
}

}  // namespace firn::virtio
