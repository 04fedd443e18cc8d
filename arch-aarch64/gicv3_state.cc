// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/gicv3_state.h"

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "hypervisor/errno_status.h"

namespace firn {
namespace {

std::string Hex(uint64_t value) { return absl::StrFormat("0x%x", value); }

// One distributor, redistributor, CPU interface or ITS.
struct Place {
  Device& device;
  std::string owner;      // for messages: "GICv3", "GICv3: vCPU 1"
  uint64_t affinity = 0;  // of MPIDR_EL1
  uint32_t spi_count = 0;
  size_t priority_registers = 0;
};

absl::Status Explain(const absl::Status& status) {
  if (GetErrno(status) == EBUSY) {
    return Suggest(status, "KVM wants every vCPU out of KVM_RUN and the GIC initialised");
  }
  return status;
}

// arm-vgic-v3.rst: attributes have the vCPU's affinity in bits 63:32, where it has any part.
uint64_t Attribute(const Place& place, kvm::VgicGroup group, uint64_t number) {
  return group == kvm::kVgicGrpItsRegs ? number : place.affinity << 32 | number;
}

// CPU_SYSREGS and ITS_REGS have values of 8 bytes; the rest has words, two of them for a 64-bit
// register.
bool IsWordGroup(kvm::VgicGroup group) {
  return group != kvm::kVgicGrpItsRegs && group != kvm::kVgicGrpCpuSysregs;
}

absl::StatusOr<uint64_t> Read(const Place& place, kvm::VgicGroup group, uint64_t number,
                              size_t width) {
  const uint64_t attr = Attribute(place, group, number);
  if (!IsWordGroup(group)) return GetAttrU64(place.device, group, attr);
  const absl::StatusOr<uint32_t> low = GetAttrU32(place.device, group, attr);
  if (!low.ok() || width == sizeof(uint32_t)) return low;
  const absl::StatusOr<uint32_t> high = GetAttrU32(place.device, group, attr + sizeof(uint32_t));
  if (!high.ok()) return high.status();
  return uint64_t{*high} << 32 | *low;
}

absl::Status Write(const Place& place, kvm::VgicGroup group, uint64_t number, size_t width,
                   uint64_t value) {
  const uint64_t attr = Attribute(place, group, number);
  if (!IsWordGroup(group)) return SetAttrU64(place.device, group, attr, value);
  absl::Status status = SetAttrU32(place.device, group, attr, static_cast<uint32_t>(value));
  if (!status.ok() || width == sizeof(uint32_t)) return status;
  return SetAttrU32(place.device, group, attr + sizeof(uint32_t),
                    static_cast<uint32_t>(value >> 32));
}

template <typename Message>
size_t CountOf(const Gicv3Register<Message>& row, const Place& place) {
  switch (row.count.of) {
    case Gicv3Count::Of::kSpis:
      return size_t{place.spi_count} * row.count.n / 32;
    case Gicv3Count::Of::kPriority:
      return place.priority_registers;
    case Gicv3Count::Of::kFixed:
      break;
  }
  return row.count.n;
}

// "GICD_ISENABLER[2]": the index counts from the first that is saved.
template <typename Message>
std::string NameOf(const Gicv3Register<Message>& row, size_t n) {
  return row.stride == 0 ? std::string(row.name) : absl::StrCat(row.name, "[", n, "]");
}

template <typename Message>
absl::StatusOr<uint64_t> ReadRegister(const Place& place, const Gicv3Register<Message>& row,
                                      size_t n) {
  const absl::StatusOr<uint64_t> value =
      Read(place, row.group, row.first + n * row.stride, row.field.width());
  if (value.ok()) return value;
  return Annotate(Explain(value.status()), absl::StrCat(place.owner, ": reading ", NameOf(row, n)));
}

template <typename Message>
absl::Status Save(const Place& place, absl::Span<const Gicv3Register<Message>> rows,
                  Message& message) {
  for (const Gicv3Register<Message>& row : rows) {
    for (size_t n = 0; n < CountOf(row, place); ++n) {
      const absl::StatusOr<uint64_t> value = ReadRegister(place, row, n);
      if (!value.ok()) return value.status();
      row.field.Add(message, *value);
    }
  }
  return absl::OkStatus();
}

template <typename Message>
absl::Status Check(const Place& place, absl::Span<const Gicv3Register<Message>> rows,
                   const Message& message) {
  for (const Gicv3Register<Message>& row : rows) {
    const size_t size = row.field.size(message), count = CountOf(row, place);
    if (size != count) {
      return absl::InvalidArgumentError(absl::StrCat(
          place.owner, ": the saved state has ", size, " values of ", row.name, " and this VM has ",
          count, ": the state is damaged, or of a VM with another configuration"));
    }
    if (row.host_bits == 0) continue;
    const absl::StatusOr<uint64_t> host = ReadRegister(place, row, 0);
    if (!host.ok()) return host.status();
    const uint64_t saved = row.field.Get(message, 0);
    if (((saved ^ *host) & row.host_bits) != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          place.owner, ": ", row.name, " is ", Hex(saved), " in the saved state and ", Hex(*host),
          " on this host, and its read-only bits cannot be changed: restore on a host whose GIC "
          "and kernel are like those of the save, into a VM of the same configuration"));
    }
  }
  return absl::OkStatus();
}

