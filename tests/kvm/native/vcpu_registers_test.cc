// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Registers of KVM_GET_REG_LIST on a real vCPU: each can be written to another vCPU that has not
// run, in the order of the list, and reads back the same. The exceptions are here.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "arch-aarch64/guest_counters.h"
#include "gtest/gtest.h"
#include "hypervisor/errno_status.h"
#include "hypervisor/register_id.h"
#include "tests/kvm/native/native_vm.h"

namespace firn {
namespace {

// They go on by themselves.
constexpr uint64_t kCounters[] = {kvm::kTimerCnt, kvm::kPtimerCnt};

std::string NameOf(uint64_t id) {
  const std::string text = absl::StrFormat("%#x", id);
  if ((id & kvm::kRegFamilyMask) != kvm::kRegFamilySysreg) return text;
  const SystemRegister r = SystemRegister::Unpack(static_cast<uint16_t>(id));
  return absl::StrFormat("%s S%d_%d_C%d_C%d_%d", text, r.op0, r.op1, r.crn, r.crm, r.op2);
}

struct Register {
  uint64_t id;
  std::string value;
};

std::vector<Register> ReadAll(Vcpu& vcpu) {
  std::vector<Register> registers;
  const absl::StatusOr<std::vector<uint64_t>> list = vcpu.RegisterList();
  EXPECT_TRUE(list.ok()) << list.status();
  for (const uint64_t id : list.value_or(std::vector<uint64_t>{})) {
    if (std::count(std::begin(kCounters), std::end(kCounters), id) != 0) continue;
    std::string value(kvm::RegisterSize(id), '\0');
    const absl::Status status = vcpu.GetRegister(
        id, absl::MakeSpan(reinterpret_cast<std::byte*>(value.data()), value.size()));
    EXPECT_TRUE(status.ok()) << NameOf(id) << ": " << status;
    registers.push_back({id, value});
  }
  return registers;
}

absl::Status WriteOne(Vcpu& vcpu, const Register& r) {
  return vcpu.SetRegister(
      r.id,
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(r.value.data()), r.value.size()));
}

std::string Hex(const std::string& value) {
  return absl::BytesToHexString(std::string(value.rbegin(), value.rend()));
}

// Other values than after reset, in every register that takes them. Registers that say what the
// CPU is, and those of vector lengths and firmware, stay.
void Disturb(Vcpu& vcpu) {
  uint8_t byte = 1;
  size_t disturbed = 0;
  for (const Register& before : ReadAll(vcpu)) {
    const uint64_t family = before.id & kvm::kRegFamilyMask;
    const SystemRegister r = SystemRegister::Unpack(static_cast<uint16_t>(before.id));
    const bool is_id = family == kvm::kRegFamilySysreg && r.op0 == 3 && r.crn == 0;
    if (is_id || family == kvm::kRegFamilyFirmware || family == kvm::kRegFamilyFirmwareFeatures ||
        before.id == kvm::kSveVectorLengths || before.id == kvm::kCorePstate) {
      continue;
    }
    Register after = before;
    for (char& c : after.value) c = static_cast<char>(byte++ & 0x7f);
    if (WriteOne(vcpu, after).ok()) ++disturbed;
  }
  EXPECT_GT(disturbed, 100u);
}

void RoundTrip(Vcpu& from, Vcpu& to) {
  const std::vector<Register> saved = ReadAll(from);
  EXPECT_GT(saved.size(), 100u);
  for (const Register& r : saved) {
    const absl::Status status = WriteOne(to, r);
    if (r.id == kvm::kSveVectorLengths) {
      // Only before KVM_ARM_VCPU_FINALIZE.
      EXPECT_EQ(GetErrno(status), EPERM) << status;
      continue;
    }
    EXPECT_TRUE(status.ok()) << NameOf(r.id) << " = " << Hex(r.value) << " is refused: " << status;
  }
  const std::vector<Register> restored = ReadAll(to);
  ASSERT_EQ(restored.size(), saved.size());
  for (size_t n = 0; n < saved.size(); ++n) {
    ASSERT_EQ(restored[n].id, saved[n].id);
    EXPECT_EQ(Hex(restored[n].value), Hex(saved[n].value)) << NameOf(saved[n].id);
  }
}

TEST(VcpuRegistersTest, AfterReset) {
  NativeVm first, second;
  for (uint32_t n = 0; n < NativeVm::kVcpus; ++n) RoundTrip(first.vcpu(n), second.vcpu(n));
}

TEST(VcpuRegistersTest, WithOtherValues) {
  NativeVm first, second;
  for (uint32_t n = 0; n < NativeVm::kVcpus; ++n) {
    Disturb(first.vcpu(n));
    RoundTrip(first.vcpu(n), second.vcpu(n));
  }
}

TEST(VcpuRegistersTest, OfAGuestThatHasRun) {
  NativeVm first, second;
  // ldr x1, device; str x0, [x1]; b .; device: .quad 0x0b000100
  constexpr std::array<uint32_t, 6> kStore = {0x58000081, 0xf9000020, 0x14000000, 0, 0x0b000100, 0};
  ASSERT_TRUE(first.memory().Store(NativeVm::kMemory, kStore).ok());
  ASSERT_TRUE(SetRegisterU64(first.vcpu(0), kvm::kCorePc, NativeVm::kMemory.value).ok());
  first.RunToStore();
  RoundTrip(first.vcpu(0), second.vcpu(0));
}

// Of the VM, and of both kinds: farther than the host's own count ever gets.
TEST(VcpuRegistersTest, CountersGoOnFromWhereTheyAreSet) {
  NativeVm vm;
  const absl::StatusOr<GuestCounters> first = ReadGuestCounters(vm.vcpu(0));
  ASSERT_TRUE(first.ok()) << first.status();
  const std::vector<uint64_t> listed = *vm.vcpu(0).RegisterList();
  ASSERT_EQ(first->physical_count.has_value(),
            std::count(listed.begin(), listed.end(), kvm::kPtimerCnt) == 1);
  if (!first->physical_count) GTEST_SKIP() << "before Linux 6.4 the physical counter is the host's";
  constexpr GuestCounters kFar = {.virtual_count = uint64_t{1} << 60,
                                  .physical_count = uint64_t{1} << 61};
  const absl::Status status = SetGuestCounters(vm.vcpu(0), kFar);
  ASSERT_TRUE(status.ok()) << status;
  const absl::StatusOr<GuestCounters> other = ReadGuestCounters(vm.vcpu(1));
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_GE(other->virtual_count, kFar.virtual_count);
  EXPECT_LT(other->virtual_count, *kFar.physical_count);
  EXPECT_GE(*other->physical_count, *kFar.physical_count);
  // ldr x1, device; mrs x0, cntpct_el0; str x0, [x1]; b .; device: .quad 0x0b000100
  constexpr std::array<uint32_t, 6> kStore = {0x58000081, 0xd53be020, 0xf9000020,
                                              0x14000000, 0x0b000100, 0};
  ASSERT_TRUE(vm.memory().Store(NativeVm::kMemory, kStore).ok());
  ASSERT_TRUE(SetRegisterU64(vm.vcpu(0), kvm::kCorePc, NativeVm::kMemory.value).ok());
  EXPECT_GE(vm.RunToStore(), *other->physical_count);
}

}  // namespace
}  // namespace firn
