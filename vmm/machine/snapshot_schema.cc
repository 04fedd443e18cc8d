// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/snapshot_schema.h"

#include "absl/strings/str_cat.h"
#include "migration/schema.pb.h"
#include "vmm/machine/snapshot_descriptors.h"

namespace firn {

std::string SnapshotSchema(std::string_view interrupt_controller) {
  state::Schema schema;
  // Sets of descriptors one behind the other are one set: repeated fields add up.
  schema.mutable_descriptors()->ParseFromArray(kSnapshotDescriptors, sizeof(kSnapshotDescriptors));
  const auto add = [&](std::string_view section, std::string_view message) {
    state::SectionType& type = *schema.add_sections();
    type.set_section(std::string(section));
    type.set_message(message == "json" ? std::string(message)
                                       : absl::StrCat("firn.state.", message));
  };
  add("manifest", "Manifest");
  add("config", "json");
  add("memory", "Memory");
  add("vcpu/", "Vcpu");
  if (interrupt_controller == "GICv5") {
    add("gic/tables", "Gicv5Tables");
    add("gic/registers", "Gicv5Registers");
  } else {
    add("gic/tables", "Gicv3Tables");
    add("gic/registers", "Gicv3");
  }
  add("device/serial", "Serial");
  add("device/rtc", "Rtc");
  add("device/vmgenid", "VmGenId");
  add("device/vmclock", "VmClock");
  add("device/", "VirtioMmio");
  add("entropy", "Entropy");
  add("schema", "Schema");
  return schema.SerializeAsString();
}

}  // namespace firn
