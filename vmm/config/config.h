// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a virtual machine shall be: one configuration, from the command line or from a file.
#ifndef FIRN_VMM_CONFIG_CONFIG_H_
#define FIRN_VMM_CONFIG_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "arch-aarch64/controller_choice.h"
#include "arch-aarch64/memory_layout.h"

namespace firn {

// Firecracker's `boot-source`.
struct BootSource {
  std::string kernel_image_path;
  std::optional<std::string> initrd_path;
  std::optional<std::string> boot_args;  // none: DefaultBootArgs
};

// Firecracker's `machine-config`.
struct MachineConfig {
  uint64_t vcpu_count = 1;
  uint64_t memory_bytes = 256 * kMiB;
  bool track_dirty_pages = false;
};

// One of Firecracker's `drives`.
struct DriveConfig {
  std::string drive_id;
  std::string path_on_host;
  bool is_root_device = false;
  bool is_read_only = false;
  std::optional<std::string> partuuid =
      std::nullopt;  // of the root partition, only with is_root_device
};

// Where the guest's console goes, and which of the two console devices gets the input.
struct ConsoleConfig {
  enum class Output { kStdio, kFile, kOff };
  enum class Device { kSerial, kVirtio };
  Output output = Output::kStdio;
  std::string path;  // kFile
  Device device = Device::kSerial;
};

enum class HypervisorChoice { kAuto, kKvm, kSoftware };
enum class OnReboot { kRestart, kExit };

// What only the software hypervisor understands; unset members have its defaults.
struct SoftwareConfig {
  enum class Clock { kVirtual, kReal };
  // As software::gicv5::Dialect, which a build without software does not have.
  enum class Dialect { kPpiOnly, kSeriesV1, kSeriesV2, kMerged };
  std::optional<Clock> clock;
  std::optional<Dialect> dialect;
  std::optional<uint64_t> seed;
  std::optional<uint64_t> stop_at;
};

struct VmConfig {
  BootSource boot_source;
  MachineConfig machine;
  std::vector<DriveConfig> drives;
  ConsoleConfig console;
  HypervisorChoice hypervisor = HypervisorChoice::kAuto;
  GicChoice gic = GicChoice::kAuto;
  OnReboot on_reboot = OnReboot::kRestart;
  SoftwareConfig software;
  // VMGenID and VMClock. Not a key: only a machine of a snapshot from before firn had them has
  // none.
  bool has_identity_devices = true;
};

// Everything that can be judged without looking at the host: ranges, alignment, combinations.
// Files are judged where they are opened, and vCPU count and address space once more against
// the hypervisor's own limits. `needs_kernel` is false for `firn fdt`.
absl::Status Validate(const VmConfig& config, bool needs_kernel = true);

// The kernel command line: boot_args or the default, and Firecracker's root= for a root drive.
std::string BootArgs(const VmConfig& config);

// What boot_args are where none were given: the console device of `console`, early messages
// through the device tree, and an immediate restart on panic, which `firn run` turns into the
// exit status of a panic.
std::string DefaultBootArgs(const ConsoleConfig& console);

// A number of bytes: "256M", "1G", "512K", with or without "iB"; a plain number counts MiB, as
// mem_size_mib does. Case does not matter.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// A decimal or 0x… number.
absl::StatusOr<uint64_t> ParseNumber(std::string_view text);

// The words of the enumerations, shared by command line and file. The error lists the words.
absl::StatusOr<HypervisorChoice> ParseHypervisor(std::string_view word);
absl::StatusOr<GicChoice> ParseGic(std::string_view word);
absl::StatusOr<OnReboot> ParseOnReboot(std::string_view word);
absl::StatusOr<SoftwareConfig::Clock> ParseClock(std::string_view word);
absl::StatusOr<SoftwareConfig::Dialect> ParseDialect(std::string_view word);
absl::StatusOr<ConsoleConfig::Device> ParseConsoleDevice(std::string_view word);
// "stdio", "off", or else the path of a file; keeps `console.device`.
absl::Status SetConsoleOutput(std::string_view word, ConsoleConfig& console);

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_CONFIG_H_
