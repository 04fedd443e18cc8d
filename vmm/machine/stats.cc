// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/stats.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/file_descriptor.h"

namespace firn {
namespace {

using Json = nlohmann::ordered_json;

void AddTo(VcpuRunStats& sum, const VcpuRunStats& other) {
  sum.counts.instructions += other.counts.instructions;
  sum.counts.exits += other.counts.exits;
  sum.counts.interrupts += other.counts.interrupts;
  sum.counts.ppi_acknowledged += other.counts.ppi_acknowledged;
  sum.counts.lpi_acknowledged += other.counts.lpi_acknowledged;
  sum.counts.spi_acknowledged += other.counts.spi_acknowledged;
  sum.counts.wfi += other.counts.wfi;
  sum.exits.mmio_reads += other.exits.mmio_reads;
  sum.exits.mmio_writes += other.exits.mmio_writes;
  sum.exits.system_events += other.exits.system_events;
  sum.exits.kicks += other.exits.kicks;
  sum.exits.instruction_limits += other.exits.instruction_limits;
  sum.exits.failures += other.exits.failures;
  sum.position = other.position;
}

void AddTo(DeviceStats& sum, const DeviceStats& other) {
  sum.requests += other.requests;
  sum.bytes_read += other.bytes_read;
  sum.bytes_written += other.bytes_written;
  sum.notifications += other.notifications;
  sum.interrupts += other.interrupts;
  sum.errors += other.errors;
}

// Milliseconds with three decimals.
double Milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds / 1000) / 1000; }

Json VcpuJson(const VcpuRunStats& vcpu) {
  return {{"instructions", vcpu.counts.instructions},
          {"exits",
           {{"total", vcpu.counts.exits},
            {"mmio_reads", vcpu.exits.mmio_reads},
            {"mmio_writes", vcpu.exits.mmio_writes},
            {"system_events", vcpu.exits.system_events},
            {"kicks", vcpu.exits.kicks},
            {"instruction_limits", vcpu.exits.instruction_limits},
            {"failures", vcpu.exits.failures}}},
          {"interrupts",
           {{"taken", vcpu.counts.interrupts},
            {"ppi", vcpu.counts.ppi_acknowledged},
            {"spi", vcpu.counts.spi_acknowledged},
            {"lpi", vcpu.counts.lpi_acknowledged}}},
          {"wfi", vcpu.counts.wfi}};
}

// In hexadecimal: JSON has no integers of 64 bits that every reader keeps.
Json PositionJson(const std::vector<NamedRegister>& position) {
  Json json = Json::object();
  for (const auto& [name, value] : position) {
    json[std::string(name)] = absl::StrCat("0x", absl::Hex(value));
  }
  return json;
}

Json TimeJson(const RunStats& stats) {
  Json timeline = Json::array();
  for (const Milestone& milestone : stats.timeline) {
    timeline.push_back({{"event", milestone.name},
                        {"wall_ms", Milliseconds(milestone.wall_ns)},
                        {"cpu_ms", Milliseconds(milestone.cpu_ns)}});
  }
  return {{"wall_ms", Milliseconds(stats.end.wall_ns)},
          {"cpu_ms", Milliseconds(stats.end.cpu_ns)},
          {"timeline", timeline}};
}

Json MmioJson(const MachineStats& machines) {
  Json devices = Json::object();
  for (const MmioAccessCounts& device : machines.mmio) {
    devices[device.name] = {
        {"address", device.range.base().value}, {"reads", device.reads}, {"writes", device.writes}};
  }
  return {{"devices", devices},
          {"unmapped_reads", machines.unmapped_reads},
          {"unmapped_writes", machines.unmapped_writes}};
}

Json DevicesJson(const MachineStats& machines) {
  Json devices = Json::object();
  for (const DeviceRunStats& device : machines.devices) {
    devices[device.name] = {{"requests", device.counts.requests},
                            {"bytes_read", device.counts.bytes_read},
                            {"bytes_written", device.counts.bytes_written},
                            {"notifications", device.counts.notifications},
                            {"interrupts", device.counts.interrupts},
                            {"errors", device.counts.errors}};
  }
  return devices;
}

Json MemoryJson(const RunStats& stats) {
  const uint64_t guest = stats.machines.guest_memory_resident_bytes;
  const uint64_t host = stats.host_resident_bytes;
  return {{"host_resident_bytes", host},
          {"host_peak_bytes", stats.host_peak_bytes},
          {"guest_bytes", stats.machines.guest_memory_bytes},
          {"guest_resident_bytes", guest},
          {"own_resident_bytes", host > guest ? host - guest : 0}};
}