template <typename Message>
absl::Status Restore(const Place& place, absl::Span<const Gicv3Register<Message>> rows,
                     const Message& message, Gicv3Phase phase) {
  for (const Gicv3Register<Message>& row : rows) {
    if (row.phase != phase) continue;
    for (size_t n = 0; n < row.field.size(message); ++n) {
      const uint64_t value = row.field.Get(message, n);
      const size_t width = row.field.width();
      absl::Status status;
      if (row.clear != 0) {
        status = Write(place, row.group, row.clear + n * row.stride, width, kGicv3AllBits);
      }
      if (status.ok()) status = Write(place, row.group, row.first + n * row.stride, width, value);
      if (!status.ok()) {
        return Annotate(Explain(status), absl::StrCat(place.owner, ": writing ", Hex(value), " to ",
                                                      NameOf(row, n)));
      }
    }
  }
  return absl::OkStatus();
}

Place DistributorOf(const Gicv3Devices& devices) {
  return {.device = *devices.gic, .owner = "GICv3", .spi_count = devices.spi_count};
}

Place ItsOf(const Gicv3Devices& devices) { return {.device = *devices.its, .owner = "ITS"}; }

// IHI 0069, ICC_AP0R<n>_EL1: one register up to 5 bits of priority, two for 6, four for more.
size_t PriorityRegisters(uint64_t icc_ctlr) {
  const uint64_t bits = (icc_ctlr >> 8 & 7) + 1;
  return bits <= 5 ? 1 : bits == 6 ? 2 : 4;
}

absl::StatusOr<Place> VcpuOf(const Gicv3Devices& devices, uint32_t id) {
  Place place = {.device = *devices.gic,
                 .owner = absl::StrCat("GICv3: vCPU ", id),
                 .affinity = MpidrAffinity(id)};
  constexpr const Gicv3Register<state::Gicv3CpuInterface>& kCtlr = kIccRegisters[1];
  static_assert(kCtlr.first == SystemRegister{3, 0, 12, 12, 4}.packed());
  const absl::StatusOr<uint64_t> ctlr = ReadRegister(place, kCtlr, 0);
  if (!ctlr.ok()) return ctlr.status();
  place.priority_registers = PriorityRegisters(*ctlr);
  return place;
}

template <typename Message, size_t kSize>
constexpr absl::Span<const Gicv3Register<Message>> Rows(
    const Gicv3Register<Message> (&rows)[kSize]) {
  return rows;
}

absl::Status Damaged(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("GICv3: the saved state is damaged: ", what));
}

