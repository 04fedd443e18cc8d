// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/call_text.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hypervisor/kvm/ioctls.h"
#include "hypervisor/register_id.h"

namespace firn::kvm::testing {
namespace {

template <typename T>
T At(uintptr_t address) {
  T value;
  memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

// The struct's bytes, so that padding and unnamed fields are seen too where they are not zero.
template <size_t N>
std::string NonZero(std::string_view name, const uint8_t (&bytes)[N]) {
  for (const uint8_t byte : bytes) {
    if (byte != 0) return absl::StrCat(" ", name, "=not zero");
  }
  return "";
}

std::string Pointer(std::string_view name, uint64_t value) {
  return absl::StrCat(" ", name, "=", value == 0 ? "0" : "user");
}

std::string VcpuInitText(const VcpuInit& init) {
  std::string text = absl::StrFormat(" target=%u features=0x%x", init.target, init.features[0]);
  for (size_t n = 1; n < std::size(init.features); ++n) {
    if (init.features[n] != 0)
      absl::StrAppendFormat(&text, " features%u=0x%x", n, init.features[n]);
  }
  return text;
}

enum class Width { kNone, kU32, kU64, kIst };

// What kvm_device_attr.addr points at.
Width AttributeWidth(std::string_view fd, const DeviceAttr& attr) {
  if (fd.starts_with("vcpu")) {
    const bool has_value = attr.group != kVcpuPmuV3Ctrl || attr.attr != kVcpuPmuV3Init;
    return has_value ? Width::kU32 : Width::kNone;
  }
  switch (attr.group) {
    case kVgicGrpNrIrqs:
    case kVgicGrpDistRegs:
    case kVgicGrpRedistRegs:
    case kVgicGrpLevelInfo:
      return Width::kU32;
    case kVgicGrpCtrl:
      return Width::kNone;
    case kVgicGrpIst:
      return Width::kIst;
    default:
      return Width::kU64;
  }
}

std::string AttributeText(const DeviceAttr& attr) {
  std::string text = absl::StrFormat(" group=%u attr=0x%x", attr.group, attr.attr);
  if (attr.flags != 0) absl::StrAppendFormat(&text, " flags=0x%x", attr.flags);
  return text;
}

// The bytes that an IST attribute begins with: enough for a descriptor.
std::string IstText(uint64_t address) {
  const auto words = At<std::array<uint64_t, 4>>(address);
  return absl::StrFormat(" bytes=%016x %016x %016x %016x", words[0], words[1], words[2], words[3]);
}

std::string ValueText(std::string_view fd, const DeviceAttr& attr) {
  if (attr.addr == 0) return " addr=0";
  switch (AttributeWidth(fd, attr)) {
    case Width::kU32:
      return absl::StrFormat(" u32=0x%x", At<uint32_t>(attr.addr));
    case Width::kU64:
      return absl::StrFormat(" u64=0x%x", At<uint64_t>(attr.addr));
    case Width::kIst:
      return IstText(attr.addr);
    case Width::kNone:
      return " addr=user";
  }
  return "";
}

// Little-endian, as a number: most significant byte first.
std::string RegisterText(const OneReg& reg) {
  std::string text = " value=0x";
  for (size_t n = RegisterSize(reg.id); n > 0; --n) {
    absl::StrAppendFormat(&text, "%02x", At<uint8_t>(reg.addr + n - 1));
  }
  return text;
}

std::string RoutesText(uintptr_t argument) {
  const auto header = At<IrqRouting>(argument);
  std::string text = absl::StrFormat(" nr=%u flags=0x%x", header.nr, header.flags);
  for (uint32_t n = 0; n < header.nr; ++n) {
    const auto entry = At<IrqRoutingEntry>(argument + sizeof(header) + n * sizeof(IrqRoutingEntry));
    absl::StrAppendFormat(&text, " {gsi=%u type=%u flags=0x%x irqchip=%u pin=%u}", entry.gsi,
                          entry.type, entry.flags, entry.irqchip, entry.pin);
  }
  return text;
}

}  // namespace

std::string InputText(std::string_view fd, uint32_t request, uintptr_t argument) {
  switch (request) {
    case kSetUserMemoryRegion: {
      const auto region = At<UserMemoryRegion>(argument);
      return absl::StrFormat(" slot=%u flags=0x%x guest_phys_addr=0x%x memory_size=0x%x%s",
                             region.slot, region.flags, region.guest_phys_addr, region.memory_size,
                             Pointer("userspace_addr", region.userspace_addr));
    }
    case kGetDirtyLog: {
      const auto log = At<DirtyLog>(argument);
      return absl::StrCat(" slot=", log.slot, Pointer("dirty_bitmap", log.dirty_bitmap));
    }
    case kIrqLine: {
      const auto line = At<IrqLevel>(argument);
      return absl::StrFormat(" irq=0x%x level=%u", line.irq, line.level);
    }
    case kSetGsiRouting:
      return RoutesText(argument);
    case kIrqfd: {
      const auto irqfd = At<Irqfd>(argument);
      std::string text = absl::StrFormat(" fd=eventfd gsi=%u flags=0x%x", irqfd.gsi, irqfd.flags);
      if ((irqfd.flags & kIrqFdFlagResample) != 0) absl::StrAppend(&text, " resamplefd=eventfd");
      return text + NonZero("pad", irqfd.pad);
    }
    case kIoeventfd: {
      const auto io = At<Ioeventfd>(argument);
      return absl::StrFormat(" datamatch=0x%x addr=0x%x len=%u fd=eventfd flags=0x%x%s",
                             io.datamatch, io.addr, io.len, io.flags, NonZero("pad", io.pad));
    }
    case kArmSetCounterOffset: {
      const auto offset = At<CounterOffset>(argument);
      return absl::StrFormat(" counter_offset=0x%x reserved=0x%x", offset.counter_offset,
                             offset.reserved);
    }
    case kCreateDevice: {
      const auto device = At<struct CreateDevice>(argument);
      return absl::StrFormat(" type=%u fd=%u flags=0x%x", device.type, device.fd, device.flags);
    }
    case kSetMpState:
      return absl::StrCat(" mp_state=", At<MpStateArgument>(argument).mp_state);
    case kGetOneReg:
      return absl::StrFormat(" id=0x%016x", At<OneReg>(argument).id);
    case kSetOneReg: {
      const auto reg = At<OneReg>(argument);
      return absl::StrFormat(" id=0x%016x%s", reg.id, RegisterText(reg));
    }
    case kArmVcpuInit:
      return VcpuInitText(At<VcpuInit>(argument));
    case kGetRegList:
      return absl::StrCat(" n=", At<RegList>(argument).n);
    case kArmVcpuFinalize:
      return absl::StrCat(" feature=", At<int>(argument));
    case kPreFaultMemory: {
      const auto range = At<PreFaultMemory>(argument);
      return absl::StrFormat(" gpa=0x%x size=0x%x flags=0x%x", range.gpa, range.size, range.flags);
    }
    case kHasDeviceAttr:
      return AttributeText(At<DeviceAttr>(argument));
    case kGetDeviceAttr: {
      const auto attr = At<DeviceAttr>(argument);
      const bool is_ist = AttributeWidth(fd, attr) == Width::kIst && attr.addr != 0;
      return AttributeText(attr) + (is_ist ? IstText(attr.addr) : Pointer("addr", attr.addr));
    }
    case kSetDeviceAttr: {
      const auto attr = At<DeviceAttr>(argument);
      return AttributeText(attr) + ValueText(fd, attr);
    }
    case kGetApiVersion:
    case kCreateVm:
    case kCheckExtension:
    case kGetVcpuMmapSize:
    case kCreateVcpu:
    case kRun:
      return absl::StrCat(" ", argument);
    default:
      return "";
  }
}

std::string OutputText(std::string_view fd, uint32_t request, uintptr_t argument) {
  switch (request) {
    case kArmPreferredTarget:
      return VcpuInitText(At<VcpuInit>(argument));
    case kGetMpState:
      return absl::StrCat(" mp_state=", At<MpStateArgument>(argument).mp_state);
    case kGetOneReg:
      return RegisterText(At<OneReg>(argument));
    case kGetRegList:
      return absl::StrCat(" n=", At<RegList>(argument).n);
    case kGetDeviceAttr: {
      const auto attr = At<DeviceAttr>(argument);
      return AttributeWidth(fd, attr) == Width::kNone ? "" : ValueText(fd, attr);
    }
    case kPreFaultMemory: {
      const auto range = At<PreFaultMemory>(argument);
      return absl::StrFormat(" gpa=0x%x size=0x%x", range.gpa, range.size);
    }
    default:
      return "";
  }
}

}  // namespace firn::kvm::testing
