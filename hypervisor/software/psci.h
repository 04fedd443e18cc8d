// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// PSCI 1.1 and SMCCC 1.1 as KVM offers them by HVC. Source: Arm DEN0022 "Power State Coordination
// Interface"; Arm DEN0028 "SMC Calling Convention"; Linux
// Documentation/virt/kvm/arm/hypercalls.rst.
#ifndef FIRN_HYPERVISOR_SOFTWARE_PSCI_H_
#define FIRN_HYPERVISOR_SOFTWARE_PSCI_H_

#include <array>
#include <cstdint>
#include <optional>

namespace firn::software {

// The versions that KVM_REG_ARM_PSCI_VERSION may be set to.
inline constexpr uint64_t kPsciVersion02 = 0x00002;
inline constexpr uint64_t kPsciVersion10 = 0x10000;
inline constexpr uint64_t kPsciVersion11 = 0x10001;

// What PSCI asks of the machine. `mpidr` has only affinity fields.
class PsciMachine {
 public:
  virtual ~PsciMachine() = default;
  enum class Power { kOff, kOn };
  // The power state of the vCPU with that affinity, or nothing where there is none.
  virtual std::optional<Power> PowerOf(uint64_t mpidr) = 0;
  // Resets that vCPU, which is off, and starts it at `entry` with `context` in X0.
  virtual void PowerOn(uint64_t mpidr, uint64_t entry, uint64_t context) = 0;
  // True where a vCPU is on whose affinity fields above `level` match `mpidr`'s; nothing where
  // no vCPU matches at all.
  virtual std::optional<bool> AnyOn(uint64_t mpidr, unsigned level) = 0;
};

struct PsciResult {
  enum class Action {
    kContinue,     // x0 is the answer
    kCpuOff,       // the caller stops
    kCpuSuspend,   // the caller waits for an interrupt, then x0 is the answer
    kSystemOff,    // exit to user space
    kSystemReset,  // exit to user space
  };
  uint64_t x0 = 0;
  Action action = Action::kContinue;
};

// The hypervisor call with X0 to X3 in `args`. `version` is the PSCI version of the vCPU.
PsciResult HandleHypercall(PsciMachine& machine, const std::array<uint64_t, 4>& args,
                           uint64_t version);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_PSCI_H_
