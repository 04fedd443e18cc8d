// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config.h"

#include <array>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firn {
namespace {

// What KVM on arm64 may support at most (KVM_MAX_VCPUS); each hypervisor has its own limit.
constexpr uint64_t kMostVcpus = 512;

template <typename T, size_t N>
absl::StatusOr<T> ParseWord(std::string_view word,
                            const std::array<std::pair<std::string_view, T>, N>& words) {
  for (const auto& [name, value] : words) {
    if (word == name) return value;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "`", word, "` is not one of ",
      absl::StrJoin(words, ", ",
                    [](std::string* out, const auto& pair) { absl::StrAppend(out, pair.first); })));
}

absl::Status ValidateMachine(const MachineConfig& machine) {
  if (machine.vcpu_count == 0) {
    return absl::InvalidArgumentError("0 vCPUs: a guest needs at least 1");
  }
  if (machine.vcpu_count > kMostVcpus) {
    return absl::InvalidArgumentError(
        absl::StrCat(machine.vcpu_count, " vCPUs: no hypervisor runs more than ", kMostVcpus));
  }
  return MemoryLayout::Create(machine.memory_bytes).status();
}

absl::Status ValidateDrives(const std::vector<DriveConfig>& drives) {
  std::set<std::string_view> ids;
  bool has_root = false;
  for (const DriveConfig& drive : drives) {
    if (drive.drive_id.empty()) return absl::InvalidArgumentError("a drive has an empty drive_id");
    if (!ids.insert(drive.drive_id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two drives have the drive_id `", drive.drive_id, "`"));
    }
    if (drive.path_on_host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("drive `", drive.drive_id, "` has an empty path"));
    }
    if (drive.is_root_device && std::exchange(has_root, true)) {
      return absl::InvalidArgumentError(
          absl::StrCat("drive `", drive.drive_id, "` is a second root device"));
    }
    if (drive.partuuid && !drive.is_root_device) {
      return absl::InvalidArgumentError(absl::StrCat(
          "drive `", drive.drive_id, "` has a partuuid, which only a root device can have"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const VmConfig& config, bool needs_kernel) {
  if (needs_kernel && config.boot_source.kernel_image_path.empty()) {
    return absl::InvalidArgumentError(
        "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the configuration");
  }
  if (config.boot_source.initrd_path && config.boot_source.initrd_path->empty()) {
    return absl::InvalidArgumentError("the path of the initrd is empty");
  }
  if (config.console.output == ConsoleConfig::Output::kFile && config.console.path.empty()) {
    return absl::InvalidArgumentError("the path of the console file is empty");
  }
  absl::Status status = ValidateMachine(config.machine);
  if (!status.ok()) return status;
  return ValidateDrives(config.drives);
}

std::string DefaultBootArgs(const ConsoleConfig& console) {
  return absl::StrCat(
      console.device == ConsoleConfig::Device::kSerial ? "console=ttyS0" : "console=hvc0",
      " earlycon panic=-1");
}

std::string BootArgs(const VmConfig& config) {
  std::string args = config.boot_source.boot_args.value_or(DefaultBootArgs(config.console));
  for (size_t i = 0; i < config.drives.size(); ++i) {
    const DriveConfig& drive = config.drives[i];
    if (!drive.is_root_device) continue;
    if (!args.empty()) absl::StrAppend(&args, " ");
    if (drive.partuuid) {
      absl::StrAppend(&args, "root=PARTUUID=", *drive.partuuid);
    } else {
      // Firecracker makes the root drive the first; firn keeps the order and names the drive.
      // Linux: vda … vdz, vdaa …
      std::string letters;
      for (size_t n = i + 1; n > 0; n = (n - 1) / 26) {
        letters.insert(letters.begin(), static_cast<char>('a' + (n - 1) % 26));
      }
      absl::StrAppend(&args, "root=/dev/vd", letters);
    }
    absl::StrAppend(&args, drive.is_read_only ? " ro" : " rw");
  }
  return args;
}

absl::StatusOr<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  // SimpleAtoi takes spaces, signs and underscores that nobody means.
  const bool hex = text.starts_with("0x");
  const std::string_view digits = hex ? text.substr(2) : text;
  bool valid = !digits.empty();
  for (char c : digits) valid = valid && (hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c));
  if (!valid) return absl::InvalidArgumentError(absl::StrCat("`", text, "` is not a number"));
  if (!(hex ? absl::SimpleHexAtoi(digits, &value) : absl::SimpleAtoi(digits, &value))) {
    return absl::InvalidArgumentError(absl::StrCat("`", text, "` does not fit into 64 bits"));
  }
  return value;
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  const std::string suffix = absl::AsciiStrToUpper(text.substr(digits));
  int shift = 0;
  if (suffix.empty() || suffix == "M" || suffix == "MB" || suffix == "MIB") {
    shift = 20;
  } else if (suffix == "K" || suffix == "KB" || suffix == "KIB") {
    shift = 10;
  } else if (suffix == "G" || suffix == "GB" || suffix == "GIB") {
    shift = 30;
  } else if (suffix == "T" || suffix == "TB" || suffix == "TIB") {
    shift = 40;
  } else {
    shift = -1;
  }
  if (digits == 0 || shift < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "`", text, "` is not a size: give a number of MiB, or one with K, M, G or T (256M, 1G)"));
  }
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &number) ||
      number > (std::numeric_limits<uint64_t>::max() >> shift)) {
    return absl::InvalidArgumentError(absl::StrCat("`", text, "` does not fit into 64 bits"));
  }
  return number << shift;
}

