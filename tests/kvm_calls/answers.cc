// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "tests/kvm_calls/answers.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"

namespace firn::kvm::testing {

Answer AnswerTo(const std::vector<std::string>& calls, size_t n, int error) {
  const std::string& call = calls[n];
  // What it says anyway.
  if (absl::EndsWith(call, absl::StrCat(" ", ErrnoName(error)))) return Answer::kGoesOn;
  // The interrupt state tables are for snapshots; a guest runs without them.
  if (absl::StrContains(call, "DEVICE_ATTR group=11")) return Answer::kGoesOn;
  // "No such register before the address is set" is what some kernels say.
  if (absl::StrContains(call, "HAS_DEVICE_ATTR group=10")) {
    return error == ENXIO ? Answer::kGoesOn : Answer::kNamesIt;
  }
  // Redistributor regions; without, a kernel has the one region of old.
  if (absl::StrContains(call, "HAS_DEVICE_ATTR group=0 attr=0x5")) {
    return error == ENXIO ? Answer::kGoesOn : Answer::kNamesIt;
  }
  if (absl::StrContains(call, "HAS_DEVICE_ATTR group=0 ")) {
    return error == ENXIO ? Answer::kSaysWhatLacks : Answer::kNamesIt;
  }
  if (absl::StrContains(call, "KVM_CREATE_DEVICE type=8 fd=0 flags=0x1")) {
    return error == ENODEV ? Answer::kGoesOn : Answer::kNamesIt;  // an ITS is for PCI
  }
  if (absl::StrContains(call, "KVM_CREATE_DEVICE") && absl::StrContains(call, "flags=0x1")) {
    return error == ENODEV ? Answer::kSaysWhatLacks : Answer::kNamesIt;
  }
  // Opening needs its capabilities; who asks for a limit later has one of its own.
  if (absl::StrContains(call, "KVM_CHECK_EXTENSION")) {
    const auto opened = std::find_if(calls.begin(), calls.end(), [](const std::string& other) {
      return absl::StrContains(other, "KVM_GET_VCPU_MMAP_SIZE");
    });
    const bool is_later = opened < calls.begin() + static_cast<ptrdiff_t>(n);
    return is_later ? Answer::kGoesOn : Answer::kNamesIt;
  }
  return Answer::kNamesIt;
}

std::vector<std::string> CallsThatCanFail(const RecordingCalls& recording) {
  std::vector<std::string> lines;
  for (const RecordedCall& call : recording.calls()) {
    if (call.line.starts_with("close") || call.line.starts_with("munmap")) continue;
    lines.push_back(call.line);
  }
  return lines;
}

std::string NameOf(std::string_view call) {
  if (!IsIoctl(call)) return std::string(call.substr(0, 4));
  const size_t begin = call.find("KVM_");
  return std::string(call.substr(begin, call.find(' ', begin) - begin));
}

std::string KindOf(std::string_view call) {
  const bool has_answers_of_its_own = absl::StrContains(call, "DEVICE");
  return has_answers_of_its_own ? std::string(call) : NameOf(call);
}

bool IsRun(std::string_view call) { return absl::StrContains(call, "KVM_RUN"); }

bool IsIoctl(std::string_view call) { return absl::StrContains(call, " KVM_"); }

size_t OpenFds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<size_t>(std::distance(fds, std::filesystem::directory_iterator()));
}

}  // namespace firn::kvm::testing
