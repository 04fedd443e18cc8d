// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The hot path: an interrupt becomes pending, is selected, acknowledged, dropped and deactivated.
// Its cost must not grow with the number of SPIs (argument: 32 and 1,024) or LPIs (2^12, 2^16).
#include <benchmark/benchmark.h>

#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

void Boot(TestVm& vm) {
  vm.Init().Start();
  vm.EnableCpus();
  vm.EnableIrs();
}

// Half of all SPIs are pending at the same priority behind the one that is measured, the worst
// case for a search.
void BM_SpiRoundTrip(benchmark::State& state) {
  const auto spis = static_cast<uint32_t>(state.range(0));
  TestVm vm({.nr_spis = spis});
  Boot(vm);
  for (uint32_t spi = 0; spi < spis; ++spi) vm.SetUp(Spi(spi), 0x10);
  for (uint32_t spi = spis / 2; spi < spis; ++spi) vm.Pend(Spi(spi));
  const uint64_t intid = Spi(spis / 2 - 1);
  for (auto _ : state) {
    vm.SpiLine(spis / 2 - 1, true);
    benchmark::DoNotOptimize(vm.gic().IrqAsserted(0));
    benchmark::DoNotOptimize(vm.Cdia());
    vm.Eoi();
    vm.Deactivate(intid);
  }
}
BENCHMARK(BM_SpiRoundTrip)->Arg(32)->Arg(1024);

void BM_LpiRoundTrip(benchmark::State& state) {
  const auto bits = static_cast<uint32_t>(state.range(0));
  TestVm vm;
  Boot(vm);
  vm.EnableLpis(bits);
  const uint32_t lpis = 1u << bits;
  for (uint32_t lpi = 0; lpi < lpis; ++lpi) vm.SetUp(Lpi(lpi), 0x10);
  for (uint32_t lpi = lpis / 2; lpi < lpis; ++lpi) vm.Pend(Lpi(lpi));
  const uint64_t intid = Lpi(lpis / 2 - 1);
  for (auto _ : state) {
    vm.Pend(intid);
    benchmark::DoNotOptimize(vm.gic().IrqAsserted(0));
    benchmark::DoNotOptimize(vm.Cdia());
    vm.Eoi();
    vm.Deactivate(intid);
  }
}
BENCHMARK(BM_LpiRoundTrip)->Arg(12)->Arg(16);

// What every block of guest code asks.
void BM_IrqAsserted(benchmark::State& state) {
  TestVm vm({.nr_spis = static_cast<uint32_t>(state.range(0))});
  Boot(vm);
  for (auto _ : state) benchmark::DoNotOptimize(vm.gic().IrqAsserted(0));
}
BENCHMARK(BM_IrqAsserted)->Arg(32)->Arg(1024);

void BM_MmioRead(benchmark::State& state) {
  TestVm vm;
  Boot(vm);
  for (auto _ : state) benchmark::DoNotOptimize(vm.Read32(static_cast<uint64_t>(state.range(0))));
}
BENCHMARK(BM_MmioRead)->Arg(0x000)->Arg(0x144)->Arg(0xfffc);

}  // namespace
}  // namespace firn::software::gicv5

BENCHMARK_MAIN();