// The parts of the state and their number.
absl::Status CheckShape(const Gicv3Devices& devices, const state::Gicv3& state) {
  if (!state.has_distributor()) return Damaged("it has no distributor");
  if (state.vcpus_size() != static_cast<int>(devices.vcpu_ids.size())) {
    return absl::InvalidArgumentError(absl::StrCat("GICv3: the saved state is of ",
                                                   state.vcpus_size(), " vCPUs and this VM has ",
                                                   devices.vcpu_ids.size()));
  }
  for (int n = 0; n < state.vcpus_size(); ++n) {
    const state::Gicv3Vcpu& vcpu = state.vcpus(n);
    const uint64_t affinity = MpidrAffinity(devices.vcpu_ids[static_cast<size_t>(n)]);
    if (vcpu.mpidr() != affinity) {
      return absl::InvalidArgumentError(
          absl::StrCat("GICv3: the saved state has a vCPU with MPIDR ", Hex(vcpu.mpidr()),
                       " where this VM has one with ", Hex(affinity)));
    }
    if (!vcpu.has_redistributor() || !vcpu.has_cpu_interface()) {
      return Damaged(absl::StrCat("vCPU ", devices.vcpu_ids[static_cast<size_t>(n)],
                                  " has no redistributor or no CPU interface"));
    }
  }
  if (state.has_its() == (devices.its != nullptr)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "GICv3: the guest was saved ", state.has_its() ? "with" : "without",
      " an ITS and this host's kernel gives it ", devices.its != nullptr ? "one" : "none",
      ": restore on a host whose kernel is like that of the save"));
}

}  // namespace

absl::StatusOr<state::Gicv3> SaveGicv3Registers(const Gicv3Devices& devices) {
  state::Gicv3 state;
  absl::Status status =
      Save(DistributorOf(devices), Rows(kGicdRegisters), *state.mutable_distributor());
  for (const uint32_t id : devices.vcpu_ids) {
    if (!status.ok()) return status;
    const absl::StatusOr<Place> place = VcpuOf(devices, id);
    if (!place.ok()) return place.status();
    state::Gicv3Vcpu& vcpu = *state.add_vcpus();
    vcpu.set_mpidr(place->affinity);
    status = Save(*place, Rows(kGicrRegisters), *vcpu.mutable_redistributor());
    if (status.ok()) status = Save(*place, Rows(kIccRegisters), *vcpu.mutable_cpu_interface());
  }
  if (status.ok() && devices.its != nullptr) {
    status = Save(ItsOf(devices), Rows(kGitsRegisters), *state.mutable_its());
  }
  if (!status.ok()) return status;
  return state;
}

absl::Status CheckGicv3Registers(const Gicv3Devices& devices, const state::Gicv3& state) {
  absl::Status status = CheckShape(devices, state);
  if (status.ok()) {
    status = Check(DistributorOf(devices), Rows(kGicdRegisters), state.distributor());
  }
  for (size_t n = 0; n < devices.vcpu_ids.size() && status.ok(); ++n) {
    const absl::StatusOr<Place> place = VcpuOf(devices, devices.vcpu_ids[n]);
    if (!place.ok()) return place.status();
    const state::Gicv3Vcpu& vcpu = state.vcpus(static_cast<int>(n));
    status = Check(*place, Rows(kGicrRegisters), vcpu.redistributor());
    if (status.ok()) status = Check(*place, Rows(kIccRegisters), vcpu.cpu_interface());
  }
  if (status.ok() && devices.its != nullptr) {
    status = Check(ItsOf(devices), Rows(kGitsRegisters), state.its());
  }
  return status;
}

absl::Status RestoreGicv3Registers(const Gicv3Devices& devices, const state::Gicv3& state,
                                   Gicv3Phase phase) {
  absl::Status status =
      Restore(DistributorOf(devices), Rows(kGicdRegisters), state.distributor(), phase);
  for (size_t n = 0; n < devices.vcpu_ids.size() && status.ok(); ++n) {
    const uint32_t id = devices.vcpu_ids[n];
    const Place place = {.device = *devices.gic,
                         .owner = absl::StrCat("GICv3: vCPU ", id),
                         .affinity = MpidrAffinity(id)};
    const state::Gicv3Vcpu& vcpu = state.vcpus(static_cast<int>(n));
    status = Restore(place, Rows(kGicrRegisters), vcpu.redistributor(), phase);
    if (status.ok()) status = Restore(place, Rows(kIccRegisters), vcpu.cpu_interface(), phase);
  }
  if (status.ok() && devices.its != nullptr) {
    status = Restore(ItsOf(devices), Rows(kGitsRegisters), state.its(), phase);
  }
  return status;
}

}  // namespace firn
