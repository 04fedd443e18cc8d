// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The devicetree nodes of the architecture itself: CPUs, PSCI and the generic timer. Each
// function writes one node below the open one, the root.
#ifndef FIRN_ARCH_AARCH64_FDT_NODES_H_
#define FIRN_ARCH_AARCH64_FDT_NODES_H_

#include <cstdint>

#include "absl/types/span.h"
#include "arch-aarch64/fdt_builder.h"
#include "arch-aarch64/interrupt_fdt.h"

namespace firn {

// One CPU per vCPU id, with the MPIDR_EL1 that KVM derives from it (bindings/arm/cpus.yaml).
void AddCpuNodes(FdtBuilder& fdt, absl::Span<const uint32_t> vcpu_ids);

// PSCI by HVC, as KVM implements it (bindings/arm/psci.yaml).
void AddPsciNode(FdtBuilder& fdt);

// The timers' PPIs (bindings/timer/arm,arch_timer.yaml).
void AddTimerNode(FdtBuilder& fdt, const InterruptFdt& interrupts);

// The PMU's PPI, for vCPUs that have one (bindings/arm/pmu.yaml).
void AddPmuNode(FdtBuilder& fdt, const InterruptFdt& interrupts);

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_FDT_NODES_H_
