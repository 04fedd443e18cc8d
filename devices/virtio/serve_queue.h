// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The loop of a device that answers each chain at once.
#ifndef FIRN_DEVICES_VIRTIO_SERVE_QUEUE_H_
#define FIRN_DEVICES_VIRTIO_SERVE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "devices/virtio/descriptor_chain.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio {

// Serves one chain and returns the bytes written into its buffers; nothing where it cannot now,
// and wants the chain again. An error is the driver's fault, beyond what the device type can
// answer: the device needs a reset.
using ServeChain =
    absl::FunctionRef<absl::StatusOr<std::optional<uint32_t>>(const DescriptorChain&)>;

// What one call of ServeQueue moves at most, beside the chain that passes it.
inline constexpr uint64_t kMaxBytesPerPass = uint64_t{64} << 20;

// Gives the chains that wait in queue `index` to `serve` and back to the driver, at most the
// size of the queue of them and none after kMaxBytesPerPass, with the driver's doorbells off
// meanwhile and one interrupt at the end. True where more wait. Where `serve` cannot go on, that
// chain and those behind it stay, and it is for the device to have the queue served later: false.
// Does nothing where the queue is not in use, and leaves no trace in guest memory where it is
// empty.
bool ServeQueue(ActiveQueues& queues, size_t index, DeviceCounters& counters, ServeChain serve);

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_SERVE_QUEUE_H_
