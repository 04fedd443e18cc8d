// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/psci.h"

#include <algorithm>
#include <iterator>

namespace firn::software {
namespace {

using Action = PsciResult::Action;

enum Function : uint32_t {
  kSmcccVersion = 0x80000000,
  kPsciVersion = 0x84000000,
  kCpuSuspend32 = 0x84000001,
  kCpuOff = 0x84000002,
  kCpuOn32 = 0x84000003,
  kAffinityInfo32 = 0x84000004,
  kMigrateInfoType = 0x84000006,
  kSystemOff = 0x84000008,
  kSystemReset = 0x84000009,
  kPsciFeatures = 0x8400000a,
  kSystemReset2_32 = 0x84000012,
  kCpuSuspend64 = 0xc4000001,
  kCpuOn64 = 0xc4000003,
  kAffinityInfo64 = 0xc4000004,
  kSystemReset2_64 = 0xc4000012,
};

constexpr uint64_t kSuccess = 0;
constexpr uint64_t kNotSupported = static_cast<uint64_t>(-1);
constexpr uint64_t kInvalidParameters = static_cast<uint64_t>(-2);
constexpr uint64_t kAlreadyOn = static_cast<uint64_t>(-4);
constexpr uint64_t kInternalFailure = static_cast<uint64_t>(-6);

constexpr uint64_t kSmcccVersion11 = 0x10001;
constexpr uint64_t kTrustedOsNotPresent = 2;
constexpr uint64_t kAffinityMask = 0xff'00ff'ffff;
constexpr uint64_t kAffinityOn = 0, kAffinityOff = 1;

constexpr uint32_t kFunctions02[] = {
    kPsciVersion,    kCpuSuspend32,   kCpuSuspend64,    kCpuOff,    kCpuOn32,    kCpuOn64,
    kAffinityInfo32, kAffinityInfo64, kMigrateInfoType, kSystemOff, kSystemReset};

bool IsPresent(uint32_t function, uint64_t version) {
  if (std::find(std::begin(kFunctions02), std::end(kFunctions02), function) !=
      std::end(kFunctions02)) {
    return true;
  }
  if (function == kPsciFeatures || function == kSmcccVersion) return version >= kPsciVersion10;
  if (function == kSystemReset2_32 || function == kSystemReset2_64) {
    return version >= kPsciVersion11;
  }
  return false;
}

uint64_t CpuOn(PsciMachine& machine, uint64_t mpidr, uint64_t entry, uint64_t context) {
  if ((mpidr & ~kAffinityMask) != 0) return kInvalidParameters;
  const std::optional<PsciMachine::Power> power = machine.PowerOf(mpidr);
  if (!power) return kInvalidParameters;
  if (*power == PsciMachine::Power::kOn) return kAlreadyOn;
  machine.PowerOn(mpidr, entry, context);
  return kSuccess;
}

uint64_t AffinityInfo(PsciMachine& machine, uint64_t mpidr, uint64_t level) {
  if (level > 3 || (mpidr & ~kAffinityMask) != 0) return kInvalidParameters;
  const std::optional<bool> on = machine.AnyOn(mpidr, static_cast<unsigned>(level));
  if (!on) return kInvalidParameters;
  return *on ? kAffinityOn : kAffinityOff;
}

}  // namespace

PsciResult HandleHypercall(PsciMachine& machine, const std::array<uint64_t, 4>& args,
                           uint64_t version) {
  const uint32_t function = static_cast<uint32_t>(args[0]);
  // SMCCC's own version call works with any PSCI version.
  if (function == kSmcccVersion) return {.x0 = kSmcccVersion11};
  if (!IsPresent(function, version)) return {.x0 = kNotSupported};
  const bool is_32 = (function >> 30 & 1) == 0;
  const auto argument = [&](unsigned n) {
    return is_32 ? static_cast<uint32_t>(args[n]) : args[n];
  };
  switch (function) {
    case kPsciVersion:
      return {.x0 = version};
    case kCpuOff:
      return {.x0 = kInternalFailure, .action = Action::kCpuOff};
    case kCpuSuspend32:
    case kCpuSuspend64:
      return {.x0 = kSuccess, .action = Action::kCpuSuspend};
    case kCpuOn32:
    case kCpuOn64:
      return {.x0 = CpuOn(machine, argument(1), argument(2), argument(3))};
    case kAffinityInfo32:
    case kAffinityInfo64:
      return {.x0 = AffinityInfo(machine, argument(1), argument(2))};
    case kMigrateInfoType:
      return {.x0 = kTrustedOsNotPresent};
    case kSystemOff:
      return {.x0 = kInternalFailure, .action = Action::kSystemOff};
    case kSystemReset:
      return {.x0 = kInternalFailure, .action = Action::kSystemReset};
    case kSystemReset2_32:
    case kSystemReset2_64: {
      // Architectural warm reset (0) and vendor types (bit 31) reset; the rest is reserved.
      const bool is_known = argument(1) == 0 || (argument(1) >> 31 & 1) != 0;
      if (!is_known) return {.x0 = kInvalidParameters};
      return {.x0 = kInternalFailure, .action = Action::kSystemReset};
    }
    case kPsciFeatures:
      return {.x0 = IsPresent(static_cast<uint32_t>(args[1]), version) ? kSuccess : kNotSupported};
    default:
      return {.x0 = kNotSupported};
  }
}

}  // namespace firn::software
