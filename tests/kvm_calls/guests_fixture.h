// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Guest programs on the kvm backend, end to end: every ioctl that a running guest takes, answered
// by FakeKvm, the guest executed by the software hypervisor. In each dialect that has an IRS.
#ifndef FIRN_TESTS_KVM_CALLS_GUESTS_FIXTURE_H_
#define FIRN_TESTS_KVM_CALLS_GUESTS_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor/software/testing/guest_fixture.h"
#include "tests/kvm_calls/kvm_stack.h"

namespace firn::kvm::testing {

using software::Guest;
using software::GuestOptions;
using software::GuestOutcome;
using software::MmioValue;
using software::SetMmioValue;
using software::gicv5::Dialect;

inline constexpr Dialect kIrsDialects[] = {Dialect::kSeriesV1, Dialect::kSeriesV2,
                                           Dialect::kMerged};

// For names of tests.
inline std::string DialectName(Dialect dialect) {
  switch (dialect) {
    case Dialect::kSeriesV1:
      return "SeriesV1";
    case Dialect::kSeriesV2:
      return "SeriesV2";
    default:
      return "Merged";
  }
}

class GuestsTest : public ::testing::TestWithParam<Dialect> {
 protected:
  GuestsTest() : GuestsTest(Gicv5Host()) {}
  explicit GuestsTest(FakeHost host)
      : stack_(std::move(host), {.dialect = GetParam()}),
        kvm_(*KvmHypervisor::Open(stack_.kernel())) {}

  GuestOptions Options(std::vector<uint32_t> vcpu_ids = {0}) {
    return {.vcpu_ids = std::move(vcpu_ids), .hypervisor = kvm_.get()};
  }

  // Calls `action` for each byte that the guest writes to its console.
  static void OnConsole(Guest& guest, const std::function<void(char byte)>& action) {
    guest.OnMmio(Guest::kConsole, [action](unsigned, MmioExit& exit) {
      action(static_cast<char>(MmioValue(exit)));
    });
  }

  KvmStack stack_;  // last to go: it sees what leaked
  std::unique_ptr<KvmHypervisor> kvm_;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_TESTS_KVM_CALLS_GUESTS_FIXTURE_H_
