// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A vCPU of a real KVM that waits for a page which its page fault handler never puts in place gets
// out of the guest, and does not execute with anything else in that page.
#include "migration/fault_handler.h"

#include <cerrno>
#include <thread>
#include <variant>

#include "arch-aarch64/vcpu_setup.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "migration/testing/handler_peer.h"
#include "tests/kvm/native/native_vm.h"

namespace firn {
namespace {

constexpr uint32_t kProgram[] = {
    0xf9400001,  // ldr x1, [x0]
    0xf9000041,  // str x1, [x2]: to a device, so an exit
};
// Not in the huge page that the program may be in.
constexpr uint64_t kOffset = 8 << 20;
constexpr GuestAddress kWanted = GuestAddress(NativeVm::kMemory.value + kOffset);

class FaultHandlerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(vm_.memory().Store(NativeVm::kMemory, kProgram).ok());
    ASSERT_TRUE(SetBootRegisters(vm_.vcpu(0), NativeVm::kMemory, kWanted).ok());
    auto handler = FaultHandler::Connect(peer_.path(), vm_.memory(),
                                         {.end_fd = -1, .on_lost = [this](const absl::Status&) {
                                            // As firn's machine does.
                                            if (kicks_) vm_.vcpu(0).Kick();
                                          }});
    ASSERT_TRUE(handler.ok()) << handler.status();
    handler_ = *std::move(handler);
    peer_.Accept();
    vcpu_ = std::thread([this] { exit_ = vm_.vcpu(0).Run(); });
    peer_.WaitForFault();
  }
  void TearDown() override {
    if (vcpu_.joinable()) vcpu_.join();
  }

  NativeVm vm_;
  HandlerPeer peer_;
  bool kicks_ = true;
  std::unique_ptr<FaultHandler> handler_;
  absl::StatusOr<Exit> exit_;
  std::thread vcpu_;
};

TEST_F(FaultHandlerTest, Answers) {
  peer_.Place(vm_.memory().regions()[0].host + kOffset, std::byte{0x5a});
  vcpu_.join();
  ASSERT_TRUE(exit_.ok()) << exit_.status();
  const auto* const mmio = std::get_if<MmioExit>(&*exit_);
  ASSERT_NE(mmio, nullptr);
  EXPECT_TRUE(mmio->is_write);
  EXPECT_EQ(mmio->data[0], std::byte{0x5a});
}

TEST_F(FaultHandlerTest, Dies) {
  kicks_ = false;
  peer_.Die();
  vcpu_.join();
  EXPECT_EQ(GetErrno(exit_.status()), EFAULT) << exit_.status();
  // And again.
  EXPECT_EQ(GetErrno(vm_.vcpu(0).Run().status()), EFAULT);
}

TEST_F(FaultHandlerTest, DiesAndTheVcpuIsKicked) {
  peer_.Die();
  vcpu_.join();
  EXPECT_TRUE(exit_.ok() ? std::holds_alternative<KickedExit>(*exit_)
                         : GetErrno(exit_.status()) == EFAULT)
      << exit_.status();
}

TEST_F(FaultHandlerTest, NeverAnswers) {
  vm_.vcpu(0).Kick();
  handler_->EndSoon();
  vcpu_.join();
  EXPECT_TRUE(exit_.ok() ? std::holds_alternative<KickedExit>(*exit_)
                         : GetErrno(exit_.status()) == EFAULT)
      << exit_.status();
  EXPECT_TRUE(absl::IsCancelled(handler_->status()));
}

}  // namespace
}  // namespace firn
