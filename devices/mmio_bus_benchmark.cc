// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A lookup costs the same with 1 device and with 60 (docs/performance.md).
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "devices/mmio_bus.h"

namespace firn {
namespace {

class NullDevice final : public MmioDevice {
 public:
  void Read(uint64_t, absl::Span<std::byte> data) override { data[0] = std::byte{0}; }
  void Write(uint64_t, absl::Span<const std::byte>) override {}
};

void BM_Dispatch(benchmark::State& state) {
  constexpr uint64_t kBase = 0x0a00'0000;
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  MmioBus bus;
  NullDevice device;
  for (uint64_t i = 0; i < count; ++i) {
    const GuestRange range = *GuestRange::Create(GuestAddress(kBase + i * 0x1000), 0x1000);
    if (!bus.Add(std::to_string(i), range, device).ok()) state.SkipWithError("overlap");
  }
  std::array<std::byte, 4> data{};
  uint64_t next = 0;
  for (auto _ : state) {
    bus.Read(GuestAddress(kBase + next * 0x1000 + 0x60), absl::MakeSpan(data));
    benchmark::DoNotOptimize(data);
    next = (next + 7) % count;
  }
}
BENCHMARK(BM_Dispatch)->Arg(1)->Arg(60);

}  // namespace
}  // namespace firn

BENCHMARK_MAIN();
