// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/serve_queue.h"

#include <optional>
#include <utility>

namespace firn::virtio {

bool ServeQueue(ActiveQueues& queues, size_t index, DeviceCounters& counters, ServeChain serve) {
  Virtqueue* queue = queues.queue(index);
  if (queue == nullptr || queue->IsIdle()) return false;
  queue->DisableNotifications();
  // A driver that refills the queue from another vCPU must not hold this thread for ever.
  uint32_t budget = queue->size();
  bool more = true;
  while (more && budget > 0) {
    absl::StatusOr<std::optional<DescriptorChain>> chain = queue->Pop();
    absl::Status failure = chain.status();
    if (chain.ok() && *chain) {
      absl::StatusOr<uint32_t> written = serve(**chain);
      failure = written.status();
      if (written.ok()) {
        queue->Return(*std::move(*chain), *written);
        counters.requests.Add();
        --budget;
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
