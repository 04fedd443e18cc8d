// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machine's save.
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/vcpu_state.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "migration/chain.h"
#include "migration/page_scan.h"
#include "migration/snapshot_writer.h"
#include "vmm/base/version.h"
#include "vmm/config/config_to_json.h"
#include "vmm/machine/entropy_state.pb.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/snapshot_schema.h"
#include "vmm/machine/snapshot_sections.h"

namespace firn {
namespace {

// What a restore needs of the configuration, wherever its process runs.
std::string SavedConfig(VmConfig config) {
  config.software.stop_at.reset();
  const auto make_absolute = [](std::string& path) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    if (!error) path = absolute.lexically_normal().string();
  };
  for (DriveConfig& drive : config.drives) make_absolute(drive.path_on_host);
  make_absolute(config.boot_source.kernel_image_path);
  if (config.boot_source.initrd_path) make_absolute(*config.boot_source.initrd_path);
  if (config.console.output == ConsoleConfig::Output::kFile) make_absolute(config.console.path);
  return ConfigToJson(config);
}

}  // namespace

absl::Status Machine::SaveRegisters(StateFile& state) {
  const absl::StatusOr<std::string> registers = interrupt_controller_->SaveRegisters();
  if (!registers.ok()) return registers.status();
  state.Add(kRegistersSection, *registers);
  for (const std::unique_ptr<Vcpu>& vcpu : vcpus_) {
    const absl::StatusOr<state::Vcpu> saved = SaveVcpu(*vcpu);
    if (!saved.ok()) return saved.status();
    state.Add(VcpuSection(vcpu->id()), saved->SerializeAsString());
  }
  devices_->Save(state);
  const std::vector<uint64_t> words = host_.entropy.Save();
  if (!words.empty()) {
    state::Entropy entropy;
    for (const uint64_t word : words) entropy.add_words(word);
    state.Add("entropy", entropy.SerializeAsString(), /*mandatory=*/false);
  }
  return absl::OkStatus();
}

// A guest may end while its memory is written, and a vCPU that has ended counts as paused.
absl::Status Machine::PauseToSave() {
  absl::Status status = Pause();
  if (!status.ok()) return status;
  return ended_ ? absl::FailedPreconditionError("the guest has ended: there is nothing to save")
                : absl::OkStatus();
}

absl::StatusOr<PageSet> Machine::CollectDirty() {
  const PageTable table(memory_->regions());
  PageSet pages(table.pages());
  // What a log has given it gives once: a save that fails, also at the next region's, must not lose
  // it.
  const auto add = [&](size_t region, const std::vector<uint64_t>& bitmap) {
    for (PageSet* set : {&pages, &dirty_pages_}) {
      set->MergeBitmap(table.FirstPage(region), table.RegionPages(region), bitmap);
    }
  };
  for (size_t i = 0; i < table.regions(); ++i) {
    const absl::StatusOr<std::vector<uint64_t>> guest = vm_->GetDirtyLog(static_cast<uint32_t>(i));
    if (!guest.ok()) return Annotate(guest.status(), "dirty log");
    add(i, *guest);
    const absl::StatusOr<std::vector<uint64_t>> own = memory_->TakeDirty(i);
    if (!own.ok()) return Annotate(own.status(), "dirty log");
    add(i, *own);
  }
  return pages;
}

absl::StatusOr<PageSet> Machine::PagesWithContent() const {
  absl::StatusOr<PageSet> pages = OwnPages(*memory_);
  if (pages.ok() && stored_pages_.pages() > 0) pages->Merge(stored_pages_);
  return pages;
}

absl::StatusOr<PageSet> Machine::PagesToSave(const SaveRequest& request) const {
  return request.incremental ? dirty_pages_ : PagesWithContent();
}

absl::Status Machine::SaveRunningMemory(const SaveRequest& request, MemoryFileWriter& writer) {
  if (absl::StatusOr<PageSet> dirty = CollectDirty(); !dirty.ok()) return dirty.status();
  const absl::StatusOr<PageSet> pages = PagesToSave(request);
  if (!pages.ok()) return pages.status();
  absl::Status status;
  host_.loop.RunBeside([&] { status = writer.Write(*pages, request.progress); });
  return status;
}

absl::Status Machine::SaveMemory(const SaveRequest& request, MemoryFileWriter& writer) {
  if (!config_.machine.track_dirty_pages) {
    const absl::StatusOr<PageSet> pages = PagesToSave(request);
    return pages.ok() ? writer.Write(*pages, request.progress) : pages.status();
  }
  absl::StatusOr<PageSet> dirty = CollectDirty();
  if (!dirty.ok()) return dirty.status();
  // What was written before is in the file already.
  if (writer.pages_listed() > 0) return writer.Write(*dirty, request.progress);
  const absl::StatusOr<PageSet> pages = PagesToSave(request);
  return pages.ok() ? writer.Write(*pages, request.progress) : pages.status();
}

