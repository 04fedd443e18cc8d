// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/irs_id_registers.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <string_view>

#include "hypervisor/errno_status.h"

namespace firn::software::gicv5 {
namespace {

constexpr uint32_t kNonSecure = 1;  // IDR0.INT_DOM
constexpr uint32_t kMaxIdBits = 16;
// IDR0 VIRT, ONE_N, VIRT_ONE_N, SETLPI, MEC, MPAM, SWE.
constexpr uint32_t kIdr0Features = 0x7fu << 6;
constexpr uint32_t kIdr2Lpi = 1u << 5;
// IDR2 IST_LEVELS, ISTMD, ISTMD_SZ.
constexpr uint32_t kIdr2Unsupported = 1u << 10 | 1u << 14 | 0x1fu << 15;

// Bits that number `count` affinities: at least 1.
uint32_t AffinityBits(uint32_t count) {
  return std::max<uint32_t>(1, std::bit_width(std::bit_ceil(count)) - 1);
}

absl::Status Invalid(std::string_view what) { return ErrnoStatus(EINVAL, what); }

}  // namespace

IrsIdRegisters::IrsIdRegisters(const HostLimits& host, const DialectRules& rules, const IrsVm& vm)
    : rules_(rules),
      vm_(vm),
      iaffid_bits_(
          AffinityBits(rules.iaffid_bits_of_host ? host.max_vpes : vm.highest_vcpu_id + 1)),
      host_priority_bits_(host.priority_bits),
      host_id_bits_(std::min(kMaxIdBits, host.id_bits)),
      host_min_lpi_id_bits_(host.min_lpi_id_bits),
      pa_range_(host.pa_range),
      priority_bits_(host.priority_bits),
      id_bits_(host_id_bits_),
      min_lpi_id_bits_(host.min_lpi_id_bits) {}

uint32_t IrsIdRegisters::idr0() const { return kNonSecure | pa_range_ << 2 | irsid_ << 16; }

uint32_t IrsIdRegisters::idr1() const {
  return vm_.vcpus | (iaffid_bits_ - 1) << 16 | (priority_bits_ - 1) << 20;
}

uint32_t IrsIdRegisters::idr2() const { return id_bits_ | kIdr2Lpi | min_lpi_id_bits_ << 6; }

absl::Status IrsIdRegisters::RestoreIdr0(uint32_t value) {
  if ((value & 3) != kNonSecure) return Invalid("IDR0.INT_DOM is not Non-secure");
  if (rules_.idr_validation && (value & kIdr0Features) != 0) {
    return Invalid("IDR0 has a feature that a virtual IRS has not");
  }
  pa_range_ = value >> 2 & 0xf;
  irsid_ = value >> 16;
  return absl::OkStatus();
}

absl::Status IrsIdRegisters::RestoreIdr1(uint32_t value) {
  const uint32_t priority_bits = (value >> 20 & 7) + 1;
  if (rules_.idr_validation) {
    if ((value >> 16 & 0xf) + 1 != iaffid_bits_) {
      return Invalid("IDR1.IAFFID_BITS is not that of this VM's vCPU ids");
    }
    if (priority_bits > host_priority_bits_) {
      return Invalid("IDR1.PRIORITY_BITS is above the host's");
    }
  }
  priority_bits_ = std::min(priority_bits, host_priority_bits_);
  return absl::OkStatus();
}

absl::Status IrsIdRegisters::RestoreIdr2(uint32_t value) {
  const uint32_t id_bits = value & 0x1f;
  const uint32_t min_lpi_id_bits = value >> 6 & 0xf;
  if ((value & kIdr2Lpi) == 0) return Invalid("IDR2.LPI is 0");
  if (id_bits > host_id_bits_) return Invalid("IDR2.ID_BITS is above the host's");
  if (rules_.idr_validation) {
    if ((value & kIdr2Unsupported) != 0) {
      return Invalid("IDR2 has two-level tables or metadata, which a virtual IRS has not");
    }
    if (min_lpi_id_bits < host_min_lpi_id_bits_ || min_lpi_id_bits > id_bits) {
      return Invalid("IDR2.MIN_LPI_ID_BITS is not between the host's and ID_BITS");
    }
  }
  id_bits_ = id_bits;
  min_lpi_id_bits_ = min_lpi_id_bits;
  return absl::OkStatus();
}

absl::Status IrsIdRegisters::CheckSame(uint32_t value, uint32_t own) {
  return value == own ? absl::OkStatus() : Invalid("the SPI range is not this VM's");
}

}  // namespace firn::software::gicv5
