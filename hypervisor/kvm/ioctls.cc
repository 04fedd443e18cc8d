// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/ioctls.h"

namespace firn::kvm {

std::string_view RequestName(uint32_t request) {
  switch (request) {
    case kGetApiVersion:
      return "KVM_GET_API_VERSION";
    case kCreateVm:
      return "KVM_CREATE_VM";
    case kCheckExtension:
      return "KVM_CHECK_EXTENSION";
    case kGetVcpuMmapSize:
      return "KVM_GET_VCPU_MMAP_SIZE";
    case kCreateVcpu:
      return "KVM_CREATE_VCPU";
    case kGetDirtyLog:
      return "KVM_GET_DIRTY_LOG";
    case kSetUserMemoryRegion:
      return "KVM_SET_USER_MEMORY_REGION";
    case kIrqLine:
      return "KVM_IRQ_LINE";
    case kSetGsiRouting:
      return "KVM_SET_GSI_ROUTING";
    case kIrqfd:
      return "KVM_IRQFD";
    case kIoeventfd:
      return "KVM_IOEVENTFD";
    case kArmPreferredTarget:
      return "KVM_ARM_PREFERRED_TARGET";
    case kArmSetCounterOffset:
      return "KVM_ARM_SET_COUNTER_OFFSET";
    case kCreateDevice:
      return "KVM_CREATE_DEVICE";
    case kRun:
      return "KVM_RUN";
    case kGetMpState:
      return "KVM_GET_MP_STATE";
    case kSetMpState:
      return "KVM_SET_MP_STATE";
    case kGetVcpuEvents:
      return "KVM_GET_VCPU_EVENTS";
    case kSetVcpuEvents:
      return "KVM_SET_VCPU_EVENTS";
    case kGetOneReg:
      return "KVM_GET_ONE_REG";
    case kSetOneReg:
      return "KVM_SET_ONE_REG";
    case kArmVcpuInit:
      return "KVM_ARM_VCPU_INIT";
    case kGetRegList:
      return "KVM_GET_REG_LIST";
    case kArmVcpuFinalize:
      return "KVM_ARM_VCPU_FINALIZE";
    case kPreFaultMemory:
      return "KVM_PRE_FAULT_MEMORY";
    case kSetDeviceAttr:
      return "KVM_SET_DEVICE_ATTR";
    case kGetDeviceAttr:
      return "KVM_GET_DEVICE_ATTR";
    case kHasDeviceAttr:
      return "KVM_HAS_DEVICE_ATTR";
    default:
      return "an unknown KVM request";
  }
}

}  // namespace firn::kvm
