// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The virtual machine generation id: 128 bits in a page of their own that change, with an
// interrupt, when a guest wakes up as a copy. Linux then makes its random numbers differ from those
// of every other copy. Source: Linux Documentation/devicetree/bindings/rng/microsoft,vmgenid.yaml,
// drivers/virt/vmgenid.c; Microsoft, "Virtual Machine Generation ID", 2012.
#ifndef FIRN_DEVICES_VMGENID_VMGENID_H_
#define FIRN_DEVICES_VMGENID_VMGENID_H_

#include <array>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/interrupt_line.h"
#include "devices/vmgenid/vmgenid_state.pb.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/guest_memory.h"

namespace firn {

// One thread, with no vCPU in the guest: a guest must never see half of an id.
class VmGenId {
 public:
  using Id = std::array<std::byte, 16>;

  // Puts `id` at `address` of `memory`, which is shared with the guest and outlives the device, as
  // does `interrupt`. OutOfRange where `memory` has no such address.
  static absl::StatusOr<std::unique_ptr<VmGenId>> Create(GuestMemory& memory, GuestAddress address,
                                                         InterruptLine& interrupt, const Id& id);
  // The same with the id of a saved one: the guest is still who it was. InvalidArgument for a state
  // that is none.
  static absl::StatusOr<std::unique_ptr<VmGenId>> Restore(GuestMemory& memory, GuestAddress address,
                                                          InterruptLine& interrupt,
                                                          const state::VmGenId& state);

  // The guest is now another one, and is told so.
  absl::Status Renew(const Id& id);

  const Id& id() const { return id_; }
  state::VmGenId Save() const;

 private:
  VmGenId(GuestMemory& memory, GuestAddress address, InterruptLine& interrupt)
      : memory_(memory), address_(address), interrupt_(interrupt) {}
  absl::Status Set(const Id& id);

  GuestMemory& memory_;
  const GuestAddress address_;
  InterruptLine& interrupt_;
  Id id_ = {};
};

}  // namespace firn

#endif  // FIRN_DEVICES_VMGENID_VMGENID_H_
