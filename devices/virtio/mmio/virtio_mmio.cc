// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/mmio/virtio_mmio.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "devices/little_endian.h"
#include "hypervisor/errno_status.h"

namespace firn::virtio {
namespace {

void SetLow(uint64_t& address, uint32_t value) { address = (address & ~0xffff'ffffull) | value; }
void SetHigh(uint64_t& address, uint32_t value) {
  address = (address & 0xffff'ffffull) | uint64_t{value} << 32;
}

uint32_t HalfOf(uint64_t features, uint32_t sel) {
  if (sel > 1) return 0;
  return static_cast<uint32_t>(features >> (32 * sel));
}

}  // namespace

absl::StatusOr<std::unique_ptr<VirtioMmio>> VirtioMmio::Make(GuestMemory& memory,
                                                             VirtioDevice& device,
                                                             InterruptLine& interrupt,
                                                             RegisterPage registers) {
  std::unique_ptr<VirtioMmio> transport(new VirtioMmio(memory, device, interrupt, registers));
  for (size_t i = 0; i < device.queue_sizes().size(); ++i) {
    absl::StatusOr<EventFd> event = EventFd::Create();
    if (!event.ok()) return Annotate(event.status(), "doorbell of a virtio queue");
    transport->queue_events_.push_back(std::make_unique<QueueEvent>(*std::move(event)));
  }
  return transport;
}

absl::StatusOr<std::unique_ptr<VirtioMmio>> VirtioMmio::Create(GuestMemory& memory,
                                                               VirtioDevice& device,
                                                               InterruptLine& interrupt,
                                                               RegisterPage registers) {
  absl::StatusOr<std::unique_ptr<VirtioMmio>> transport =
      Make(memory, device, interrupt, registers);
  if (transport.ok()) (*transport)->PublishAll();
  return transport;
}

VirtioMmio::VirtioMmio(GuestMemory& memory, VirtioDevice& device, InterruptLine& interrupt,
                       RegisterPage registers)
    : memory_(memory),
      device_(device),
      interrupt_(interrupt),
      offered_features_(device.features() | kCommonFeatures),
      registers_(registers) {
  state_.queues.resize(device.queue_sizes().size());
}

void VirtioMmio::OnQueueEvent(size_t queue) {
  QueueEvent& doorbell = *queue_events_[queue];
  const bool is_own = doorbell.is_own.exchange(false);
  const uint64_t signals = doorbell.event.Take();
  device_.counters().notifications.Add(signals - std::min<uint64_t>(signals, is_own ? 1 : 0));
  if (device_.OnQueueNotify(static_cast<uint16_t>(queue))) {
    doorbell.is_own.store(true);
    doorbell.event.Signal();
  }
}

void VirtioMmio::Read(uint64_t offset, absl::Span<std::byte> data) {
  registers_.Read(offset, data);
}

void VirtioMmio::Write(uint64_t offset, absl::Span<const std::byte> data) {
  // No device of firn has a writable configuration field.
  if (offset >= kMmioConfig || data.size() != 4 || offset % 4 != 0) {
    CountMisuse();
    return;
  }
  WriteRegister(static_cast<MmioRegister>(offset), static_cast<uint32_t>(LoadLittleEndian(data)));
}

uint32_t VirtioMmio::ValueOf(MmioRegister reg) const {
  switch (reg) {
    case MmioRegister::kMagicValue:
      return kMmioMagic;
    case MmioRegister::kVersion:
      return kMmioVersion;
    case MmioRegister::kDeviceId:
      return static_cast<uint32_t>(device_.type());
    case MmioRegister::kVendorId:
      return kMmioVendor;
    case MmioRegister::kDeviceFeatures:
      return HalfOf(offered_features_, state_.device_features_sel);
    case MmioRegister::kQueueNumMax:
      return state_.queue_sel < state_.queues.size() ? device_.queue_sizes()[state_.queue_sel] : 0;
    case MmioRegister::kQueueReady:
      return state_.queue_sel < state_.queues.size() && state_.queues[state_.queue_sel].ready;
    case MmioRegister::kStatus:
      return state_.status | (needs_reset_ ? kNeedsReset : 0);
    case MmioRegister::kInterruptStatus:
      return interrupt_status_;
    case MmioRegister::kShmLenLow:
    case MmioRegister::kShmLenHigh:
    case MmioRegister::kShmBaseLow:
    case MmioRegister::kShmBaseHigh:
      return ~uint32_t{0};
    case MmioRegister::kConfigGeneration:
      return config_generation_;
    default:  // QueueReset: not offered
      return 0;
  }
}

void VirtioMmio::PublishRegisters() {
  absl::MutexLock lock(&notify_mutex_);
  for (const MmioRegister reg : kReadableRegisters) registers_.Set(reg, ValueOf(reg));
}

void VirtioMmio::PublishAll() {
  RegisterPage::ConfigSpace config;
  device_.ReadConfig(0, absl::MakeSpan(config));
  absl::MutexLock lock(&mutex_);
  registers_.SetConfig(config);
  PublishRegisters();
}

void VirtioMmio::WriteRegister(MmioRegister reg, uint32_t value) {
  switch (reg) {
    case MmioRegister::kQueueNotify:
      if (value >= queue_events_.size()) {
        CountMisuse();
        return;
      }
      device_.counters().notifications.Add();
      if (device_.OnQueueNotify(static_cast<uint16_t>(value))) {
        queue_events_[value]->is_own.store(true);
        queue_events_[value]->event.Signal();
      }
      return;
    case MmioRegister::kInterruptAck:
      AcknowledgeInterrupt(value);
      return;
    default:
      absl::MutexLock lock(&mutex_);
      WriteLockedRegister(reg, value);
      PublishRegisters();
  }
}

void VirtioMmio::WriteLockedRegister(MmioRegister reg, uint32_t value) {
  switch (reg) {
    case MmioRegister::kDeviceFeaturesSel:
      state_.device_features_sel = value;
      return;
    case MmioRegister::kDriverFeaturesSel:
      state_.driver_features_sel = value;
      return;
    case MmioRegister::kDriverFeatures:
      WriteDriverFeatures(value);
      return;
    case MmioRegister::kQueueSel:
      state_.queue_sel = value;
      return;
    case MmioRegister::kStatus:
      WriteStatus(value);
      return;
    case MmioRegister::kQueueNum:
    case MmioRegister::kQueueReady:
    case MmioRegister::kQueueDescLow:
    case MmioRegister::kQueueDescHigh:
    case MmioRegister::kQueueDriverLow:
    case MmioRegister::kQueueDriverHigh:
    case MmioRegister::kQueueDeviceLow:
    case MmioRegister::kQueueDeviceHigh:
      WriteQueueRegister(reg, value);
      return;
    case MmioRegister::kShmSel:
      return;
    default:  // read-only, or no register
      CountMisuse();
      return;
  }
}

// The settings of a queue are the driver's from FEATURES_OK (or earlier, for drivers that do not
// care) to DRIVER_OK. From then on they stand until the reset: the device uses what was checked.
void VirtioMmio::WriteQueueRegister(MmioRegister reg, uint32_t value) {
  if (state_.queue_sel >= state_.queues.size() || (state_.status & kDriverOk)) {
    CountMisuse();
    return;
  }
  QueueSettings& queue = state_.queues[state_.queue_sel];
  if (reg == MmioRegister::kQueueReady) {
    queue.ready = (value & 1) != 0;
    return;
  }
  // Section 4.2.2.2: not while the queue is ready.
  if (queue.ready) {
    CountMisuse();
    return;
  }
  switch (reg) {
    case MmioRegister::kQueueNum:
      queue.size = value;
      return;
    case MmioRegister::kQueueDescLow:
      return SetLow(queue.descriptor_table, value);
    case MmioRegister::kQueueDescHigh:
      return SetHigh(queue.descriptor_table, value);
    case MmioRegister::kQueueDriverLow:
      return SetLow(queue.avail_ring, value);
    case MmioRegister::kQueueDriverHigh:
      return SetHigh(queue.avail_ring, value);
    case MmioRegister::kQueueDeviceLow:
      return SetLow(queue.used_ring, value);
    case MmioRegister::kQueueDeviceHigh:
      return SetHigh(queue.used_ring, value);
    default:
      return;
  }
}

// Section 3.1.1: features are negotiated between DRIVER and FEATURES_OK.
void VirtioMmio::WriteDriverFeatures(uint32_t value) {
  if (!(state_.status & kDriver) || (state_.status & kFeaturesOk)) {
    CountMisuse();
    return;
  }
  if (state_.driver_features_sel == 0) {
    SetLow(state_.driver_features, value);
  } else if (state_.driver_features_sel == 1) {
    SetHigh(state_.driver_features, value);
  } else if (value != 0) {
    CountMisuse();  // no features there
  }
}

bool VirtioMmio::FeaturesAcceptable() const {
  return (state_.driver_features & ~offered_features_) == 0 &&
         (state_.driver_features & kFeatureVersion1) != 0;
}

void VirtioMmio::WriteStatus(uint32_t value) {
  if (value == 0) {
    Reset();
    return;
  }
  value &= ~kNeedsReset;  // the device's own bit
  // Section 2.1.1: the driver does not clear bits, except by a reset.
  if ((value & ~kDriverStatusBits) != 0 || (state_.status & ~value) != 0) {
    CountMisuse();
    return;
  }
  // A driver that gave up goes no further.
  if (state_.status & kFailed) return;
  if (value & kFailed) {
    state_.status |= kFailed;
    return;
  }
  for (const StatusStep& step : kStatusSteps) {
    if (!(value & step.bit) || (state_.status & step.bit)) continue;
    // Section 2.2.2: the driver reads back whether FEATURES_OK stayed.
    if ((state_.status & step.after) != step.after ||
        (step.bit == kFeaturesOk && !FeaturesAcceptable())) {
      CountMisuse();
      return;
    }
    state_.status |= step.bit;
    if (step.bit == kDriverOk) Activate();
  }
}

absl::StatusOr<std::vector<std::optional<Virtqueue>>> VirtioMmio::MakeQueues(
    const std::vector<QueuePosition>& positions) const {
  std::vector<std::optional<Virtqueue>> queues(state_.queues.size());
  for (size_t i = 0; i < queues.size(); ++i) {
    if (!state_.queues[i].ready) continue;
    const uint16_t max_size = device_.queue_sizes()[i];
    absl::StatusOr<SplitRings> rings = SplitRings::Create(memory_, state_.queues[i], max_size);
    if (!rings.ok()) return Annotate(rings.status(), absl::StrCat("queue ", i));
    queues[i].emplace(memory_, *rings, state_.driver_features, max_size, positions[i]);
  }
  return queues;
}

void VirtioMmio::Activate() {
  absl::StatusOr<std::vector<std::optional<Virtqueue>>> queues =
      MakeQueues(std::vector<QueuePosition>(state_.queues.size()));
  if (!queues.ok()) {
    CountMisuse();
    NotifyNeedsReset(queues.status());
    return;
  }
  // From the first doorbell on, whatever was in the rings before.
  for (std::optional<Virtqueue>& queue : *queues) {
    if (queue) queue->EnableNotifications();
  }
  device_.Activate(ActiveQueues(state_.driver_features, *std::move(queues), *this));
}

void VirtioMmio::Reset() {
  // After this the device notifies no more, so that what is cleared below stays cleared.
  device_.Reset();
  state_ = State();
  state_.queues.resize(queue_events_.size());
  absl::MutexLock lock(&notify_mutex_);
  interrupt_status_ = 0;
  needs_reset_ = false;
}

// The used-buffers bit stays until the reset: README.md.
void VirtioMmio::AcknowledgeInterrupt(uint32_t causes) {
  absl::MutexLock lock(&notify_mutex_);
  interrupt_status_ &= ~(causes & kInterruptConfigChange);
  registers_.Set(MmioRegister::kInterruptStatus, interrupt_status_);
}

void VirtioMmio::Interrupt() {
  device_.counters().interrupts.Add();
  interrupt_.Trigger();
}

void VirtioMmio::NotifyUsedBuffers() {
  {
    absl::MutexLock lock(&notify_mutex_);
    interrupt_status_ |= kInterruptUsedBuffer;
    registers_.Set(MmioRegister::kInterruptStatus, interrupt_status_);
  }
  Interrupt();
}

void VirtioMmio::NotifyNeedsReset(const absl::Status& reason) {
  // The guest can bring this about as often as it likes.
  LOG_EVERY_POW_2(WARNING) << "virtio device of type " << static_cast<uint32_t>(device_.type())
                           << " needs a reset: " << reason.message();
  {
    absl::MutexLock lock(&notify_mutex_);
    last_failure_ = reason;
    needs_reset_ = true;
    interrupt_status_ |= kInterruptConfigChange;
    registers_.Set(MmioRegister::kStatus, registers_.Get(MmioRegister::kStatus) | kNeedsReset);
    registers_.Set(MmioRegister::kInterruptStatus, interrupt_status_);
  }
  Interrupt();
}

uint32_t VirtioMmio::status() const {
  absl::MutexLock lock(&mutex_);
  absl::MutexLock notify_lock(&notify_mutex_);
  return ValueOf(MmioRegister::kStatus);
}

absl::Status VirtioMmio::last_failure() const {
  absl::MutexLock lock(&notify_mutex_);
  return last_failure_;
}

}  // namespace firn::virtio
