// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Gicv3's save and restore. Which register is written when stands in gicv3_registers.h.
// Source: arm-vgic-its.rst, "ITS Restore Sequence".
#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "arch-aarch64/gicv3.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/kvm_abi.h"

namespace firn {
namespace {

template <typename Message>
absl::StatusOr<Message> Parse(std::string_view bytes) {
  Message message;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "GICv3: the saved state is damaged: ", bytes.size(), " bytes that are no such message"));
  }
  return message;
}

// Of moving tables to and from guest memory.
absl::Status ExplainTables(const absl::Status& status, std::string_view owner,
                           std::string_view call) {
  std::string_view remedy;
  switch (GetErrno(status)) {
    case EBUSY:
      remedy = "KVM wants every vCPU out of KVM_RUN";
      break;
    case EFAULT:
    case EINVAL:
      remedy =
          "the guest's tables of LPIs are not where its registers say, or hold nonsense; only "
          "the guest can mend that";
      break;
    case EACCES:
      remedy =
          "a device injects LPIs directly (GICv4), and this host cannot read their state: "
          "detach it first";
      break;
    default:
      break;
  }
  return Annotate(Suggest(status, remedy), absl::StrCat(owner, ": ", call));
}

}  // namespace

absl::StatusOr<Gicv3Devices> Gicv3::StatefulDevices() const {
  if (!initialised_) return absl::FailedPreconditionError("GICv3: save or restore before Init");
  return Gicv3Devices{.gic = &device_, .its = its_, .spi_count = spi_count_, .vcpu_ids = vcpu_ids_};
}

absl::StatusOr<std::string> Gicv3::SaveTables() {
  if (const auto devices = StatefulDevices(); !devices.ok()) return devices.status();
  absl::Status status =
      ExplainTables(device_.SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlSavePendingTables, 0), "GICv3",
                    "KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES");
  if (status.ok() && its_ != nullptr) {
    status = ExplainTables(its_->SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlItsSaveTables, 0), "ITS",
                           "KVM_DEV_ARM_ITS_SAVE_TABLES");
  }
  if (!status.ok()) return status;
  state::Gicv3Tables tables;
  tables.set_has_pending_tables(true);
  tables.set_has_its_tables(its_ != nullptr);
  return tables.SerializeAsString();
}

absl::StatusOr<std::string> Gicv3::SaveRegisters() {
  const absl::StatusOr<Gicv3Devices> devices = StatefulDevices();
  if (!devices.ok()) return devices.status();
  const absl::StatusOr<state::Gicv3> state = SaveGicv3Registers(*devices);
  if (!state.ok()) return state.status();
  return state->SerializeAsString();
}

absl::Status Gicv3::RestoreRegisters(std::string_view state) {
  const absl::StatusOr<Gicv3Devices> devices = StatefulDevices();
  if (!devices.ok()) return devices.status();
  const absl::StatusOr<state::Gicv3> parsed = Parse<state::Gicv3>(state);
  if (!parsed.ok()) return parsed.status();
  absl::Status status = CheckGicv3Registers(*devices, *parsed);
  return status.ok() ? RestoreGicv3Registers(*devices, *parsed, Gicv3Phase::kRegisters) : status;
}

absl::Status Gicv3::RestoreTables(std::string_view state) {
  if (const auto devices = StatefulDevices(); !devices.ok()) return devices.status();
  const absl::StatusOr<state::Gicv3Tables> tables = Parse<state::Gicv3Tables>(state);
  if (!tables.ok()) return tables.status();
  if (!tables->has_pending_tables() || tables->has_its_tables() != (its_ != nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "GICv3: the saved state is damaged: it has ", tables->has_pending_tables() ? "" : "no ",
        "pending tables and ", tables->has_its_tables() ? "" : "no ",
        "ITS tables, and this VM has pending tables and ", its_ != nullptr ? "an" : "no", " ITS"));
  }
  // Pending bits come back with the ITS's tables, which say what LPIs there are.
  if (its_ == nullptr) return absl::OkStatus();
  return ExplainTables(its_->SetAttr(kvm::kVgicGrpCtrl, kvm::kVgicCtrlItsRestoreTables, 0), "ITS",
                       "KVM_DEV_ARM_ITS_RESTORE_TABLES");
}

absl::Status Gicv3::RestoreEnables(std::string_view state) {
  const absl::StatusOr<Gicv3Devices> devices = StatefulDevices();
  if (!devices.ok()) return devices.status();
  const absl::StatusOr<state::Gicv3> parsed = Parse<state::Gicv3>(state);
  if (!parsed.ok()) return parsed.status();
  absl::Status status = CheckGicv3Registers(*devices, *parsed);
  return status.ok() ? RestoreGicv3Registers(*devices, *parsed, Gicv3Phase::kEnables) : status;
}

}  // namespace firn
