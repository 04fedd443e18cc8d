// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A devicetree from any configuration is sound, or a clear error.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "arch-aarch64/fdt_reader.h"
#include "arch-aarch64/gicv5_fdt.h"
#include "boot/command_line.h"
#include "boot/fdt.h"

namespace firn {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

GuestRange AnyRange(FuzzedDataProvider& input) {
  const auto range = GuestRange::Create(GuestAddress(input.ConsumeIntegral<uint64_t>()),
                                        input.ConsumeIntegral<uint64_t>());
  return range.value_or(GuestRange());
}

FdtConfig AnyConfig(FuzzedDataProvider& input) {
  FdtConfig config;
  absl::StatusOr<CommandLine> line = CommandLine::Create(input.ConsumeRandomLengthString(3000));
  if (line.ok()) {
    const std::string name = input.ConsumeRandomLengthString(20);
    const bool had = line->Has(name);
    const bool added = line->Add(name, input.ConsumeRandomLengthString(20)).ok();
    Require(!had || added || line->Has(name));
    Require(line->text().size() < kCommandLineSize);
    config.command_line = *line;
  }
  if (input.ConsumeBool()) config.initrd = AnyRange(input);
  if (input.ConsumeBool()) config.rng_seed.emplace();
  if (input.ConsumeBool()) config.kaslr_seed = input.ConsumeIntegral<uint64_t>();
  // Ids distinct, as KVM demands.
  const uint32_t vcpus = input.ConsumeIntegralInRange<uint32_t>(0, 512);
  const uint32_t step = input.ConsumeIntegralInRange<uint32_t>(1, 100);
  for (uint32_t i = 0; i < vcpus; ++i) config.vcpu_ids.push_back(i * step);
  const int devices = input.ConsumeIntegralInRange<int>(0, 70);
  for (int i = 0; i < devices; ++i) {
    FdtDevice device = VirtioMmioFdtDevice(AnyRange(input), input.ConsumeIntegral<uint32_t>());
    if (input.ConsumeBool()) device.spi.reset();
    device.is_stdout = input.ConsumeBool();
    device.apb_clock = input.ConsumeBool();
    if (input.ConsumeBool()) device.cells.push_back({"clock-frequency", 1});
    config.devices.push_back(device);
  }
  return config;
}

}  // namespace
}  // namespace firn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const firn::FdtConfig config = firn::AnyConfig(input);
  const auto layout = firn::MemoryLayout::Create(input.ConsumeIntegral<uint64_t>(),
                                                 input.ConsumeIntegralInRange<int>(0, 64));
  if (!layout.ok()) return 0;
  const firn::Gicv5Fdt gic(firn::GuestAddress(input.ConsumeIntegral<uint64_t>()));
  const auto blob = firn::BuildFdt(config, *layout, gic);
  firn::Require(blob.ok() || absl::IsResourceExhausted(blob.status()));
  if (blob.ok()) firn::Require(firn::FdtReader(*blob).IsValid());
  return 0;
}
