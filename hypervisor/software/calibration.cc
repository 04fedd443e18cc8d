// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unicorn's hooks give an exception's number but not its syndrome, and it fills no ESR_EL1. The
// syndrome is in the saved context; where, differs between versions. So it is searched for.
#include <unicorn/unicorn.h>

#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/system_registers.h"

namespace firn::software {
namespace {

constexpr uint64_t kCodeAddress = 0x10000;

// Stops at the first exception, so that the saved context holds its record.
struct Probe {
  uint32_t instruction;
  uint32_t syndrome;
  uint32_t target_el;
};

void StopHook(uc_engine* uc, uint32_t, void*) { uc_emu_stop(uc); }

bool Matches(const std::byte* record, const Probe& probe) {
  uint32_t syndrome = 0, target_el = 0;
  memcpy(&syndrome, record, sizeof(syndrome));
  memcpy(&target_el, record + 16, sizeof(target_el));
  return syndrome == probe.syndrome && target_el == probe.target_el;
}

// The offsets at which a context saved after `probe` holds its record.
std::set<size_t> Candidates(uc_engine* uc, uc_context* context, const Probe& probe) {
  std::set<size_t> found;
  uc_mem_write(uc, kCodeAddress, &probe.instruction, sizeof(probe.instruction));
  uc_ctl_remove_cache(uc, kCodeAddress, kCodeAddress + 4);
  uc_emu_start(uc, kCodeAddress, 0, 0, 0);
  uc_context_save(uc, context);
  const auto* bytes = reinterpret_cast<const std::byte*>(context);
  for (size_t offset = 0; offset + 24 <= uc_context_size(uc); offset += 4) {
    if (Matches(bytes + offset, probe)) found.insert(offset);
  }
  return found;
}

}  // namespace

absl::StatusOr<ContextLayout> Engine::Calibrate() {
  unsigned major = 0, minor = 0;
  uc_version(&major, &minor);
  const std::string version = Version();
  if (major != 2 || minor < 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("Unicorn ", version,
                     " does not fit: firn needs 2.1 or newer (older ones look memory up by "
                     "virtual address)"));
  }
  absl::StatusOr<std::unique_ptr<Engine>> engine = Open({}, nullptr);
  if (!engine.ok()) return engine.status();
  uc_engine* uc = (*engine)->uc_;
  uc_hook handle;
  uc_hook_add(uc, &handle, UC_HOOK_INTR, reinterpret_cast<void*>(StopHook), nullptr, 1, 0);
  uc_mem_map(uc, kCodeAddress, 0x1000, UC_PROT_ALL);

  // SVC to EL1 twice and HVC to EL2, each with an immediate of its own (ESR EC 0x15, 0x16; IL).
  constexpr Probe kProbes[] = {
      {0xd4000001 | 0x5a31 << 5, 0x15u << 26 | 1u << 25 | 0x5a31, 1},
      {0xd4000001 | 0x2b97 << 5, 0x15u << 26 | 1u << 25 | 0x2b97, 1},
      {0xd4000002 | 0x1c75 << 5, 0x16u << 26 | 1u << 25 | 0x1c75, 2},
  };
  std::set<size_t> offsets = Candidates(uc, (*engine)->scratch_, kProbes[0]);
  for (const Probe& probe : kProbes) {
    std::set<size_t> both;
    for (size_t offset : Candidates(uc, (*engine)->scratch_, probe)) {
      if (offsets.contains(offset)) both.insert(offset);
    }
    offsets = std::move(both);
  }
  if (offsets.size() != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("Unicorn ", version, " does not fit: its exception record is in ",
                     offsets.size(), " places of a saved context instead of one"));
  }
  return ContextLayout{.exception_offset = *offsets.begin()};
}

}  // namespace firn::software
