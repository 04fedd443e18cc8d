// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The register map of the PL031 real time clock (Arm DDI 0224C, section 3.2).
#ifndef FIRN_DEVICES_RTC_RTC_REGISTERS_H_
#define FIRN_DEVICES_RTC_RTC_REGISTERS_H_

#include <array>
#include <cstdint>

namespace firn {

// Each is 32 bits wide.
enum class RtcRegister : uint32_t {
  kData = 0x000,             // R   RTCDR: seconds
  kMatch = 0x004,            // RW  RTCMR: the alarm
  kLoad = 0x008,             // RW  RTCLR: sets the clock
  kControl = 0x00c,          // RW  RTCCR: bit 0, started; a started clock does not stop
  kInterruptMask = 0x010,    // RW  RTCIMSC: bit 0, the interrupt is let through
  kRawInterrupt = 0x014,     // R   RTCRIS
  kMaskedInterrupt = 0x018,  // R   RTCMIS
  kInterruptClear = 0x01c,   // W   RTCICR
};

// RTCPeriphID0-3 and RTCPCellID0-3, 8 bits each (sections 3.2.9 and 3.2.10).
inline constexpr uint64_t kRtcIdentification = 0xfe0;
inline constexpr std::array<uint8_t, 8> kRtcIdentificationBytes = {0x31, 0x10, 0x04, 0x00,
                                                                   0x0d, 0xf0, 0x05, 0xb1};

}  // namespace firn

#endif  // FIRN_DEVICES_RTC_RTC_REGISTERS_H_
