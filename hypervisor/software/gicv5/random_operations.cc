// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/random_operations.h"

#include <cstring>

#include "absl/log/check.h"
#include "hypervisor/software/gicv5/irs_registers.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

class Input {
 public:
  explicit Input(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint64_t Take(size_t size) {
    uint64_t value = 0;
    const size_t n = std::min(size, bytes_.size());
    std::memcpy(&value, bytes_.data(), n);
    bytes_.remove_prefix(n);
    return value;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Take(1)); }

 private:
  absl::Span<const uint8_t> bytes_;
};

constexpr SystemRegister kInstructions[] = {kGsbSys,   kGsbAck,   kGicCddis,  kGicCden,
                                            kGicCdpri, kGicCdaff, kGicCdpend, kGicCdrcfg,
                                            kGicCdeoi, kGicCddi,  kGicCdhm};
constexpr SystemRegister kRegisters[] = {
    kIccApr,          kIccCr0,        kIccPcr,        kIccIcsr,  kIccPpiEnabler0, kIccPpiCactiver0,
    kIccPpiSactiver0, kIccPpiCpendr0, kIccPpiSpendr0, kIccHppir, kIccPpiHmr0,     kIccIdr0};

constexpr uint32_t kVcpus = 3;
constexpr uint32_t kIds[kVcpus] = {0, 4, 1};

class Driver {
 public:
  explicit Driver(uint8_t choice)
      : vm_({.dialect = kAllDialects[choice & 3],
             .vcpu_ids = {std::begin(kIds), std::end(kIds)},
             .nr_spis = 64,
             // A small LPI space, so that the oracle is quick.
             .limits = {
                 .id_bits = 8, .min_lpi_id_bits = 6, .priority_bits = choice & 4 ? 4u : 5u}}) {
    if ((choice & 8) == 0) vm_.Init();
    if ((choice & 24) == 0) {
      vm_.Start();
      vm_.EnableCpus();
    }
    if ((choice & 0x3f) != 0 && (choice & 24) == 0 && vm_.options().dialect != Dialect::kPpiOnly) {
      vm_.EnableIrs();
      vm_.EnableLpis(6);
    }
  }

  void Step(Input& in) {
    const uint8_t what = in.Byte();
    const uint32_t index = what >> 4 & 3;
    switch (what & 15) {
      case 0:
      case 1:
      case 2:
      case 3:  // most of all GIC instructions on ids that exist
        vm_.Sys(kInstructions[in.Byte() % std::size(kInstructions)], Operand(in), Vcpu(index));
        break;
      case 4:
        Acknowledge(in.Byte(), Vcpu(index));
        break;
      case 5:
        vm_.gic().WriteRegister(Vcpu(index), Register(in), in.Take(8));
        break;
      case 6: {
        uint64_t value = 0;
        vm_.gic().ReadRegister(Vcpu(index), Register(in), &value);
        break;
      }
      case 7:
        vm_.SpiLine(in.Byte() & 0x7f, index & 1);
        break;
      case 8:
        vm_.gic().IrqLine(static_cast<uint32_t>(in.Take(4)), index & 1).IgnoreError();
        break;
      case 9:
        vm_.gic().SetPpiLine(Vcpu(index), in.Byte() & 0x7f, what & 0x80);
        break;
      case 10:
      case 11:
        Mmio(in, what);
        break;
      case 12:
        Attribute(in);
        break;
      case 13:
        vm_.Run(Vcpu(index));
        break;
      case 14:
        vm_.machine().running = (what & 0x30) == 0x30;
        break;
      case 15:
        SaveAndRestore(in.Byte());
        break;
    }
  }

  void Check() {
    for (uint32_t i = 0; i < kVcpus; ++i) {
      const std::optional<Candidate> expected = BruteForceHighestPending(vm_, i);
      CHECK_EQ(vm_.gic().IrqAsserted(i), expected.has_value()) << "vCPU " << i;
      CHECK_EQ(vm_.gic().NmiAsserted(i), expected && expected->priority == 0) << "vCPU " << i;
      CHECK_EQ(vm_.Mrs(kIccHppir, i), expected ? 1ull << 32 | expected->intid.packed() : 0);
    }
  }

 private:
  static uint32_t Vcpu(uint32_t n) { return n % kVcpus; }

