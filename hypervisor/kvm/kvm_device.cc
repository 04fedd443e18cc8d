// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/kvm_device.h"

namespace firn::kvm {

std::string_view DeviceTypeName(uint32_t type) {
  switch (type) {
    case kDevTypeArmVgicV2:
      return "ARM_VGIC_V2";
    case kDevTypeArmVgicV3:
      return "ARM_VGIC_V3";
    case kDevTypeArmVgicIts:
      return "ARM_VGIC_ITS";
    case kDevTypeArmVgicV5Early:
      return "ARM_VGIC_V5 as 15";
    case kDevTypeArmVgicV5:
      return "ARM_VGIC_V5";
    default:
      return "device type";
  }
}

}  // namespace firn::kvm
