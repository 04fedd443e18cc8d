// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A VM that consists of a VGICv5 and a FakeMachine, with the calls of user space and the
// instructions of a guest as short functions.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_VM_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_VM_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hypervisor/guest_address.h"
#include "hypervisor/kvm_abi.h"
#include "hypervisor/register_id.h"
#include "hypervisor/software/gicv5/encodings.h"
#include "hypervisor/software/gicv5/fake_machine.h"
#include "hypervisor/software/gicv5/intid.h"
#include "hypervisor/software/gicv5/vgicv5.h"

namespace firn::software::gicv5 {

// All dialects, and those with an IRS; and a name for a parameterised test.
inline constexpr std::array<Dialect, 4> kAllDialects = {Dialect::kPpiOnly, Dialect::kSeriesV1,
                                                        Dialect::kSeriesV2, Dialect::kMerged};
inline constexpr std::array<Dialect, 3> kIrsDialects = {Dialect::kSeriesV1, Dialect::kSeriesV2,
                                                        Dialect::kMerged};
std::string DialectName(Dialect dialect);

inline constexpr GuestAddress kTestIrsBase{0x0800'0000};
// Where a test's guest puts its IST: in the fake machine's memory.
inline constexpr GuestAddress kTestIst = FakeMachine::kRamBase;

constexpr uint64_t Spi(uint32_t id) { return Intid{IntidType::kSpi, id}.packed(); }
constexpr uint64_t Lpi(uint32_t id) { return Intid{IntidType::kLpi, id}.packed(); }
constexpr uint64_t PpiId(uint32_t id) { return Intid{IntidType::kPpi, id}.packed(); }

// The 26 registers of group CPU_SYSREGS.
std::vector<SystemRegister> CpuSysregs();

struct TestVmOptions {
  Dialect dialect = Dialect::kMerged;
  std::vector<uint32_t> vcpu_ids = {0};
  uint32_t nr_spis = 0;  // 0: not set
  HostLimits limits = {};
};

// The IST buffers of a save: `lpis` is empty where the dialect keeps LPIs in guest memory, or the
// guest has no LPI IST.
struct SavedIst {
  std::vector<uint32_t> spis;
  std::vector<uint32_t> lpis;

  bool operator==(const SavedIst&) const = default;
};

class TestVm {
 public:
  // Device and vCPUs, nothing else.
  explicit TestVm(const TestVmOptions& options = {});

  // NR_IRQS (where given), ADDR and CTRL_INIT; then `Start` is the first run. Test failures
  // where they fail.
  TestVm& Init();
  TestVm& Start();

  FakeMachine& machine() { return machine_; }
  Vgicv5& gic() { return *gic_; }
  const TestVmOptions& options() const { return options_; }

  // --- User space: errno, 0 for success ---------------------------------------------------

  int Has(uint32_t group, uint64_t attr);
  int Get(uint32_t group, uint64_t attr, void* to);
  int Set(uint32_t group, uint64_t attr, const void* from);
  int GetAt(uint32_t group, uint64_t attr, uint64_t addr);
  int SetAt(uint32_t group, uint64_t attr, uint64_t addr);
  int SetInit();
  int SetAddr(uint64_t address);
  int SetNrIrqs(uint32_t spis);
  int GetIrs(uint64_t offset, uint64_t* value);
  int SetIrs(uint64_t offset, uint64_t value);
  int GetCpu(uint32_t vcpu_id, SystemRegister reg, uint64_t* value);
  int SetCpu(uint32_t vcpu_id, SystemRegister reg, uint64_t value);
  int Run(uint32_t index = 0);
  int IrqLine(kvm::IrqType type, uint32_t number, bool level, uint32_t vcpu = 0);
  int SpiLine(uint32_t spi, bool level);

  // GET and SET of group IST with buffers as the dialect wants them.
  int SaveIst(SavedIst* ist);
  int RestoreIst(const SavedIst& ist);

  // A register's value; a test failure where the access fails.
  uint64_t Irs(uint64_t offset);
  uint64_t Cpu(uint32_t vcpu_id, SystemRegister reg);

  // --- The guest on vCPU `index` ----------------------------------------------------------

  uint64_t Mrs(SystemRegister reg, uint32_t index = 0);
  void Msr(SystemRegister reg, uint64_t value, uint32_t index = 0);
  void Sys(SystemRegister instruction, uint64_t operand, uint32_t index = 0);
  uint64_t Cdia(uint32_t index = 0, bool nmi_enabled = false);
  uint64_t Cdnmia(uint32_t index = 0, bool nmi_enabled = true);

  void Priority(uint64_t intid, uint8_t priority, uint32_t index = 0);
  void Affinity(uint64_t intid, uint16_t iaffid, uint32_t index = 0);
  void Pend(uint64_t intid, bool pending = true, uint32_t index = 0);
  void Enable(uint64_t intid, uint32_t index = 0) { Sys(kGicCden, intid, index); }
  void Disable(uint64_t intid, uint32_t index = 0) { Sys(kGicCddis, intid, index); }
  // ICC_ICSR_EL1 after CDRCFG.
  uint64_t Config(uint64_t intid, uint32_t index = 0);
  void Eoi(uint32_t index = 0) { Sys(kGicCdeoi, 0, index); }
  void Deactivate(uint64_t intid, uint32_t index = 0) { Sys(kGicCddi, intid, index); }

  uint32_t Read32(uint64_t offset);
  uint64_t Read64(uint64_t offset);
  void Write32(uint64_t offset, uint32_t value);
  void Write64(uint64_t offset, uint64_t value);

  // What a kernel does at boot on every vCPU: interface on, every priority passes; IRS on.
  void EnableCpus();
  void EnableIrs() { Write32(0x080, 1); }
  void SetTrigger(uint32_t spi, bool level);
  // IST_CFGR and IST_BASER for a linear table of 2^id_bits entries.
  void EnableLpis(uint32_t id_bits = 10);
  // An interrupt with `priority`, targeted and enabled.
  void SetUp(uint64_t intid, uint8_t priority, uint16_t iaffid = 0);

 private:
  const TestVmOptions options_;
  FakeMachine machine_;
  std::unique_ptr<Vgicv5> gic_;
};

// The highest priority pending interrupt of vCPU `index` that passes mask and running priority,
// as gicv5-reference 5.2 defines it, computed afresh from everything that a guest can read. Leaves
// the state as it was.
std::optional<Candidate> BruteForceHighestPending(TestVm& vm, uint32_t index);

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_TEST_VM_H_
