// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The kvm backend on an arm64 host that is not there: KvmHypervisor over FakeKvm over the software
// hypervisor.
#ifndef FIRN_TESTS_KVM_CALLS_KVM_STACK_H_
#define FIRN_TESTS_KVM_CALLS_KVM_STACK_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/log/check.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "hypervisor/kvm/testing/fake_kvm.h"
#include "hypervisor/software/software_hypervisor.h"

namespace firn::kvm::testing {

class KvmStack {
 public:
  explicit KvmStack(FakeHost host = Gicv5Host(), const software::SoftwareOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Hypervisor>> software =
        software::CreateSoftwareHypervisor(options);
    CHECK_OK(software);
    software_ = *std::move(software);
    kernel_.emplace(std::move(host), *software_);
  }
  ~KvmStack() { ExpectNothingLeaked(); }
  KvmStack(const KvmStack&) = delete;
  KvmStack& operator=(const KvmStack&) = delete;

  FakeKvm& kernel() { return *kernel_; }

  // Once all that used the kernel is gone.
  void ExpectNothingLeaked() {
    EXPECT_THAT(kernel_->open_fds(), ::testing::IsEmpty());
    EXPECT_THAT(kernel_->mappings(), ::testing::IsEmpty());
    EXPECT_THAT(kernel_->misuse(), ::testing::IsEmpty());
  }

 private:
  std::unique_ptr<Hypervisor> software_;
  std::optional<FakeKvm> kernel_;
};

}  // namespace firn::kvm::testing

#endif  // FIRN_TESTS_KVM_CALLS_KVM_STACK_H_
