// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/descriptor_chain.h"

#include <limits>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

namespace firn::virtio {

// Builds one chain; lives for one call of WalkChain.
class ChainWalker {
 public:
  ChainWalker(GuestMemory& memory, const SplitRings& rings, uint16_t head,
              const ChainLimits& limits)
      : memory_(memory), rings_(rings), limits_(limits), chain_(head) {}

  absl::StatusOr<DescriptorChain> Walk() {
    uint32_t index = *chain_.head_;
    for (uint32_t steps = 0; steps < rings_.size(); ++steps) {
      if (index >= rings_.size()) {
        return absl::InvalidArgumentError(
            absl::StrFormat("descriptor %d is outside of the table of %d", index, rings_.size()));
      }
      const Descriptor descriptor = rings_.LoadDescriptor(static_cast<uint16_t>(index));
      if (descriptor.flags & kDescriptorIndirect) {
        if (absl::Status status = WalkIndirect(descriptor); !status.ok()) return status;
        return std::move(chain_);
      }
      if (absl::Status status = Add(descriptor); !status.ok()) return status;
      if (!(descriptor.flags & kDescriptorNext)) return std::move(chain_);
      index = descriptor.next;
    }
    return absl::InvalidArgumentError("a descriptor chain is a loop, or longer than its queue");
  }

 private:
  // Section 2.7.5.3: the last descriptor of the table proper may stand for a table of its own.
  absl::Status WalkIndirect(const Descriptor& table) {
    if (!limits_.allow_indirect) {
      return absl::InvalidArgumentError("an indirect descriptor that was not negotiated");
    }
    if (table.flags & kDescriptorNext) {
      return absl::InvalidArgumentError("an indirect descriptor with NEXT set");
    }
    if (table.length == 0 || table.length % sizeof(Descriptor) != 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("an indirect table of %d bytes", table.length));
    }
    const uint32_t count = table.length / sizeof(Descriptor);
    if (!memory_.Contains(GuestAddress(table.address), table.length)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "the indirect table at 0x%x+0x%x is not in guest memory", table.address, table.length));
    }
    uint32_t index = 0;
    for (uint32_t steps = 0; steps < count; ++steps) {
      if (index >= count) {
        return absl::InvalidArgumentError(
            absl::StrFormat("descriptor %d is outside of the indirect table of %d", index, count));
      }
      absl::StatusOr<Descriptor> descriptor = memory_.Load<Descriptor>(
          GuestAddress(table.address + uint64_t{index} * sizeof(Descriptor)));
      if (!descriptor.ok()) return descriptor.status();
      if (descriptor->flags & kDescriptorIndirect) {
        return absl::InvalidArgumentError("an indirect descriptor in an indirect table");
      }
      if (absl::Status status = Add(*descriptor); !status.ok()) return status;
      if (!(descriptor->flags & kDescriptorNext)) return absl::OkStatus();
      index = descriptor->next;
    }
    return absl::InvalidArgumentError("an indirect descriptor chain is a loop");
  }

  absl::Status Add(const Descriptor& descriptor) {
    if (chain_.readable_.size() + chain_.writable_.size() >= limits_.max_buffers) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a descriptor chain of more than %d buffers", limits_.max_buffers));
    }
    if (descriptor.length == 0) return absl::InvalidArgumentError("an empty descriptor");
    constexpr uint32_t kMaxSize = std::numeric_limits<uint32_t>::max();
    if (descriptor.length > kMaxSize - chain_.readable_size_ - chain_.writable_size_) {
      return absl::InvalidArgumentError("a descriptor chain of 4 GiB or more");
    }
    const GuestAddress address(descriptor.address);
    if (descriptor.flags & kDescriptorWrite) {
      absl::StatusOr<absl::Span<std::byte>> bytes =
          memory_.MutableHostRange(address, descriptor.length);
      if (!bytes.ok()) return OutsideOfMemory(descriptor);
      chain_.writable_.push_back({address, *bytes});
      chain_.writable_size_ += descriptor.length;
      return absl::OkStatus();
    }
    if (!chain_.writable_.empty()) {
      return absl::InvalidArgumentError("a readable descriptor behind a writable one");
    }
    absl::StatusOr<absl::Span<const std::byte>> bytes =
        memory_.HostRange(address, descriptor.length);
    if (!bytes.ok()) return OutsideOfMemory(descriptor);
    chain_.readable_.push_back(*bytes);
    chain_.readable_size_ += descriptor.length;
    return absl::OkStatus();
  }

  static absl::Status OutsideOfMemory(const Descriptor& descriptor) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the buffer at 0x%x+0x%x is not in guest memory", descriptor.address, descriptor.length));
  }

  GuestMemory& memory_;
  const SplitRings& rings_;
  const ChainLimits& limits_;
  DescriptorChain chain_;
};

absl::StatusOr<DescriptorChain> WalkChain(GuestMemory& memory, const SplitRings& rings,
                                          uint16_t head, const ChainLimits& limits) {
  return ChainWalker(memory, rings, head, limits).Walk();
}

}  // namespace firn::virtio
