// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A virtual machine for tests: memory, a GICv5, vCPUs that run a small assembly program, and an
// ear for what the program reports.
#ifndef FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_FIXTURE_H_
#define FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "hypervisor/guest_memory.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/software_hypervisor.h"
#include "hypervisor/software/testing/guest_program.h"
#include "hypervisor/vm.h"

namespace firn::software {

struct GuestOptions {
  std::vector<uint32_t> vcpu_ids = {0};
  bool has_gic = true;
  uint64_t memory_size = 4 << 20;
  uint32_t memory_flags = 0;  // of the slot
  // What the guest runs on, where it is not a software hypervisor with `software`: it has a VGICv5
  // and outlives the guest.
  Hypervisor* hypervisor = nullptr;
  SoftwareOptions software = {};
};

// How a run ended: the first exit of a vCPU that is neither a kick nor MMIO that someone answers,
// or the first error of Run. DeadlineExceeded where that took too long.
struct GuestOutcome {
  unsigned vcpu = 0;
  absl::StatusOr<Exit> exit;

  bool powered_off() const;
};

// Thread rules: one thread, except that MMIO handlers run on vCPU threads, one at a time.
class Guest {
 public:
  static constexpr GuestAddress kMemory{0x40000000};
  // As in guests/guest.inc.
  static constexpr GuestAddress kConsole{0x09000000};
  static constexpr GuestAddress kReport{0x09000008};
  static constexpr GuestAddress kIrs{0x0a000000};

  // Makes the machine and loads `program` ("mmio": guests/mmio.elf); dies where that fails. The
  // first vCPU is on, the others wait for CPU_ON. The GIC is initialised.
  explicit Guest(std::string_view program, const GuestOptions& options = {});
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  Vm& vm() { return *vm_; }
  Vcpu& vcpu(unsigned index) { return *vcpus_[index]; }
  GuestMemory& memory() { return *memory_; }
  // Null without a GIC.
  Device* gic() { return gic_; }
  // The address of a label.
  uint64_t Symbol(std::string_view name) const;

  uint64_t Get(unsigned vcpu, uint64_t register_id);
  void Set(unsigned vcpu, uint64_t register_id, uint64_t value);
  // Makes a vCPU runnable at a label, at EL1h with interrupts masked, as guest.inc says.
  void Start(unsigned vcpu, std::string_view label);

  // `handler` answers MMIO exits at `address`.
  using MmioHandler = std::function<void(unsigned vcpu, MmioExit& exit)>;
  void OnMmio(GuestAddress address, MmioHandler handler);

  // Runs every vCPU on a thread of its own until the outcome.
  GuestOutcome Run();

  // What the program stored to REPORT and CONSOLE, in order.
  std::vector<uint64_t> reports() const;
  std::string console() const;

 private:
  void RunVcpu(unsigned index);
  // True where the exit was answered.
  bool HandleMmio(unsigned vcpu, MmioExit& exit);
  void Finish(unsigned vcpu, absl::StatusOr<Exit> exit);

  const GuestProgram program_;
  std::unique_ptr<Hypervisor> own_hypervisor_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<Vm> vm_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  Device* gic_ = nullptr;

  mutable absl::Mutex mutex_;
  std::map<uint64_t, MmioHandler> handlers_;
  std::vector<uint64_t> reports_ ABSL_GUARDED_BY(mutex_);
  std::string console_ ABSL_GUARDED_BY(mutex_);
  std::optional<GuestOutcome> outcome_ ABSL_GUARDED_BY(mutex_);
};

// A value as the bytes of an MmioExit, and back.
uint64_t MmioValue(const MmioExit& exit);
void SetMmioValue(MmioExit& exit, uint64_t value);

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_FIXTURE_H_
