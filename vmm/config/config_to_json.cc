// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config_to_json.h"

#include <nlohmann/json.hpp>

namespace firn {
namespace {

using Json = nlohmann::ordered_json;

const char* Word(HypervisorChoice choice) {
  switch (choice) {
    case HypervisorChoice::kAuto:
      return "auto";
    case HypervisorChoice::kKvm:
      return "kvm";
    case HypervisorChoice::kSoftware:
      return "software";
  }
  return "";
}

const char* Word(GicChoice choice) {
  switch (choice) {
    case GicChoice::kAuto:
      return "auto";
    case GicChoice::kV5:
      return "v5";
    case GicChoice::kV3:
      return "v3";
  }
  return "";
}

const char* Word(SoftwareConfig::Dialect dialect) {
  switch (dialect) {
    case SoftwareConfig::Dialect::kPpiOnly:
      return "a";
    case SoftwareConfig::Dialect::kSeriesV1:
      return "b1";
    case SoftwareConfig::Dialect::kSeriesV2:
      return "b";
    case SoftwareConfig::Dialect::kMerged:
      return "c";
  }
  return "";
}

Json ToJson(const BootSource& boot) {
  Json json = {{"kernel_image_path", boot.kernel_image_path}};
  if (boot.initrd_path) json["initrd_path"] = *boot.initrd_path;
  if (boot.boot_args) json["boot_args"] = *boot.boot_args;
  return json;
}

Json ToJson(const MachineConfig& machine) {
  return {{"vcpu_count", machine.vcpu_count},
          {"mem_size_mib", machine.memory_bytes / kMiB},
          {"smt", false},
          {"track_dirty_pages", machine.track_dirty_pages},
          {"huge_pages", "None"}};
}

Json ToJson(const DriveConfig& drive) {
  Json json = {{"drive_id", drive.drive_id},
               {"path_on_host", drive.path_on_host},
               {"is_root_device", drive.is_root_device},
               {"is_read_only", drive.is_read_only},
               {"cache_type", "Writeback"},
               {"io_engine", "Sync"}};
  if (drive.partuuid) json["partuuid"] = *drive.partuuid;
  return json;
}

Json ToJson(const ConsoleConfig& console) {
  const bool is_file = console.output == ConsoleConfig::Output::kFile;
  const std::string output = is_file                                           ? console.path
                             : console.output == ConsoleConfig::Output::kStdio ? "stdio"
                                                                               : "off";
  return {{"output", output},
          {"device", console.device == ConsoleConfig::Device::kSerial ? "serial" : "virtio"}};
}

void AddSoftware(const SoftwareConfig& software, Json& json) {
  if (software.clock) {
    json["clock"] = *software.clock == SoftwareConfig::Clock::kVirtual ? "virtual" : "real";
  }
  if (software.dialect) json["dialect"] = Word(*software.dialect);
  if (software.seed) json["seed"] = *software.seed;
  if (software.stop_at) json["stop-at"] = *software.stop_at;
}

// Paths may hold any bytes.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

std::string ConfigToJson(const VmConfig& config) {
  Json drives = Json::array();
  for (const DriveConfig& drive : config.drives) drives.push_back(ToJson(drive));
  Json json = {{"boot-source", ToJson(config.boot_source)},
               {"machine-config", ToJson(config.machine)},
               {"drives", drives},
               {"console", ToJson(config.console)},
               {"hypervisor", Word(config.hypervisor)},
               {"gic", Word(config.gic)},
               {"on-reboot", config.on_reboot == OnReboot::kRestart ? "restart" : "exit"}};
  AddSoftware(config.software, json);
  return Text(json);
}

std::string MachineConfigToJson(const MachineConfig& machine) { return Text(ToJson(machine)); }

}  // namespace firn