absl::StatusOr<state::Manifest> Machine::DescribeSnapshot(const SaveRequest& request,
                                                          const SnapshotId& id) const {
  state::Manifest manifest;
  manifest.set_id(std::string(IdBytes(id)));
  const std::string folder = FolderOf(request.paths.state);
  if (request.incremental) {
    manifest.mutable_parent()->set_id(std::string(IdBytes(base_->id)));
    manifest.mutable_parent()->set_path(RelativeTo(folder, base_->state_path));
  }
  manifest.set_memory_path(RelativeTo(folder, request.paths.memory));
  manifest.set_writer(absl::StrCat("firn ", kVersion));
  manifest.set_architecture("aarch64");
  manifest.set_created(absl::ToUnixNanos(absl::Now()));
  manifest.set_hypervisor(std::string(host_.hypervisor.name()));
  manifest.set_interrupt_controller(std::string(interrupt_controller_->name()));
  manifest.set_spis(interrupt_controller_->spi_count());
  manifest.set_vcpus(static_cast<uint32_t>(vcpus_.size()));
  manifest.set_memory_size(memory_->size());
  manifest.set_counter(paused_counters_.virtual_count);
  if (paused_counters_.physical_count) {
    manifest.set_physical_counter(*paused_counters_.physical_count);
  }
  manifest.set_counter_frequency(vm_->CounterFrequency());
  manifest.set_instructions(instructions());
  manifest.set_vcpu_features(features_.InitBits());
  if (features_.sve) {
    SveVectorLengths lengths;
    absl::Status status = vcpus_[0]->GetRegister(
        kvm::kSveVectorLengths,
        absl::MakeSpan(reinterpret_cast<std::byte*>(lengths.data()), sizeof(lengths)));
    if (!status.ok()) return Annotate(status, "the vector lengths of SVE");
    for (const uint64_t word : lengths) manifest.add_sve_vector_lengths(word);
  }
  return manifest;
}

absl::StatusOr<SavedSnapshot> Machine::Save(const SaveRequest& request) {
  if (request.incremental && !config_.machine.track_dirty_pages) {
    return absl::FailedPreconditionError(
        "an incremental snapshot needs the pages that the guest writes to be tracked: set "
        "track_dirty_pages in machine-config");
  }
  if (request.incremental && !base_) {
    return absl::FailedPreconditionError(
        "there is no snapshot yet for an incremental one to lie on: make a full one first");
  }
  if (request.incremental) {
    absl::Status can = CheckNewLayer(*request.files, request.paths, base_->state_path, base_->id);
    if (!can.ok()) return can;
  }
  absl::Status status;
  // Before the guest stands still. An incremental save needs only what was written, which is there.
  if (!request.incremental && restored_memory_ != nullptr) {
    host_.loop.RunBeside([&] { status = FinishLoading(request.progress); });
  }
  if (!status.ok()) return status;
  HostEntropy entropy;
  const auto id = Draw<SnapshotId>(entropy);
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> files =
      SnapshotWriter::Begin(*request.files, request.paths, id);
  if (!files.ok()) return files.status();
  MemoryFileWriter memory(*memory_, (*files)->memory(), /*keep_zeros=*/request.incremental);
  status = memory.Begin();
  if (!status.ok()) return status;

  const bool was_paused = is_paused_;
  bool is_frozen = false;
  absl::Time paused_at;
  SavedSnapshot saved;
  saved.id = id;
  const auto go_on = [&]() -> absl::Status {
    absl::Status result;
    if (is_frozen) {
      // Once more at the end if this fails: without its interrupts the guest would wait for ever.
      result = devices_->Thaw();
      is_frozen = !result.ok();
    }
    if (!was_paused && is_paused_) {
      result.Update(Resume());
      saved.pause = absl::Now() - paused_at;
    }
    return result;
  };
  StateFile state;
  status = WalkPhases(request.order, host_.trace, [&](SavePhase phase) -> absl::Status {
    switch (phase) {
      case SavePhase::kRunningMemory:
        if (was_paused || !config_.machine.track_dirty_pages) return absl::OkStatus();
        return SaveRunningMemory(request, memory);
      case SavePhase::kPauseVcpus:
        paused_at = absl::Now();
        return PauseToSave();
      case SavePhase::kDrainDevices:
        is_frozen = true;
        return devices_->Freeze();
      case SavePhase::kInterruptTables: {
        absl::StatusOr<std::string> tables = interrupt_controller_->SaveTables();
        if (!tables.ok()) return tables.status();
        state.Add(kTablesSection, *std::move(tables));
        return absl::OkStatus();
      }
      case SavePhase::kRegisters: {
        const absl::StatusOr<state::Manifest> manifest = DescribeSnapshot(request, id);
        if (!manifest.ok()) return manifest.status();
        state.sections.insert(state.sections.begin(),
                              {"manifest", true, manifest->SerializeAsString()});
        state.Add("config", SavedConfig(config_));
        return SaveRegisters(state);
      }
      case SavePhase::kMemory: {
        const absl::Status saved_memory = SaveMemory(request, memory);
        // Nothing that stands for lost memory gets into a snapshot.
        return saved_memory.ok() ? MemoryStatus() : saved_memory;
      }
      case SavePhase::kResume:
        return go_on();
      case SavePhase::kPublish: {
        absl::Status published;
        host_.loop.RunBeside([&] {
          published = memory.Finish(id);
          // The base may have been compacted meanwhile.
          if (published.ok() && request.incremental) {
            published = CheckNewLayer(*request.files, request.paths, base_->state_path, base_->id);
          }
          if (!published.ok()) return;
          state.Add("memory", memory.State().SerializeAsString());
          state.Add("schema", SnapshotSchema(interrupt_controller_->name()), /*mandatory=*/false);
          published = (*files)->Publish(state);
        });
        return published;
      }
    }
    return absl::InternalError("unknown phase");
  });
  status.Update(go_on());
  if (!status.ok()) return status;
  // What the guest wrote since it was let in is in the dirty log.
  dirty_pages_.Clear();
  base_ = {id, request.paths.state};
  saved.pages = memory.pages_listed();
  saved.memory_bytes = memory.bytes_written();
  saved.state_bytes = (*files)->state_bytes();
  return saved;
}

}  // namespace firn
