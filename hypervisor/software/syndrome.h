// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// ESR_ELx fields. Source: Arm ARM (DDI 0487) D24.2 "ESR_EL1, Exception Syndrome Register".
#ifndef FIRN_HYPERVISOR_SOFTWARE_SYNDROME_H_
#define FIRN_HYPERVISOR_SOFTWARE_SYNDROME_H_

#include <cstdint>

namespace firn::software {

enum ExceptionClass : uint32_t {
  kEcUnknown = 0x00,
  kEcTrappedWf = 0x01,  // WFI, WFE
  kEcInstructionAbortLower = 0x20,
  kEcInstructionAbortSame = 0x21,
  kEcDataAbortLower = 0x24,
  kEcDataAbortSame = 0x25,
};

inline constexpr uint32_t kSyndromeIl = 1u << 25;
inline constexpr uint32_t kFscExternalAbort = 0x10;

constexpr uint32_t SyndromeClass(uint32_t syndrome) { return syndrome >> 26; }

// ISS of a data abort from a lower exception level.
class DataAbort {
 public:
  constexpr explicit DataAbort(uint32_t syndrome) : iss_(syndrome & 0x1ffffff) {}
  // The fields below describe the instruction.
  constexpr bool has_instruction() const { return (iss_ >> 24 & 1) != 0; }  // ISV
  constexpr unsigned size() const { return 1u << (iss_ >> 22 & 3); }        // SAS, in bytes
  constexpr bool sign_extends() const { return (iss_ >> 21 & 1) != 0; }     // SSE
  constexpr unsigned reg() const { return iss_ >> 16 & 31; }                // SRT
  constexpr bool is_64_bit() const { return (iss_ >> 15 & 1) != 0; }        // SF
  constexpr bool on_table_walk() const { return (iss_ >> 7 & 1) != 0; }     // S1PTW
  constexpr bool is_write() const { return (iss_ >> 6 & 1) != 0; }          // WnR

 private:
  uint32_t iss_;
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_SYNDROME_H_