Json RestoreJson(const RestoreStats& restore) {
  return {{"memory_load", restore.memory_load},
          {"fell_back", restore.fell_back},
          {"faults", restore.faults},
          {"pages_copied", restore.pages_copied},
          {"pages_zeroed", restore.pages_zeroed},
          {"pages_prefetched", restore.pages_prefetched},
          {"reads", restore.reads},
          {"bytes_read", restore.bytes_read},
          {"minor_faults", restore.minor_faults},
          {"major_faults", restore.major_faults}};
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

void MachineStats::Add(const MachineStats& other) {
  if (vcpus.size() < other.vcpus.size()) vcpus.resize(other.vcpus.size());
  for (size_t i = 0; i < other.vcpus.size(); ++i) AddTo(vcpus[i], other.vcpus[i]);
  for (const MmioAccessCounts& counts : other.mmio) {
    const auto same = std::find_if(mmio.begin(), mmio.end(),
                                   [&](const auto& mine) { return mine.name == counts.name; });
    if (same == mmio.end()) {
      mmio.push_back(counts);
    } else {
      same->reads += counts.reads;
      same->writes += counts.writes;
    }
  }
  unmapped_reads += other.unmapped_reads;
  unmapped_writes += other.unmapped_writes;
  for (const DeviceRunStats& device : other.devices) {
    const auto same = std::find_if(devices.begin(), devices.end(),
                                   [&](const auto& mine) { return mine.name == device.name; });
    if (same == devices.end()) {
      devices.push_back(device);
    } else {
      AddTo(same->counts, device.counts);
    }
  }
  guest_memory_bytes = other.guest_memory_bytes;
  guest_memory_resident_bytes = other.guest_memory_resident_bytes;
  if (other.restore) restore = other.restore;
}

absl::StatusOr<uint64_t> ResidentBytes(const GuestMemory& memory) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // Piece by piece: the vector does not grow with guest memory.
  std::vector<unsigned char> pages(16 * 1024);
  uint64_t resident = 0;
  for (const GuestMemoryRegion& region : memory.regions()) {
    for (uint64_t at = 0; at < region.range.size(); at += pages.size() * page) {
      const uint64_t size = std::min(region.range.size() - at, pages.size() * page);
      if (mincore(region.host + at, size, pages.data()) < 0) return ErrnoStatus(errno, "mincore");
      const auto end = pages.begin() + static_cast<ptrdiff_t>((size + page - 1) / page);
      resident += page * static_cast<uint64_t>(std::count_if(
                             pages.begin(), end, [](unsigned char bits) { return bits & 1; }));
    }
  }
  return resident;
}

void ReadHostMemory(RunStats& stats) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    std::string_view text = line;
    uint64_t* value = nullptr;
    if (absl::ConsumePrefix(&text, "VmRSS:")) {
      value = &stats.host_resident_bytes;
    } else if (absl::ConsumePrefix(&text, "VmHWM:")) {
      value = &stats.host_peak_bytes;
    } else {
      continue;
    }
    uint64_t kib = 0;
    if (absl::ConsumeSuffix(&text, " kB") && absl::SimpleAtoi(text, &kib)) *value = kib * 1024;
  }
}

std::string StatsJson(const RunStats& stats) {
  VcpuRunStats total;
  Json vcpus = Json::array();
  for (const VcpuRunStats& vcpu : stats.machines.vcpus) {
    AddTo(total, vcpu);
    vcpus.push_back(VcpuJson(vcpu));
    vcpus.back()["position"] = PositionJson(vcpu.position);
  }
  Json json = {{"hypervisor", stats.hypervisor},
               {"interrupt_controller", stats.interrupt_controller},
               {"deterministic", stats.is_deterministic},
               {"outcome", stats.outcome},
               {"exit_status", stats.exit_status},
               {"reboots", stats.reboots},
               {"total", VcpuJson(total)},
               {"vcpus", vcpus},
               {"mmio", MmioJson(stats.machines)},
               {"devices", DevicesJson(stats.machines)},
               {"memory", MemoryJson(stats)},
               {"time", TimeJson(stats)}};
  if (stats.machines.restore) json["restore"] = RestoreJson(*stats.machines.restore);
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

absl::Status CheckFileCanBeWritten(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the path is empty");
  struct stat stat = {};
  if (::stat(path.c_str(), &stat) == 0 && !S_ISREG(stat.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, S_ISDIR(stat.st_mode) ? ": is a folder; name a file" : ": is not a regular file"));
  }
  if (access(FolderOf(path).c_str(), W_OK | X_OK) < 0) {
    return ErrnoStatus(errno, absl::StrCat(path, ": writing to its folder"));
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view text) {
  const std::string beside = absl::StrCat(path, ".", getpid(), ".tmp");
  FileDescriptor fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd.is_valid()) return ErrnoStatus(errno, absl::StrCat("create ", beside));
  absl::Status status = WriteAll(fd.get(), text);
  if (status.ok() && rename(beside.c_str(), path.c_str()) < 0) {
    status = ErrnoStatus(errno, "rename");
  }
  if (!status.ok()) unlink(beside.c_str());
  return Annotate(status, path);
}

}  // namespace firn
