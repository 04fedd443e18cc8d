// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machine's save and restore.
#include "vmm/machine_snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/crc/crc32c.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/vcpu_state.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "migration/chain.h"
#include "migration/page_scan.h"
#include "migration/section.h"
#include "migration/snapshot_writer.h"
#include "vmm/config_to_json.h"
#include "vmm/device_plan.h"
#include "vmm/entropy_state.pb.h"
#include "vmm/machine.h"
#include "vmm/snapshot_schema.h"
#include "vmm/version.h"

namespace firn {
namespace {

constexpr std::string_view kTables = "gic/tables";
constexpr std::string_view kRegisters = "gic/registers";

std::string VcpuSection(uint32_t id) { return absl::StrCat("vcpu/", id); }

SnapshotId NewSnapshotId() {
  SnapshotId id;
  HostEntropy().Fill(absl::MakeSpan(reinterpret_cast<std::byte*>(id.data()), id.size()));
  return id;
}

std::string_view BytesOf(const SnapshotId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

absl::Status Differs(std::string_view what, const std::string& snapshot,
                     const std::string& machine) {
  return absl::FailedPreconditionError(absl::StrCat("the snapshot is of a machine with ", snapshot,
                                                    " ", what, ", this one has ", machine));
}

absl::Status CheckManifest(const Snapshot& snapshot, const VmConfig& config,
                           const MemoryLayout& layout) {
  const state::Manifest& manifest = snapshot.manifest();
  if (manifest.vcpus() != config.machine.vcpu_count) {
    return Differs("vCPUs", absl::StrCat(manifest.vcpus()),
                   absl::StrCat(config.machine.vcpu_count));
  }
  const auto same = [](const GuestRange& a, const GuestRange& b) {
    return a.base() == b.base() && a.size() == b.size();
  };
  const auto& ram = layout.ram();
  if (!std::equal(ram.begin(), ram.end(), snapshot.regions().begin(), snapshot.regions().end(),
                  same)) {
    return Differs("bytes of memory", absl::StrCat(manifest.memory_size()),
                   absl::StrCat(config.machine.memory_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string StateHash::ToString() const { return absl::StrFormat("%08x-%08x", state, memory); }

// ---- Restore

absl::Status Machine::ChooseFeatures(const Snapshot* snapshot) {
  features_ = ProbeVcpuFeatures(*vm_);
  if (snapshot == nullptr) return absl::OkStatus();
  const state::Manifest& manifest = snapshot->manifest();
  const uint32_t host = features_.InitBits();
  const auto wants = [&](uint32_t feature) {
    return (manifest.vcpu_features() & uint32_t{1} << feature) != 0;
  };
  features_.pauth = features_.pauth && wants(kvm::kArmVcpuPtrauthAddress);
  features_.sve = features_.sve && wants(kvm::kArmVcpuSve);
  features_.pmu = features_.pmu && wants(kvm::kArmVcpuPmuV3);
  if (features_.InitBits() != manifest.vcpu_features()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the snapshot is of vCPUs with features 0x%x, this host has 0x%x (SVE, "
        "pointer authentication, PMU): restore it on a host like the one it was made on",
        manifest.vcpu_features(), host));
  }
  if (features_.sve) {
    if (manifest.sve_vector_lengths_size() != std::tuple_size_v<SveVectorLengths>) {
      return absl::DataLossError("manifest: the vector lengths of SVE are missing");
    }
    features_.sve_vector_lengths.emplace();
    std::copy(manifest.sve_vector_lengths().begin(), manifest.sve_vector_lengths().end(),
              features_.sve_vector_lengths->begin());
  }
  return absl::OkStatus();
}

absl::Status Machine::RestoreRegisters(const Snapshot& snapshot) {
  for (const std::unique_ptr<Vcpu>& vcpu : vcpus_) {
    const absl::StatusOr<state::Vcpu> state =
        ParseSection<state::Vcpu>(snapshot.state(), VcpuSection(vcpu->id()));
    if (!state.ok()) return state.status();
    if (absl::Status status = RestoreVcpu(*vcpu, *state); !status.ok()) return status;
  }
  const absl::StatusOr<std::string_view> registers = snapshot.Section(kRegisters);
  if (!registers.ok()) return registers.status();
  return interrupt_controller_->RestoreRegisters(*registers);
}

absl::Status Machine::RestoreMemory(const Snapshot& snapshot, const RestoreRequest& request) {
  absl::StatusOr<std::unique_ptr<RestoredMemory>> restored =
      RestoredMemory::Load(snapshot, request, *memory_, *this);
  if (!restored.ok()) return restored.status();
  restored_memory_ = *std::move(restored);
  return absl::OkStatus();
}

void Machine::OnMemoryLost(const absl::Status& why) {
  if (!ended_.exchange(true)) on_end_({MachineEnd::Kind::kHostError, std::string(why.message())});
  halted_ = true;
}

// Not before: a vCPU may hold the hypervisor's lock while it waits for memory.
void Machine::OnMemoryReleased() {
  for (const std::unique_ptr<Vcpu>& vcpu : vcpus_) vcpu->Kick();
}

std::string Machine::restore_note() const {
  return restored_memory_ == nullptr ? "" : restored_memory_->note();
}

absl::Status Machine::FinishRecording() {
  return restored_memory_ == nullptr ? absl::OkStatus() : restored_memory_->FinishRecording();
}

absl::Status Machine::MemoryStatus() const {
  return restored_memory_ == nullptr ? absl::OkStatus() : restored_memory_->status();
}

absl::Status Machine::FinishLoading(const Progress& progress) {
  return restored_memory_ == nullptr ? absl::OkStatus() : restored_memory_->FinishLoading(progress);
}

absl::Status Machine::RestoreTime(const Snapshot& snapshot) {
  const state::Manifest& manifest = snapshot.manifest();
  if (manifest.counter_frequency() != vm_->CounterFrequency()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot's counter runs at ", manifest.counter_frequency(),
                     " Hz, this host's at ", vm_->CounterFrequency(), " Hz"));
  }
  instructions_before_ = manifest.instructions();
  // Set once more when the vCPUs are let in.
  paused_counter_ = manifest.counter();
  is_paused_ = true;
  return SetRegisterU64(*vcpus_[0], kvm::kTimerCnt, paused_counter_);
}

absl::StatusOr<std::unique_ptr<Machine>> Machine::Restore(
    const VmConfig& config, const MachineHost& host, const Snapshot& snapshot,
    const RestoreRequest& request, std::function<void(const MachineEnd&)> on_end) {
  const absl::StatusOr<MemoryLayout> layout = LayoutOf(config, host.hypervisor);
  if (!layout.ok()) return layout.status();
  absl::Status status = CheckManifest(snapshot, config, *layout);
  if (!status.ok()) return status;
  const absl::StatusOr<DevicePlan> plan = PlanDevices(config);
  if (!plan.ok()) return plan.status();

  std::unique_ptr<Machine> machine(new Machine(host, std::move(on_end)));
  status = machine->CreateVm(config, *plan, *layout, &snapshot);
  if (!status.ok()) return status;
  InterruptController& gic = *machine->interrupt_controller_;
  if (gic.name() != snapshot.manifest().interrupt_controller()) {
    return Differs("as interrupt controller", snapshot.manifest().interrupt_controller(),
                   std::string(gic.name()));
  }
  if (gic.spi_count() != snapshot.manifest().spis()) {
    return Differs("SPIs", absl::StrCat(snapshot.manifest().spis()), absl::StrCat(gic.spi_count()));
  }
  const absl::StatusOr<std::string_view> tables = snapshot.Section(kTables);
  if (!tables.ok()) return tables.status();
  const absl::StatusOr<std::string_view> registers = snapshot.Section(kRegisters);
  if (!registers.ok()) return registers.status();

  // Memory that is lost meanwhile is an error of the restore.
  machine->ended_ = true;
  status = WalkPhases(request.order, host.trace, [&](RestorePhase phase) -> absl::Status {
    switch (phase) {
      case RestorePhase::kMemory:
        return machine->RestoreMemory(snapshot, request);
      case RestorePhase::kRegisters:
        return machine->RestoreRegisters(snapshot);
      case RestorePhase::kInterruptTables:
        return gic.RestoreTables(*tables);
      case RestorePhase::kInterruptEnables:
        return gic.RestoreEnables(*registers);
      case RestorePhase::kDevices:
        return machine->CreateDevices(config, *plan, &snapshot);
      case RestorePhase::kTime:
        return machine->RestoreTime(snapshot);
    }
    return absl::InternalError("unknown phase");
  });
  if (!status.ok()) return status;
  if (request.load != MemoryLoad::kEager) machine->stored_pages_ = snapshot.StoredPages();
  machine->base_ = {snapshot.id(), snapshot.paths().state};
  if (request.keep_identity && snapshot.state().Find("entropy") != nullptr) {
    const absl::StatusOr<state::Entropy> entropy =
        ParseSection<state::Entropy>(snapshot.state(), "entropy");
    if (!entropy.ok()) return entropy.status();
    if (!host.entropy.Restore(
            std::vector<uint64_t>(entropy->words().begin(), entropy->words().end()))) {
      return absl::DataLossError("section entropy: words of no generator");
    }
  }
  if (!request.keep_identity) {
    status = machine->devices_->RenewIdentity(machine->paused_counter_);
    if (!status.ok()) return Annotate(status, "a new identity");
  }
  // What was rung for was served before the save (Freeze), so this finds only what the guest has
  // not rung for yet. To be served early does it no harm, but the saved machine went on without.
  if (!host.hypervisor.is_deterministic()) machine->devices_->ServeQueues();
  host.timeline.Mark("machine restored");
  machine->ended_ = false;
  status = machine->MemoryStatus();
  if (status.ok()) status = machine->StartThreads();
  if (!status.ok()) return status;
  return machine;
}

// ---- Save

absl::Status Machine::SaveRegisters(StateFile& state) {
  const absl::StatusOr<std::string> registers = interrupt_controller_->SaveRegisters();
  if (!registers.ok()) return registers.status();
  state.Add(kRegisters, *registers);
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

absl::StatusOr<PageSet> Machine::CollectDirty() {
  const PageTable table(memory_->regions());
  PageSet pages(table.pages());
  for (size_t i = 0; i < table.regions(); ++i) {
    const absl::StatusOr<std::vector<uint64_t>> guest = vm_->GetDirtyLog(static_cast<uint32_t>(i));
    if (!guest.ok()) return Annotate(guest.status(), "dirty log");
    const absl::StatusOr<std::vector<uint64_t>> own = memory_->TakeDirty(i);
    if (!own.ok()) return Annotate(own.status(), "dirty log");
    pages.MergeBitmap(table.FirstPage(i), table.RegionPages(i), *guest);
    pages.MergeBitmap(table.FirstPage(i), table.RegionPages(i), *own);
  }
  // A save that fails must not lose them.
  dirty_pages_.Merge(pages);
  return pages;
}

absl::StatusOr<PageSet> Machine::PagesToSave(const SaveRequest& request) const {
  if (request.incremental) return dirty_pages_;
  absl::StatusOr<PageSet> pages = OwnPages(*memory_);
  if (pages.ok()) pages->Merge(stored_pages_);
  return pages;
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
  manifest.set_id(std::string(BytesOf(id)));
  const std::string folder = FolderOf(request.paths.state);
  if (request.incremental) {
    manifest.mutable_parent()->set_id(std::string(BytesOf(base_->id)));
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
  manifest.set_counter(paused_counter_);
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
    absl::Status can =
        CheckNewLayer(*request.files, request.paths.state, base_->state_path, base_->id);
    if (!can.ok()) return can;
  }
  absl::Status status;
  // Before the guest stands still. An incremental save needs only what was written, which is there.
  if (!request.incremental && restored_memory_ != nullptr) {
    host_.loop.RunBeside([&] { status = FinishLoading(request.progress); });
  }
  if (!status.ok()) return status;
  const SnapshotId id = NewSnapshotId();
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
    if (std::exchange(is_frozen, false)) result.Update(devices_->Thaw());
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
        return Pause();
      case SavePhase::kDrainDevices:
        is_frozen = true;
        return devices_->Freeze();
      case SavePhase::kInterruptTables: {
        absl::StatusOr<std::string> tables = interrupt_controller_->SaveTables();
        if (!tables.ok()) return tables.status();
        state.Add(kTables, *std::move(tables));
        return absl::OkStatus();
      }
      case SavePhase::kRegisters: {
        const absl::StatusOr<state::Manifest> manifest = DescribeSnapshot(request, id);
        if (!manifest.ok()) return manifest.status();
        state.sections.insert(state.sections.begin(),
                              {"manifest", true, manifest->SerializeAsString()});
        VmConfig config = config_;
        config.software.stop_at.reset();
        state.Add("config", ConfigToJson(config));
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

absl::StatusOr<StateHash> Machine::Hash() {
  absl::Status status = FinishLoading();
  if (!status.ok()) return status;
  status = devices_->Freeze();
  if (!status.ok()) return status;
  const absl::Cleanup thaw = [this] { devices_->Thaw().IgnoreError(); };
  StateFile state;
  absl::StatusOr<std::string> tables = interrupt_controller_->SaveTables();
  if (!tables.ok()) return tables.status();
  state.Add(kTables, *std::move(tables));
  status = SaveRegisters(state);
  if (!status.ok()) return status;
  state.Add("counter", absl::StrCat(paused_counter_, " ", instructions()));
  StateHash hash = {.state = static_cast<uint32_t>(absl::ComputeCrc32c(EncodeStateFile(state))),
                    .memory = 0};

  absl::StatusOr<PageSet> pages = OwnPages(*memory_);
  if (!pages.ok()) return pages.status();
  pages->Merge(stored_pages_);
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
