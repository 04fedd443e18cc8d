// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/config_json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"
#include "vmm/config/json.h"

namespace firn {
namespace {

using nlohmann::json;

// What Firecracker has and firn does not, yet: refused by name rather than ignored.
constexpr std::string_view kUnsupportedSections[] = {
    "balloon", "cpu-config",  "logger", "memory-hotplug", "metrics",
    "mmds",    "mmds-config", "pmem",   "vsock",          "network-interfaces",
};

// Reads a word of an enumeration.
template <typename T>
void ReadWord(JsonObject& object, std::string_view key,
              absl::StatusOr<T> (*parse)(std::string_view), T& value) {
  const std::optional<std::string> word = object.String(key);
  if (!word) return;
  absl::StatusOr<T> parsed = parse(*word);
  if (parsed.ok()) {
    value = *parsed;
  } else {
    object.Fail(key, absl::StrCat("is wrong: ", parsed.status().message()));
  }
}

template <typename T>
void ReadWord(JsonObject& object, std::string_view key,
              absl::StatusOr<T> (*parse)(std::string_view), std::optional<T>& value) {
  T word = {};
  if (object.String(key)) {
    ReadWord(object, key, parse, word);
    value = word;
  }
}

void ReadBootSource(const json& value, BootSource& boot, absl::Status& status) {
  JsonObject object(value, "boot-source", status);
  object.Require("kernel_image_path");
  boot.kernel_image_path = object.String("kernel_image_path").value_or("");
  boot.initrd_path = object.String("initrd_path");
  boot.boot_args = object.String("boot_args");
  object.Finish();
}

void ReadMachine(const json& value, MachineConfig& machine, absl::Status& status) {
  JsonObject object(value, "machine-config", status);
  object.Require("vcpu_count");
  object.Require("mem_size_mib");
  machine.vcpu_count = object.Unsigned("vcpu_count").value_or(1);
  if (const std::optional<uint64_t> mib = object.Unsigned("mem_size_mib")) {
    if (*mib > std::numeric_limits<uint64_t>::max() / kMiB) {
      object.Fail("mem_size_mib", "does not fit into 64 bits of bytes");
    } else {
      machine.memory_bytes = *mib * kMiB;
    }
  }
  machine.track_dirty_pages = object.Bool("track_dirty_pages").value_or(false);
  if (object.Bool("smt").value_or(false)) {
    object.Fail("smt", "must be false: no arm64 machine of KVM's has SMT");
  }
  if (const auto pages = object.String("huge_pages"); pages && *pages != "None") {
    object.Fail("huge_pages", "is not supported yet: only \"None\" is");
  }
  object.Refuse("cpu_template", "firn has no CPU templates yet");
  object.Finish();
}

DriveConfig ReadDrive(const json& value, const std::string& path, absl::Status& status) {
  JsonObject object(value, path, status);
  DriveConfig drive;
  object.Require("drive_id");
  object.Require("path_on_host");
  drive.drive_id = object.String("drive_id").value_or("");
  drive.path_on_host = object.String("path_on_host").value_or("");
  drive.is_root_device = object.Bool("is_root_device").value_or(false);
  drive.is_read_only = object.Bool("is_read_only").value_or(false);
  drive.partuuid = object.String("partuuid");
  // A flush always reaches the disk: what "Writeback" asks for, and "Unsafe" does not mind.
  if (const auto cache = object.String("cache_type");
      cache && *cache != "Unsafe" && *cache != "Writeback") {
    object.Fail("cache_type", "must be \"Unsafe\" or \"Writeback\"");
  }
  if (const auto engine = object.String("io_engine"); engine && *engine != "Sync") {
    object.Fail("io_engine", "is not supported: only \"Sync\" is, yet");
  }
  object.Refuse("rate_limiter", "firn has no rate limiters yet");
  object.Refuse("socket", "firn has no vhost-user drives");
  object.Finish();
  return drive;
}

void ReadConsole(const json& value, ConsoleConfig& console, absl::Status& status) {
  JsonObject object(value, "console", status);
  if (const auto output = object.String("output")) {
    absl::Status set = SetConsoleOutput(*output, console);
    if (!set.ok()) object.Fail("output", absl::StrCat("is wrong: ", set.message()));
  }
  ReadWord(object, "device", &ParseConsoleDevice, console.device);
  object.Finish();
}

void ReadSerial(const json& value, ConsoleConfig& console, absl::Status& status) {
  JsonObject object(value, "serial", status);
  if (const auto path = object.String("serial_out_path")) {
    console.output = ConsoleConfig::Output::kFile;
    console.path = *path;
  }
  object.Refuse("rate_limiter", "firn has no rate limiters yet");
  object.Finish();
}

VmConfig ReadConfig(const json& value, absl::Status& status) {
  VmConfig config;
  JsonObject object(value, "", status);
  if (const json* boot = object.Object("boot-source")) {
    ReadBootSource(*boot, config.boot_source, status);
  }
  if (const json* machine = object.Object("machine-config")) {
    ReadMachine(*machine, config.machine, status);
  }
  if (const json* drives = object.Array("drives")) {
    for (size_t i = 0; i < drives->size() && status.ok(); ++i) {
      config.drives.push_back(ReadDrive((*drives)[i], absl::StrCat("drives[", i, "]"), status));
    }
  }
  // Every guest has a virtio-rng; the key is taken so that Firecracker's files load.
  if (const json* entropy = object.Object("entropy")) {
    JsonObject reader(*entropy, "entropy", status);
    reader.Refuse("rate_limiter", "firn has no rate limiters yet");
    reader.Finish();
  }
  const json* serial = object.Object("serial");
  const json* console = object.Object("console");
  if (serial != nullptr) ReadSerial(*serial, config.console, status);
  if (console != nullptr) ReadConsole(*console, config.console, status);
  if (serial != nullptr && console != nullptr) {
    object.Fail("serial", "and `console` say the same thing: give one of them");
  }
  for (std::string_view section : kUnsupportedSections) {
    object.Refuse(section, "firn does not have it yet");
  }
  ReadWord(object, "hypervisor", &ParseHypervisor, config.hypervisor);
  ReadWord(object, "gic", &ParseGic, config.gic);
  ReadWord(object, "on-reboot", &ParseOnReboot, config.on_reboot);
  ReadWord(object, "clock", &ParseClock, config.software.clock);
  ReadWord(object, "dialect", &ParseDialect, config.software.dialect);
  config.software.seed = object.Unsigned("seed");
  config.software.stop_at = object.Unsigned("stop-at");
  object.Finish();
  return config;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_valid()) return ErrnoStatus(errno, "open");
  struct stat stat = {};
  if (fstat(fd.get(), &stat) < 0) return ErrnoStatus(errno, "fstat");
  if (S_ISDIR(stat.st_mode)) return absl::InvalidArgumentError("is a folder; give a JSON file");
  std::string text(kConfigFileLimit + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read");
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kConfigFileLimit) {
    return absl::InvalidArgumentError("is larger than 1 MiB, which no configuration is");
  }
  text.resize(size);
  return text;
}

}  // namespace

absl::StatusOr<VmConfig> ParseConfig(std::string_view text) {
  absl::StatusOr<json> value = ParseJson(text);
  if (!value.ok()) return value.status();
  absl::Status status;
  VmConfig config = ReadConfig(*value, status);
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<VmConfig> LoadConfigFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return Annotate(text.status(), absl::StrCat("configuration ", path));
  absl::StatusOr<VmConfig> config = ParseConfig(*text);
  if (!config.ok()) return Annotate(config.status(), absl::StrCat("configuration ", path));
  return config;
}

}  // namespace firn