absl::StatusOr<HypervisorChoice> ParseHypervisor(std::string_view word) {
  return ParseWord(word, std::array<std::pair<std::string_view, HypervisorChoice>, 3>{
                             {{"auto", HypervisorChoice::kAuto},
                              {"kvm", HypervisorChoice::kKvm},
                              {"software", HypervisorChoice::kSoftware}}});
}

absl::StatusOr<GicChoice> ParseGic(std::string_view word) {
  return ParseWord(
      word, std::array<std::pair<std::string_view, GicChoice>, 3>{
                {{"auto", GicChoice::kAuto}, {"v5", GicChoice::kV5}, {"v3", GicChoice::kV3}}});
}

absl::StatusOr<OnReboot> ParseOnReboot(std::string_view word) {
  return ParseWord(word, std::array<std::pair<std::string_view, OnReboot>, 2>{
                             {{"restart", OnReboot::kRestart}, {"exit", OnReboot::kExit}}});
}

absl::StatusOr<SoftwareConfig::Clock> ParseClock(std::string_view word) {
  return ParseWord(word, std::array<std::pair<std::string_view, SoftwareConfig::Clock>, 2>{
                             {{"virtual", SoftwareConfig::Clock::kVirtual},
                              {"real", SoftwareConfig::Clock::kReal}}});
}

absl::StatusOr<SoftwareConfig::Dialect> ParseDialect(std::string_view word) {
  return ParseWord(word, std::array<std::pair<std::string_view, SoftwareConfig::Dialect>, 4>{
                             {{"a", SoftwareConfig::Dialect::kPpiOnly},
                              {"b1", SoftwareConfig::Dialect::kSeriesV1},
                              {"b", SoftwareConfig::Dialect::kSeriesV2},
                              {"c", SoftwareConfig::Dialect::kMerged}}});
}

absl::StatusOr<ConsoleConfig::Device> ParseConsoleDevice(std::string_view word) {
  return ParseWord(word, std::array<std::pair<std::string_view, ConsoleConfig::Device>, 2>{
                             {{"serial", ConsoleConfig::Device::kSerial},
                              {"virtio", ConsoleConfig::Device::kVirtio}}});
}

absl::Status SetConsoleOutput(std::string_view word, ConsoleConfig& console) {
  if (word.empty()) {
    return absl::InvalidArgumentError("the console needs `stdio`, `off` or the path of a file");
  }
  console.path.clear();
  if (word == "stdio") {
    console.output = ConsoleConfig::Output::kStdio;
  } else if (word == "off") {
    console.output = ConsoleConfig::Output::kOff;
  } else {
    console.output = ConsoleConfig::Output::kFile;
    console.path = word;
  }
  return absl::OkStatus();
}

}  // namespace firn