  static uint64_t Operand(Input& in) {
    const uint8_t shape = in.Byte();
    if (shape == 0xff) return in.Take(8);
    const uint64_t id = in.Byte() & 0x4f;
    const uint64_t type = shape & 3;
    const uint64_t high = in.Byte();  // IAFFID, PENDING, HM; with PRIORITY
    return id | type << 29 | (high & 7) << 32 | high >> 3 << 35;
  }
  static SystemRegister Register(Input& in) {
    const uint8_t which = in.Byte();
    if (which == 0xff) return SystemRegister::Unpack(static_cast<uint16_t>(in.Take(2)));
    if (which & 0x80) return IccPpiPriorityr(which & 15);
    return kRegisters[which % std::size(kRegisters)];
  }

  // What is acknowledged is what the oracle says.
  void Acknowledge(uint8_t how, uint32_t index) {
    const bool nmi_enabled = how & 1;
    const bool for_nmi = how & 2;
    const std::optional<Candidate> expected = BruteForceHighestPending(vm_, index);
    const uint64_t result = for_nmi ? vm_.Cdnmia(index, nmi_enabled) : vm_.Cdia(index, nmi_enabled);
    const bool takes = expected && (nmi_enabled && expected->priority == 0) == for_nmi;
    CHECK_EQ(result, takes ? 1ull << 32 | expected->intid.packed() : 0);
  }

  void Mmio(Input& in, uint8_t what) {
    const absl::Span<const IrsRegisterInfo> map = IrsRegisterMap();
    const uint8_t which = in.Byte();
    const uint64_t offset = which < map.size() ? map[which].offset : in.Take(3);
    const size_t size = size_t{1} << (what >> 4 & 3);
    const uint64_t value = in.Take(8);
    std::byte data[8];
    std::memcpy(data, &value, 8);
    const GuestAddress address(kTestIrsBase.value + offset);
    if (what & 0x40) {
      vm_.gic().MmioRead(address, absl::MakeSpan(data, size));
    } else {
      vm_.gic().MmioWrite(address, absl::MakeConstSpan(data, size));
    }
  }

  void Attribute(Input& in) {
    static constexpr uint32_t kGroups[] = {0, 3, 4, 6, 10, 11, 1, 99};
    const uint8_t what = in.Byte();
    const uint32_t group = kGroups[what & 7];
    uint64_t attr = in.Take(what & 8 ? 8 : 2);
    if (group == kvm::kVgicGrpCpuSysregs && (what & 16)) attr = Register(in).packed();
    // Any operand that an IST call may write to is larger than every table.
    alignas(8) static std::byte buffer[4096];
    const uint64_t value = in.Take(8);
    std::memset(buffer, 0, sizeof(buffer));
    std::memcpy(buffer, &value, 8);
    const uint64_t address = what & 32 ? in.Byte() : reinterpret_cast<uint64_t>(buffer);
    switch (what >> 6) {
      case 0:
        vm_.Has(group, attr);
        break;
      case 1:
        vm_.GetAt(group, attr, address);
        break;
      default:
        // A descriptor made of random words could name memory of the test itself.
        if (group == kvm::kVgicGrpIst) break;
        vm_.SetAt(group, attr, address);
        break;
    }
  }

  void SaveAndRestore(uint8_t how) {
    uint64_t cfgr = 0;
    if (vm_.options().dialect == Dialect::kPpiOnly) return;
    if (vm_.GetIrs(0x190, &cfgr) != 0 || (cfgr & 0x1f) > 8) return;
    SavedIst ist;
    if (how & 1) {
      if (vm_.SaveIst(&ist) != 0 || vm_.RestoreIst(ist) != 0) return;
      SavedIst again;
      if (vm_.SaveIst(&again) == 0) CHECK(again == ist) << "a restored IST is not the saved one";
      return;
    }
    ist.spis.assign(64, how * 0x01010101u);
    uint64_t baser = 0;
    if (vm_.options().dialect == Dialect::kMerged && vm_.GetIrs(0x180, &baser) == 0 &&
        (baser & 1)) {
      ist.lpis.assign(size_t{1} << (cfgr & 0x1f), how * 0x10101u);
    }
    vm_.RestoreIst(ist);
  }

  TestVm vm_;
};

}  // namespace

void DoRandomOperations(absl::Span<const uint8_t> bytes) {
  Input in(bytes);
  Driver driver(in.Byte());
  int steps = 0;
  while (!in.empty()) {
    driver.Step(in);
    if (++steps % 8 == 0) driver.Check();
  }
  driver.Check();
}

}  // namespace firn::software::gicv5
