// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/serve_queue.h"

#include <optional>
#include <utility>

namespace firn::virtio {

bool ServeQueue(ActiveQueues& queues, size_t index, DeviceCounters& counters, ServeChain serve) {
  Virtqueue* queue = queues.queue(index);
  if (queue == nullptr || queue->IsIdle()) return false;
  queue->DisableNotifications();
  // A driver that refills the queue from another vCPU must not hold this thread for ever, nor one
  // that fills it with large requests for long: other devices and the API wait.
  uint32_t budget = queue->size();
  uint64_t bytes = 0;
  bool more = true;
  while (more && budget > 0 && bytes < kMaxBytesPerPass) {
    absl::StatusOr<std::optional<DescriptorChain>> chain = queue->Pop();
    absl::Status failure = chain.status();
    if (chain.ok() && *chain) {
      absl::StatusOr<std::optional<uint32_t>> written = serve(**chain);
      failure = written.status();
      if (written.ok() && *written) {
        bytes += (*chain)->readable_size() + (*chain)->writable_size();
        queue->Return(*std::move(*chain), **written);
        counters.requests.Add();
        --budget;
      } else if (written.ok()) {
        queue->PutBack(*std::move(*chain));
        queue->EnableNotifications();
        more = false;
      }
    } else if (chain.ok()) {
      more = queue->EnableNotifications();
      if (more) queue->DisableNotifications();
    }
    if (!failure.ok()) {
      counters.errors.Add();
      queues.Fail(failure);
      return false;
    }
  }
  queues.NotifyUsed(*queue);
  return more;
}

}  // namespace firn::virtio
