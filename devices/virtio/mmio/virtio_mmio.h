// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The virtio-mmio transport, version 2 (virtio 1.2 section 4.2), around one device.
#ifndef FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_H_
#define FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "devices/interrupt_line.h"
#include "devices/mmio_device.h"
#include "devices/virtio/mmio/register_page.h"
#include "devices/virtio/mmio/virtio_mmio_registers.h"
#include "devices/virtio/mmio/virtio_mmio_state.pb.h"
#include "devices/virtio/split_rings.h"
#include "devices/virtio/virtio_device.h"
#include "hypervisor/event_fd.h"
#include "hypervisor/guest_memory.h"

namespace firn::virtio {

// Thread rules: any thread, any method.
//
// Reads: the guest reads registers and configuration space in the RegisterPage. A new value is
// there before the write that brought it about returns, and before the interrupt that tells of it.
//
// Doorbells: the owner registers queue_event(i) as an ioeventfd at kQueueNotifyOffset, length 4,
// datamatch i, and calls OnQueueEvent(i) when it is readable. A doorbell that arrives as an
// MMIO write all the same is served in the thread that brought it.
//
// Acknowledgements: that of used buffers does nothing, so the owner may register any eventfd, which
// nobody has to read, as an ioeventfd at kInterruptAckOffset, length 4, datamatch
// kUsedBuffersAcknowledged. What else is acknowledged has to arrive as an MMIO write. README.md
// says why.
class VirtioMmio final : public MmioDevice, private DriverNotifier {
 public:
  static constexpr uint64_t kQueueNotifyOffset = static_cast<uint64_t>(MmioRegister::kQueueNotify);
  static constexpr uint64_t kInterruptAckOffset =
      static_cast<uint64_t>(MmioRegister::kInterruptAck);
  static constexpr uint64_t kUsedBuffersAcknowledged = kInterruptUsedBuffer;

  // The references, and the memory of `registers`, outlive the transport. Errors: those of
  // eventfd(2).
  static absl::StatusOr<std::unique_ptr<VirtioMmio>> Create(GuestMemory& memory,
                                                            VirtioDevice& device,
                                                            InterruptLine& interrupt,
                                                            RegisterPage registers);

  // The registers, the positions of the queues and the device's own state. With no access and no
  // queue work in progress: requests that were taken have been answered. A doorbell that waits in
  // its eventfd is not in it (see Restore).
  state::VirtioMmio Save() const;
  // A transport that goes on where the saved one was, around a new `device`, which it activates
  // where the driver had set DRIVER_OK. Guest memory is in place, but not touched; no interrupt is
  // raised. Doorbells start anew: call OnQueueEvent for every queue once, when the device may work
  // again, and none is lost. For a queue without work that call leaves no trace in guest memory and
  // does not interrupt.
  // Errors: InvalidArgument, naming the field, for a state that no transport can be in;
  // FailedPrecondition, saying what differs, where `device` is not what the driver knows: its type,
  // a feature that was negotiated, what the device itself finds (its disk). `device` and
  // `registers` are as before then. And those of Create.
  static absl::StatusOr<std::unique_ptr<VirtioMmio>> Restore(GuestMemory& memory,
                                                             VirtioDevice& device,
                                                             InterruptLine& interrupt,
                                                             RegisterPage registers,
                                                             const state::VirtioMmio& saved);

  size_t queue_count() const { return queue_events_.size(); }
  // `queue` is below queue_count(), here and in OnQueueEvent.
  const EventFd& queue_event(size_t queue) const { return queue_events_[queue]->event; }

  // Takes the event and serves the queue. Where the queue still is not empty after one pass, the
  // event is signalled anew, so that other work gets its turn.
  void OnQueueEvent(size_t queue);

  // For an owner that does not map the RegisterPage: what the guest would find there.
  void Read(uint64_t offset, absl::Span<std::byte> data) override;
  void Write(uint64_t offset, absl::Span<const std::byte> data) override;

  // Device status as the driver reads it (section 2.1).
  uint32_t status() const;
  // Why DEVICE_NEEDS_RESET was set last; OK if never.
  absl::Status last_failure() const;
  VirtioDevice& device() { return device_; }

 private:
  struct QueueEvent {
    explicit QueueEvent(EventFd event_fd) : event(std::move(event_fd)) {}
    EventFd event;
    std::atomic<bool> is_own = false;  // one signal of the event is ours, not the driver's
  };

  VirtioMmio(GuestMemory& memory, VirtioDevice& device, InterruptLine& interrupt,
             RegisterPage registers);
  // Create, but nothing is published yet.
  static absl::StatusOr<std::unique_ptr<VirtioMmio>> Make(GuestMemory& memory, VirtioDevice& device,
                                                          InterruptLine& interrupt,
                                                          RegisterPage registers);

  // DriverNotifier: called by the device under its lock, so mutex_ is not taken here.
  void NotifyUsedBuffers() override;
  void NotifyNeedsReset(const absl::Status& reason) override;
  void Interrupt();

  // What the guest finds in a readable register.
  uint32_t ValueOf(MmioRegister reg) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_, notify_mutex_);
  void PublishRegisters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) ABSL_LOCKS_EXCLUDED(notify_mutex_);
  void PublishAll();
  void WriteRegister(MmioRegister reg, uint32_t value);
  void WriteLockedRegister(MmioRegister reg, uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AcknowledgeInterrupt(uint32_t causes);
  void WriteQueueRegister(MmioRegister reg, uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteStatus(uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteDriverFeatures(uint32_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FeaturesAcceptable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // One per queue, at its position in `positions`; nothing where it is not ready. InvalidArgument,
  // naming the queue and its part, for rings that are malformed.
  absl::StatusOr<std::vector<std::optional<Virtqueue>>> MakeQueues(
      const std::vector<QueuePosition>& positions) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Activate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a state that was checked, and activates the device.
  absl::Status Load(const state::VirtioMmio& saved);
  void Reset() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the driver did against the rules, ignored and counted.
  void CountMisuse() { device_.counters().errors.Add(); }

  // What the driver programmed.
  struct State {
    uint32_t status = 0;  // without DEVICE_NEEDS_RESET
    uint32_t device_features_sel = 0;
    uint32_t driver_features_sel = 0;
    uint64_t driver_features = 0;
    uint32_t queue_sel = 0;
    std::vector<QueueSettings> queues;
  };

  GuestMemory& memory_;
  VirtioDevice& device_;
  InterruptLine& interrupt_;
  const uint64_t offered_features_;
  std::vector<std::unique_ptr<QueueEvent>> queue_events_;

  // Never held while a queue is served, but taken before the device's lock.
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  // No configuration space of firn's changes, so this is 0, or what a snapshot says.
  uint32_t config_generation_ ABSL_GUARDED_BY(mutex_) = 0;

  // What the device tells the driver by itself. Taken last, and nothing is called under it.
  mutable absl::Mutex notify_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  uint32_t interrupt_status_ ABSL_GUARDED_BY(notify_mutex_) = 0;
  bool needs_reset_ ABSL_GUARDED_BY(notify_mutex_) = false;
  absl::Status last_failure_ ABSL_GUARDED_BY(notify_mutex_);
  RegisterPage registers_;  // written under notify_mutex_, read by anyone
};

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_MMIO_VIRTIO_MMIO_H_
