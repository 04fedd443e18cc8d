// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The groups of KVM_{HAS,GET,SET}_DEVICE_ATTR on a VGICv5, one file each; checks are made in the
// order in which KVM makes them.
// Source: gicv5-reference 1.2, 1.6 to 1.10.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_ATTRIBUTE_GROUP_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_ATTRIBUTE_GROUP_H_

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/software/gicv5/vgic_state.h"

namespace firn::software::gicv5 {

class AttributeGroup {
 public:
  virtual ~AttributeGroup() = default;
  virtual absl::Status Has(uint64_t attr) = 0;
  virtual absl::Status Get(uint64_t attr, uint64_t addr) = 0;
  virtual absl::Status Set(uint64_t attr, uint64_t addr) = 0;
};

// `state` outlives the group.
std::unique_ptr<AttributeGroup> MakeAddrGroup(VgicState* state);
std::unique_ptr<AttributeGroup> MakeNrIrqsGroup(VgicState* state);
std::unique_ptr<AttributeGroup> MakeCtrlGroup(VgicState* state);
std::unique_ptr<AttributeGroup> MakeCpuSysregsGroup(VgicState* state);
std::unique_ptr<AttributeGroup> MakeIrsRegsGroup(VgicState* state);
std::unique_ptr<AttributeGroup> MakeIstGroup(VgicState* state);

// ENXIO: the group or the attribute is not there.
inline absl::Status NoSuchAttribute(std::string_view group, uint64_t attr) {
  return ErrnoStatus(ENXIO, absl::StrCat(group, " attribute 0x", absl::Hex(attr)));
}

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_ATTRIBUTE_GROUP_H_
