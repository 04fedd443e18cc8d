// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The oracle of selection: no cache, no index, only what registers and CDRCFG say.
#include <bit>

#include "hypervisor/software/gicv5/ppi.h"
#include "hypervisor/software/gicv5/test_vm.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint64_t kFault = 1 << 0;
constexpr uint64_t kEnabled = 1 << 1;
constexpr uint64_t kPending = 1 << 2;
constexpr uint64_t kActive = 1 << 4;

void Consider(Candidate candidate, std::optional<Candidate>* best) {
  if (!*best || candidate.priority < (*best)->priority ||
      (candidate.priority == (*best)->priority && candidate.intid < (*best)->intid)) {
    *best = candidate;
  }
}

bool IrsEnabled(TestVm& vm) {
  uint32_t cr0 = 0;
  return vm.gic().MmioRead(GuestAddress(kTestIrsBase.value + 0x080),
                           absl::MakeSpan(reinterpret_cast<std::byte*>(&cr0), sizeof(cr0))) &&
         (cr0 & 1) != 0;
}

}  // namespace

std::optional<Candidate> BruteForceHighestPending(TestVm& vm, uint32_t index) {
  std::optional<Candidate> best;
  // Restored priorities may have bits that this machine does not implement.
  const uint8_t mask = PriorityMask((vm.Mrs(kIccIdr0, index) >> 4 & 0xf) + 1);
  const uint64_t ppis = vm.Mrs(kIccPpiEnabler0, index) & vm.Mrs(kIccPpiSpendr0, index) &
                        ~vm.Mrs(kIccPpiSactiver0, index);
  for (uint32_t ppi = 0; ppi < kPpis; ++ppi) {
    if ((ppis >> ppi & 1) == 0) continue;
    const uint64_t priorities = vm.Mrs(IccPpiPriorityr(ppi / 8), index);
    Consider({{IntidType::kPpi, ppi}, static_cast<uint8_t>(priorities >> 8 * (ppi % 8) & mask)},
             &best);
  }
  if (IrsEnabled(vm)) {
    const uint64_t icsr = vm.Mrs(kIccIcsr, index);
    const uint64_t iaffid = vm.Mrs(kIccIaffidr, index);
    for (IntidType type : {IntidType::kLpi, IntidType::kSpi}) {
      for (uint32_t id = 0;; ++id) {
        const uint64_t config = vm.Config(Intid{type, id}.packed(), index);
        if (config & kFault) break;
        if ((config & (kEnabled | kPending | kActive)) != (kEnabled | kPending)) continue;
        if ((config >> 32 & 0xffff) != iaffid) continue;
        Consider({{type, id}, static_cast<uint8_t>(config >> 11 & mask)}, &best);
      }
    }
    vm.Msr(kIccIcsr, icsr, index);
  }
  if ((vm.Mrs(kIccCr0, index) & 1) == 0 || !best) return std::nullopt;
  if (best->priority > vm.Mrs(kIccPcr, index)) return std::nullopt;
  const uint64_t apr = vm.Mrs(kIccApr, index);
  if (apr != 0 && best->priority >= std::countr_zero(apr)) return std::nullopt;
  return best;
}

}  // namespace firn::software::gicv5
