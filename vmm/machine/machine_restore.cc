// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Machine's restore.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "arch-aarch64/memory_layout.h"
#include "arch-aarch64/vcpu_state.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "migration/section.h"
#include "vmm/machine/device_plan.h"
#include "vmm/machine/entropy_state.pb.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/snapshot_sections.h"

namespace firn {
namespace {

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

GuestCounters CountersOf(const state::Manifest& manifest) {
  GuestCounters counters = {.virtual_count = manifest.counter(), .physical_count = std::nullopt};
  if (manifest.has_physical_counter()) {
    counters.physical_count = manifest.physical_counter();
  } else if (manifest.hypervisor() == "software") {
    counters.physical_count = manifest.counter();  // before this field they were one
  }
  return counters;
}

}  // namespace

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
  const absl::StatusOr<std::string_view> registers = snapshot.Section(kRegistersSection);
  if (!registers.ok()) return registers.status();
  return interrupt_controller_->RestoreRegisters(*registers);
}

absl::Status Machine::RestoreMemory(const Snapshot& snapshot, const RestoreRequest& request) {
  absl::StatusOr<std::unique_ptr<RestoredMemory>> restored =
      RestoredMemory::Load(snapshot, request, *memory_, *this, host_.end_fd);
  if (!restored.ok()) return restored.status();
  restored_memory_ = *std::move(restored);
  return absl::OkStatus();
}

// Zeros come next in the place of what is lost: what a vCPU makes of them reaches nobody.
void Machine::OnMemoryLost(const absl::Status& why) {
  memory_lost_ = true;
  halted_ = true;
  serial_console_.Mute();
  virtio_console_.Mute();
  if (!ended_.exchange(true) && !absl::IsCancelled(why)) {
    on_end_({MachineEnd::Kind::kHostError, std::string(why.message())});
  }
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
  paused_counters_ = CountersOf(manifest);
  is_paused_ = true;
  return SetGuestCounters(*vcpus_[0], paused_counters_);
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
  const absl::StatusOr<std::string_view> tables = snapshot.Section(kTablesSection);
  if (!tables.ok()) return tables.status();
  const absl::StatusOr<std::string_view> registers = snapshot.Section(kRegistersSection);
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
    status = machine->devices_->RenewIdentity(machine->paused_counters_.virtual_count);
    if (!status.ok()) return Annotate(status, "a new identity");
  }
  // What was rung for was served before the save (Freeze), but for output to a console that had no
  // room. So this finds, besides, only what the guest has not rung for yet. To be served early does
  // it no harm, but a saved machine of a deterministic hypervisor went on without.
  if (!host.hypervisor.is_deterministic() ||
      snapshot.manifest().hypervisor() != host.hypervisor.name()) {
    machine->devices_->ServeQueues();
  }
  host.timeline.Mark("machine restored");
  machine->ended_ = false;
  status = machine->MemoryStatus();
  // Lost at this moment: either this error tells it, or the machine's end does.
  if (!status.ok() && machine->ended_.exchange(true)) status = absl::OkStatus();
  if (status.ok()) status = machine->StartThreads();
  if (!status.ok()) return status;
  return machine;
}

}  // namespace firn
