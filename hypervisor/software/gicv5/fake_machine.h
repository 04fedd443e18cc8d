// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A machine around a VGICv5 that does what a test tells it, with guest memory of its own.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_FAKE_MACHINE_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_FAKE_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hypervisor/guest_address.h"
#include "hypervisor/software/gicv5/vgicv5.h"

namespace firn::software::gicv5 {

class FakeMachine : public Machine {
 public:
  static constexpr GuestAddress kRamBase{0x4000'0000};
  static constexpr uint64_t kRamSize = 1 << 20;

  bool AnyVcpuRunning() const override { return running; }
  bool AnyVcpuHasRun() const override { return has_run; }
  int IpaBits() const override { return ipa_bits; }
  void MarkDead() override { dead = true; }
  std::byte* GuestPhysical(GuestAddress address, uint64_t size, bool for_write) override;

  // What the machine answers.
  bool running = false;
  bool has_run = false;
  int ipa_bits = 40;

  // What happened to it.
  bool dead = false;
  std::vector<GuestRange> dirty;
  std::vector<std::byte> ram = std::vector<std::byte>(kRamSize);
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_FAKE_MACHINE_H_
