// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unicorn's hooks give an exception's number but not its syndrome, and it fills no ESR_EL1. Nor has
// it a register for the exclusive monitor. Both are in the saved context; where, differs between
// versions. So they are searched for, and so is what a hook keeps (hooked_regions.h).
#include <unicorn/unicorn.h>

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "hypervisor/software/engine.h"
#include "hypervisor/software/hooked_regions.h"
#include "hypervisor/software/page_size.h"

namespace firn::software {
namespace {

constexpr uint64_t kCodeAddress = 0x10000;
constexpr uint64_t kDataAddress = kCodeAddress + 0x800;
constexpr uint32_t kSvc = 0xd4000001;
constexpr uint32_t kHvc = 0xd4000002;
constexpr uint32_t kLdxp = 0xc87f0c02;  // LDXP x2, x3, [x0]
constexpr uint64_t kNoneMarked = ~uint64_t{0};

// Something that is executed, up to its exception, and then leaves known values in the context.
constexpr size_t kPatternSize = 24;

// An exception: its syndrome, and 16 bytes behind it the level that takes it.
struct ExceptionProbe {
  uint32_t instruction;
  uint32_t syndrome;
  uint32_t target_el;

  void Execute(uc_engine* uc) const;
  bool Matches(const std::byte* bytes) const {
    return memcmp(bytes, &syndrome, sizeof(syndrome)) == 0 &&
           memcmp(bytes + 16, &target_el, sizeof(target_el)) == 0;
  }
};

// SVC to EL1 twice and HVC to EL2, each with an immediate of its own (ESR EC 0x15, 0x16; IL).
constexpr ExceptionProbe kExceptionProbes[] = {
    {kSvc | 0x5a31 << 5, 0x15u << 26 | 1u << 25 | 0x5a31, 1},
    {kSvc | 0x2b97 << 5, 0x15u << 26 | 1u << 25 | 0x2b97, 1},
    {kHvc | 0x1c75 << 5, 0x16u << 26 | 1u << 25 | 0x1c75, 2},
};

// An exclusive load of two words: their address and the words. (Those are in registers too, but not
// behind the address.)
struct MonitorProbe {
  uint64_t address;
  uint64_t words[2];

  void Execute(uc_engine* uc) const;
  bool Matches(const std::byte* bytes) const {
    return memcmp(bytes, &address, sizeof(address)) == 0 &&
           memcmp(bytes + sizeof(address), words, sizeof(words)) == 0;
  }
};

constexpr MonitorProbe kMonitorProbes[] = {
    {kDataAddress, {0x0123'4567'89ab'cdef, 0x1f2e'3d4c'5b6a'7988}},
    {kDataAddress + 0x40, {0xfedc'ba98'7654'3210, 0x8091'a2b3'c4d5'e6f7}},
};

void StopHook(uc_engine* uc, uint32_t, void*) { uc_emu_stop(uc); }
void IgnoreBlock(uc_engine*, uint64_t, uint32_t, void*) {}

absl::Status DoesNotFit(std::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("Unicorn ", Engine::Version(), " does not fit: ", why));
}

void ExecuteCode(uc_engine* uc, absl::Span<const uint32_t> code) {
  const uint64_t size = code.size() * sizeof(uint32_t);
  uc_mem_write(uc, kCodeAddress, code.data(), size);
  uc_ctl_remove_cache(uc, kCodeAddress, kCodeAddress + size);
  uc_emu_start(uc, kCodeAddress, 0, 0, 0);
}

void ExceptionProbe::Execute(uc_engine* uc) const { ExecuteCode(uc, {instruction}); }

void MonitorProbe::Execute(uc_engine* uc) const {
  uc_mem_write(uc, address, words, sizeof(words));
  uc_reg_write(uc, UC_ARM64_REG_X0, &address);
  ExecuteCode(uc, {kLdxp, kSvc});
}

// The one offset at which contexts that were saved after each of `probes` hold what it leaves.
template <typename Probe>
absl::StatusOr<size_t> Find(uc_engine* uc, uc_context* context, std::string_view what,
                            absl::Span<const Probe> probes) {
  std::vector<size_t> offsets;
  for (size_t offset = 0; offset + kPatternSize <= uc_context_size(uc); offset += 4) {
    offsets.push_back(offset);
  }
  for (const Probe& probe : probes) {
    probe.Execute(uc);
    uc_context_save(uc, context);
    const auto* bytes = reinterpret_cast<const std::byte*>(context);
    std::erase_if(offsets, [&](size_t offset) { return !probe.Matches(bytes + offset); });
  }
  if (offsets.size() == 1) return offsets[0];
  return DoesNotFit(absl::StrCat("its ", what, " is in ", offsets.size(),
                                 " places of a saved context instead of one"));
}

}  // namespace

absl::StatusOr<EngineLayout> Engine::Calibrate() {
  unsigned major = 0, minor = 0;
  uc_version(&major, &minor);
  // Older ones look memory up by virtual address.
  if (major != 2 || minor < 1) {
    return DoesNotFit("firn needs 2.1 or a later 2.x");
  }
  const uint32_t page_size_argument = FindPageSizeArgument();
  Engine engine({.page_size_argument = page_size_argument});  // without hooks of its own
  if (absl::Status status = engine.OpenUnicorn(); !status.ok()) return status;
  if (absl::Status status = engine.SetResetState(); !status.ok()) return status;
  const absl::StatusOr<Context> context = engine.NewContext();
  if (!context.ok()) return context.status();
  uc_engine* uc = engine.uc_;
  uc_hook handle;
  uc_hook_add(uc, &handle, UC_HOOK_INTR, reinterpret_cast<void*>(StopHook), nullptr, 1, 0);
  uc_hook block_hook = 0;
  uc_hook_add(uc, &block_hook, UC_HOOK_BLOCK, reinterpret_cast<void*>(IgnoreBlock), uc, 1, 0);
  const std::optional<size_t> regions =
      HookedRegions::FindOffset(block_hook, reinterpret_cast<void*>(IgnoreBlock), uc);
  const bool was_empty = regions && HookedRegions(block_hook, *regions).size() == 0;
  uc_mem_map(uc, kCodeAddress, 0x1000, UC_PROT_ALL);

  const absl::StatusOr<size_t> exception =
      Find(uc, context->get(), "exception record", absl::MakeConstSpan(kExceptionProbes));
  if (!exception.ok()) return exception.status();
  const absl::StatusOr<size_t> monitor =
      Find(uc, context->get(), "exclusive monitor", absl::MakeConstSpan(kMonitorProbes));
  if (!monitor.ok()) return monitor.status();
  const auto* reset_state = reinterpret_cast<const std::byte*>(engine.reset_state_.get());
  if (memcmp(reset_state + *monitor, &kNoneMarked, sizeof(kNoneMarked)) != 0) {
    return DoesNotFit("its exclusive monitor marks something at reset");
  }
  // The table was empty at first; by now a block of each probe was translated, of two lengths at
  // one address.
  if (!was_empty || HookedRegions(block_hook, *regions).size() != 2) {
    return DoesNotFit("its hooks keep what they know of translated blocks elsewhere");
  }
  return EngineLayout{.exception_offset = *exception,
                      .monitor_offset = *monitor,
                      .hooked_regions_offset = *regions,
                      .page_size_argument = page_size_argument};
}

}  // namespace firn::software
