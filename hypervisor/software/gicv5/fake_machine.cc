// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/fake_machine.h"

namespace firn::software::gicv5 {

std::byte* FakeMachine::GuestPhysical(GuestAddress address, uint64_t size, bool for_write) {
  const GuestRange range = *GuestRange::Create(kRamBase, kRamSize);
  if (!range.Contains(address, size)) return nullptr;
  if (for_write) dirty.push_back(*GuestRange::Create(address, size));
  return ram.data() + (address.value - kRamBase.value);
}

}  // namespace firn::software::gicv5
