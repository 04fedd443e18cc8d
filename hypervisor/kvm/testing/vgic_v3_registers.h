// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The register groups of VGICv3 and its ITS: which registers there are, what they take, and what
// they read as. They do nothing: no interrupt is delivered, no command executed.
// Source: as vgic_v3_model.h, and vgic-sys-reg-v3.c.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_REGISTERS_H_
#define FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace firn::kvm::testing {

// Results are 0 or -errno. Thread rules: none; the caller has a lock.
class VgicV3Registers {
 public:
  // KVM_CREATE_VCPU: a redistributor and a CPU interface.
  void AddVcpu(uint32_t id);
  // The VGIC's initialisation, with so many interrupts, the private ones among them.
  void Init(uint32_t irqs) { irqs_ = irqs; }
  void AddIts() { has_its_ = true; }

  // 4 or 8 bytes, what the group's values have; nothing for what is no group of registers.
  static std::optional<size_t> WidthOf(uint32_t group);

  int Has(uint32_t group, uint64_t attr) const;
  int Get(uint32_t group, uint64_t attr, uint64_t& value) const;
  int Set(uint32_t group, uint64_t attr, uint64_t value);

 private:
  // What an attribute is one register of.
  struct Register {
    enum class Kind { kPlain, kReadOnly, kChecked, kSet, kClear, kCbaser, kCreadr };
    Kind kind = Kind::kPlain;
    uint32_t group = 0;
    uint64_t storage = 0;  // the attribute that has the value
    uint64_t reset = 0;    // what it reads as before a write; always, where read-only
    uint64_t writable = ~uint64_t{0};
  };

  std::optional<Register> Find(uint32_t group, uint64_t attr) const;
  std::optional<Register> FindDistributor(uint64_t offset) const;
  std::optional<Register> FindRedistributor(uint64_t attr) const;
  std::optional<Register> FindSysreg(uint64_t attr) const;
  std::optional<Register> FindIts(uint64_t offset) const;
  int Check(uint32_t group, uint64_t attr) const;
  uint64_t Value(const Register& r) const;

  std::set<uint64_t> affinities_;
  uint32_t irqs_ = 0;  // 0: not initialised
  bool has_its_ = false;
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> values_;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_VGIC_V3_REGISTERS_H_
