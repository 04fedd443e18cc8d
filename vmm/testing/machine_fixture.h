// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A machine on the software hypervisor, with the tiny kernels of guests/.
#ifndef FIRN_VMM_TESTING_MACHINE_FIXTURE_H_
#define FIRN_VMM_TESTING_MACHINE_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "devices/testing/string_sink.h"
#include "hypervisor/software/software_hypervisor.h"
#include "hypervisor/software/testing/guest_program.h"
#include "vmm/machine/machine.h"

namespace firn::testing {

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    std::filesystem::create_directory(folder_);
    config_.machine.memory_bytes = 32 * kMiB;
    config_.boot_source.kernel_image_path = Path("kernel");
  }
  ~MachineTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(std::string_view name) const { return absl::StrCat(folder_, "/", name); }

  void WriteFile(std::string_view name, std::string_view text) const {
    std::ofstream file(Path(name), std::ios::binary);
    file << text;
  }
  // The kernel of guests/`program`.S begins at `label`.
  void WriteKernel(std::string_view label, std::string_view program = "kernel") {
    software::GuestProgram kernel =
        software::GuestProgram::Load(absl::StrCat("vmm/testing/guests/", program, ".elf"));
    const uint64_t offset = kernel.symbols.at(std::string(label)) - kernel.base.value;
    const uint32_t branch = 0x1400'0000 | static_cast<uint32_t>(offset / 4);  // B
    std::memcpy(kernel.image.data(), &branch, sizeof(branch));
    std::ofstream file(Path("kernel"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(kernel.image.data()),
               static_cast<std::streamsize>(kernel.image.size()));
  }

  absl::Status Create(Hypervisor& hypervisor) {
    ended_ = std::make_unique<absl::Notification>();
    absl::StatusOr<std::unique_ptr<Machine>> machine =
        Machine::Create(config_, HostWith(hypervisor), OnEnd());
    if (!machine.ok()) return machine.status();
    machine_ = *std::move(machine);
    return absl::OkStatus();
  }
  absl::Status Create() { return Create(*hypervisor_); }

  absl::StatusOr<std::unique_ptr<Machine>> RestoreFrom(const Snapshot& snapshot,
                                                       const RestoreRequest& request) {
    return Machine::Restore(config_, HostWith(*hypervisor_), snapshot, request, OnEnd());
  }

  // Lets the machine go on, and has it stand still after `moment` instructions.
  void RunTo(uint64_t moment) {
    ended_ = std::make_unique<absl::Notification>();
    ASSERT_TRUE(machine_->SetInstructionLimit(moment).ok());
    ASSERT_TRUE(machine_->Resume().ok());
    ended_->WaitForNotification();
    ASSERT_EQ(end_.kind, MachineEnd::Kind::kInstructionLimit);
    ASSERT_TRUE(machine_->Pause().ok());
  }

  // Runs the kernel from `label` to its end.
  MachineEnd Run(std::string_view label) {
    WriteKernel(label);
    const absl::Status status = Create();
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return {MachineEnd::Kind::kHostError, std::string(status.message())};
    EXPECT_TRUE(machine_->Start().ok());
    ended_->WaitForNotification();
    machine_->Stop();
    return end_;
  }

  MachineHost HostWith(Hypervisor& hypervisor) {
    return {.hypervisor = hypervisor,
            .loop = *loop_,
            .timeline = timeline_,
            .entropy = entropy_,
            .output = &output_,
            .trace = nullptr};
  }
  std::function<void(const MachineEnd&)> OnEnd() {
    return [this](const MachineEnd& end) {
      end_ = end;
      ended_->Notify();  // dies the second time
    };
  }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "/machine-", getpid());
  VmConfig config_;
  std::unique_ptr<Hypervisor> hypervisor_ = *software::CreateSoftwareHypervisor();
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  Timeline timeline_{ReadHostTimes};
  SeededEntropy entropy_{1};
  testing::StringSink output_;
  std::unique_ptr<absl::Notification> ended_;
  MachineEnd end_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace firn::testing

#endif  // FIRN_VMM_TESTING_MACHINE_FIXTURE_H_
