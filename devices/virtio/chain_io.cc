// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/chain_io.h"

#include <algorithm>
#include <cstring>

namespace firn::virtio {
namespace {

// Appends the part of a buffer that lies in a window of a sequence of buffers, and moves the
// window.
void AppendWindow(const std::byte* buffer, uint64_t buffer_size, uint64_t& skip, uint64_t& left,
                  IoVectors& out) {
  if (skip >= buffer_size) {
    skip -= buffer_size;
    return;
  }
  const uint64_t part = std::min(left, buffer_size - skip);
  if (part == 0) return;
  // iovec serves reads and writes alike and so knows no const.
  out.push_back({.iov_base = const_cast<std::byte*>(buffer) + skip, .iov_len = part});
  skip = 0;
  left -= part;
}

}  // namespace

IoVectors ReadableSlice(const DescriptorChain& chain, uint64_t offset, uint64_t size) {
  IoVectors slice;
  for (const absl::Span<const std::byte> buffer : chain.readable()) {
    AppendWindow(buffer.data(), buffer.size(), offset, size, slice);
  }
  return slice;
}

IoVectors WritableSlice(const DescriptorChain& chain, uint64_t offset, uint64_t size) {
  IoVectors slice;
  for (const WritableBuffer& buffer : chain.writable()) {
    AppendWindow(buffer.bytes.data(), buffer.bytes.size(), offset, size, slice);
  }
  return slice;
}

bool CopyFromChain(const DescriptorChain& chain, uint64_t offset, absl::Span<std::byte> data) {
  if (offset > chain.readable_size() || data.size() > chain.readable_size() - offset) return false;
  std::byte* out = data.data();
  for (const iovec& part : ReadableSlice(chain, offset, data.size())) {
    memcpy(out, part.iov_base, part.iov_len);
    out += part.iov_len;
  }
  return true;
}

bool CopyToChain(const DescriptorChain& chain, uint64_t offset, absl::Span<const std::byte> data) {
  if (offset > chain.writable_size() || data.size() > chain.writable_size() - offset) return false;
  const std::byte* in = data.data();
  for (const iovec& part : WritableSlice(chain, offset, data.size())) {
    memcpy(part.iov_base, in, part.iov_len);
    in += part.iov_len;
  }
  return true;
}

}  // namespace firn::virtio
