// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Where random bytes come from: the host, or a seed where a run must repeat exactly.
#ifndef FIRN_DEVICES_VIRTIO_RNG_ENTROPY_SOURCE_H_
#define FIRN_DEVICES_VIRTIO_RNG_ENTROPY_SOURCE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace firn {

class EntropySource {
 public:
  virtual ~EntropySource() = default;

  // Fills all of `data`, or fails. One thread at a time; does not block for long.
  virtual absl::Status Fill(absl::Span<std::byte> data) = 0;
};

}  // namespace firn

#endif  // FIRN_DEVICES_VIRTIO_RNG_ENTROPY_SOURCE_H_
