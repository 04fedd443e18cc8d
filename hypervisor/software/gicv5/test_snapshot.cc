// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/test_snapshot.h"

#include "absl/log/check.h"
#include "hypervisor/software/gicv5/iste.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kIdRegisters[] = {0x000, 0x004, 0x008, 0x014, 0x018, 0x01c};
constexpr uint64_t kIstCfgr = 0x190;
constexpr uint64_t kIstBaser = 0x180;
// CR1, SPI_SELR, PE_SELR, and CR0 last.
constexpr uint64_t kOtherIrs[] = {0x084, 0x108, 0x140, 0x080};
constexpr uint64_t kSpiSelr = 0x108;
constexpr uint64_t kSpiCfgr = 0x114;

int SetAll(TestVm& vm, const TestSnapshot& snapshot, absl::Span<const uint64_t> offsets) {
  for (uint64_t offset : offsets) {
    if (int error = vm.SetIrs(offset, snapshot.irs.at(offset))) return error;
  }
  return 0;
}

int SetCpuSysregs(TestVm& vm, const TestSnapshot& snapshot) {
  for (const auto& [id, registers] : snapshot.cpu_sysregs) {
    for (const auto& [packed, value] : registers) {
      if (int error = vm.SetCpu(id, SystemRegister::Unpack(packed), value)) return error;
    }
  }
  return 0;
}

int SpiLoop(TestVm& vm, const TestSnapshot& snapshot) {
  for (uint32_t spi = 0; spi < snapshot.ist.spis.size(); ++spi) {
    if (int error = vm.SetIrs(kSpiSelr, spi)) return error;
    if (int error = vm.SetIrs(kSpiCfgr, (snapshot.ist.spis[spi] & Iste::kLevel) != 0)) {
      return error;
    }
  }
  return 0;
}

int Do(TestVm& vm, const TestSnapshot& snapshot, RestoreStep step) {
  switch (step) {
    case RestoreStep::kMemory:
      vm.machine().ram = snapshot.ram;
      return 0;
    case RestoreStep::kCpuSysregs:
      return SetCpuSysregs(vm, snapshot);
    case RestoreStep::kIdRegisters:
      return SetAll(vm, snapshot, kIdRegisters);
    case RestoreStep::kIstCfgr:
      return vm.SetIrs(kIstCfgr, snapshot.irs.at(kIstCfgr));
    case RestoreStep::kIstBaser:
      return (snapshot.irs.at(kIstBaser) & 1) ? vm.SetIrs(kIstBaser, snapshot.irs.at(kIstBaser))
                                              : 0;
    case RestoreStep::kIst:
      return vm.RestoreIst(snapshot.ist);
    case RestoreStep::kOtherIrs:
      return SetAll(vm, snapshot, kOtherIrs);
    case RestoreStep::kSpiLoop:
      return vm.options().dialect == Dialect::kSeriesV1 ? SpiLoop(vm, snapshot) : 0;
  }
  return 0;
}

}  // namespace

TestSnapshot SaveSnapshot(TestVm& vm) {
  TestSnapshot snapshot;
  for (uint32_t id : vm.options().vcpu_ids) {
    for (SystemRegister reg : CpuSysregs()) {
      snapshot.cpu_sysregs[id][reg.packed()] = vm.Cpu(id, reg);
    }
  }
  CHECK_EQ(vm.SaveIst(&snapshot.ist), 0);
  for (uint64_t offset : kIdRegisters) snapshot.irs[offset] = vm.Irs(offset);
  for (uint64_t offset : kOtherIrs) snapshot.irs[offset] = vm.Irs(offset);
  snapshot.irs[kIstCfgr] = vm.Irs(kIstCfgr);
  snapshot.irs[kIstBaser] = vm.Irs(kIstBaser);
  snapshot.ram = vm.machine().ram;
  return snapshot;
}

int RestoreSnapshot(TestVm& vm, const TestSnapshot& snapshot, absl::Span<const RestoreStep> steps) {
  for (RestoreStep step : steps) {
    if (int error = Do(vm, snapshot, step)) return error;
  }
  return 0;
}

}  // namespace firn::software::gicv5
