// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The hash of a machine's state, by which runs are compared.
#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/crc/crc32c.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/snapshot_sections.h"

namespace firn {

std::string StateHash::ToString() const { return absl::StrFormat("%08x-%08x", state, memory); }

absl::StatusOr<StateHash> Machine::Hash() {
  absl::Status status = FinishLoading();
  if (!status.ok()) return status;
  status = devices_->Freeze();
  if (!status.ok()) return status;
  const absl::Cleanup thaw = [this] { devices_->Thaw().IgnoreError(); };
  StateFile state;
  absl::StatusOr<std::string> tables = interrupt_controller_->SaveTables();
  if (!tables.ok()) return tables.status();
  state.Add(kTablesSection, *std::move(tables));
  status = SaveRegisters(state);
  if (!status.ok()) return status;
  state.Add("counter",
            absl::StrCat(paused_counters_.virtual_count, " ",
                         paused_counters_.physical_count.value_or(0), " ", instructions()));
  StateHash hash = {.state = static_cast<uint32_t>(absl::ComputeCrc32c(EncodeStateFile(state))),
                    .memory = 0};

  const absl::StatusOr<PageSet> pages = PagesWithContent();
  if (!pages.ok()) return pages.status();
  const PageTable table(memory_->regions());
  absl::crc32c_t crc(0);
  for (PageRun run = pages->NextRun(0); run.count > 0; run = pages->NextRun(run.end())) {
    for (uint64_t page = run.first; page < run.end(); ++page) {
      const absl::Span<std::byte> host = table.Host({page, 1});
      // A page that is zero counts as one that was never touched.
      if (IsZeroPage(host.data())) continue;
      const std::string_view bytes(reinterpret_cast<const char*>(host.data()), host.size());
      crc = absl::ExtendCrc32c(crc, {reinterpret_cast<const char*>(&page), sizeof(page)});
      crc = absl::ExtendCrc32c(crc, bytes);
    }
  }
  hash.memory = static_cast<uint32_t>(crc);
  return hash;
}

absl::Status Machine::SetInstructionLimit(std::optional<uint64_t> limit) {
  if (limit) *limit -= std::min(*limit, instructions_before_);
  return vm_->SetInstructionLimit(limit);
}

}  // namespace firn
