// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/panic_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace firn {
namespace {

constexpr std::string_view kPanicLine =
    "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n";
constexpr std::string_view kEndLine =
    "[    1.300000] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\r\n";

TEST(PanicWatchTest, SeesPanicAndHalt) {
  PanicWatch watch;
  EXPECT_FALSE(watch.Feed("[    0.000000] Booting Linux\n"));
  EXPECT_FALSE(watch.panicked());
  EXPECT_FALSE(watch.Feed(kPanicLine));
  EXPECT_TRUE(watch.panicked());
  EXPECT_EQ(watch.reason(), "Kernel panic - not syncing: VFS: Unable to mount root fs");
  EXPECT_FALSE(watch.Feed("[    1.24] CPU: 0 UID: 0 PID: 1\r\n"));
  EXPECT_TRUE(watch.Feed(kEndLine));
}

TEST(PanicWatchTest, SeesThemByteByByte) {
  PanicWatch watch;
  int halts = 0;
  for (const char c : std::string(kPanicLine) + std::string(kEndLine)) {
    if (watch.Feed(std::string_view(&c, 1))) ++halts;
  }
  EXPECT_EQ(halts, 1);
  EXPECT_TRUE(watch.panicked());
}

TEST(PanicWatchTest, SeesLinesWithoutOrWithMorePrefix) {
  PanicWatch bare;
  bare.Feed("Kernel panic - not syncing: sysrq triggered crash\n");
  EXPECT_TRUE(bare.panicked());
  PanicWatch caller;
  caller.Feed("[    2.5][    T1] Kernel panic - not syncing: x\n");
  EXPECT_TRUE(caller.panicked());
}

TEST(PanicWatchTest, TextWithinALineIsNoPanic) {
  PanicWatch watch;
  watch.Feed("$ echo Kernel panic - not syncing\n");
  watch.Feed("log: Kernel panic - not syncing: x\n");
  watch.Feed("[unclosed Kernel panic - not syncing: x\n");
  EXPECT_FALSE(watch.panicked());
}

TEST(PanicWatchTest, EndWithoutPanicIsNoHalt) {
  PanicWatch watch;
  EXPECT_FALSE(watch.Feed(kEndLine));
}

TEST(PanicWatchTest, ReasonIsBoundedAndPrintable) {
  PanicWatch watch;
  watch.Feed("Kernel panic - not syncing: \x1b[31m" + std::string(1 << 20, 'x') + "\n");
  ASSERT_TRUE(watch.panicked());
  EXPECT_LE(watch.reason().size(), PanicWatch::kReasonLimit);
  EXPECT_EQ(watch.reason().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace firn
