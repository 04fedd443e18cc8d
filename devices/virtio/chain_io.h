// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The bytes of a chain, however the driver framed them (virtio 1.2 section 2.7.4: devices make no
// assumption about the arrangement of buffers).
#ifndef FIRN_DEVICES_VIRTIO_CHAIN_IO_H_
#define FIRN_DEVICES_VIRTIO_CHAIN_IO_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "devices/virtio/descriptor_chain.h"

namespace firn::virtio {

using IoVectors = absl::InlinedVector<iovec, 8>;

// Copies the readable bytes from `offset` on into `data`; false, with `data` untouched, where there
// are not enough. Each byte is fetched once.
bool CopyFromChain(const DescriptorChain& chain, uint64_t offset, absl::Span<std::byte> data);

// Copies `data` to the writable bytes from `offset` on; false, with nothing written, where there
// are not enough.
bool CopyToChain(const DescriptorChain& chain, uint64_t offset, absl::Span<const std::byte> data);

// Bytes [offset, offset + size) of the readable or writable buffers, in place. Cut off at their
// end.
IoVectors ReadableSlice(const DescriptorChain& chain, uint64_t offset, uint64_t size);
IoVectors WritableSlice(const DescriptorChain& chain, uint64_t offset, uint64_t size);

}  // namespace firn::virtio

#endif  // FIRN_DEVICES_VIRTIO_CHAIN_IO_H_
