// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The register map of the 16550A UART (National Semiconductor PC16550D data sheet, section 8).
#ifndef FIRN_DEVICES_SERIAL_UART_REGISTERS_H_
#define FIRN_DEVICES_SERIAL_UART_REGISTERS_H_

#include <cstdint>

namespace firn::uart {

// Offsets; each register has 8 bits.
inline constexpr uint64_t kData = 0;             // R RBR, W THR; with DLAB divisor low
inline constexpr uint64_t kInterruptEnable = 1;  // RW IER; with DLAB divisor high
inline constexpr uint64_t kInterruptId = 2;      // R IIR
inline constexpr uint64_t kFifoControl = 2;      // W FCR
inline constexpr uint64_t kLineControl = 3;      // RW LCR
inline constexpr uint64_t kModemControl = 4;     // RW MCR
inline constexpr uint64_t kLineStatus = 5;       // R LSR
inline constexpr uint64_t kModemStatus = 6;      // R MSR
inline constexpr uint64_t kScratch = 7;          // RW SCR
inline constexpr uint64_t kRegisters = 8;

// IER: which causes interrupt (8.6.7).
inline constexpr uint8_t kIerReceived = 1;
inline constexpr uint8_t kIerTransmitEmpty = 2;
inline constexpr uint8_t kIerLineStatus = 4;
inline constexpr uint8_t kIerModemStatus = 8;
inline constexpr uint8_t kIerMask = 0x0f;

// IIR, by falling priority (8.6.5).
inline constexpr uint8_t kIirLineStatus = 0x06;
inline constexpr uint8_t kIirReceived = 0x04;
inline constexpr uint8_t kIirTimeout = 0x0c;  // fewer characters than the trigger level
inline constexpr uint8_t kIirTransmitEmpty = 0x02;
inline constexpr uint8_t kIirModemStatus = 0x00;
inline constexpr uint8_t kIirNone = 0x01;
inline constexpr uint8_t kIirFifos = 0xc0;

// FCR (8.6.4).
inline constexpr uint8_t kFcrEnable = 0x01;
inline constexpr uint8_t kFcrClearReceive = 0x02;

// LCR (8.6.1).
inline constexpr uint8_t kLcrDivisorLatch = 0x80;

// MCR (8.6.6).
inline constexpr uint8_t kMcrDtr = 0x01;
inline constexpr uint8_t kMcrRts = 0x02;
inline constexpr uint8_t kMcrOut1 = 0x04;
inline constexpr uint8_t kMcrOut2 = 0x08;
inline constexpr uint8_t kMcrLoop = 0x10;
inline constexpr uint8_t kMcrMask = 0x1f;

// LSR (8.6.3).
inline constexpr uint8_t kLsrDataReady = 0x01;
inline constexpr uint8_t kLsrOverrun = 0x02;
inline constexpr uint8_t kLsrTransmitHoldingEmpty = 0x20;
inline constexpr uint8_t kLsrTransmitterEmpty = 0x40;

// MSR (8.6.8): the four lines, above one "changed" bit for each.
inline constexpr uint8_t kMsrCts = 0x10;
inline constexpr uint8_t kMsrDsr = 0x20;
inline constexpr uint8_t kMsrRing = 0x40;
inline constexpr uint8_t kMsrDcd = 0x80;

}  // namespace firn::uart

#endif  // FIRN_DEVICES_SERIAL_UART_REGISTERS_H_
