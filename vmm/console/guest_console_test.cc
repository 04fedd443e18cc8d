// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/guest_console.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "devices/testing/string_sink.h"

namespace firn {
namespace {

constexpr std::string_view kPanic = "Kernel panic - not syncing: why\n";

absl::Span<const std::byte> Bytes(std::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

TEST(GuestConsoleTest, WritePassesAllOn) {
  testing::StringSink output;
  GuestConsole console(&output, /*offer_waits=*/false, [] {});
  const std::string text(3000, 'x');
  console.Write(Bytes(text));
  EXPECT_EQ(output.text, text);
}

TEST(GuestConsoleTest, OfferPassesOnWhatThereIsRoomFor) {
  testing::StringSink output;
  GuestConsole console(&output, /*offer_waits=*/false, [] {});
  output.room = 1000;
  EXPECT_EQ(console.Offer(Bytes(std::string(3000, 'x'))), 1000u);
  EXPECT_EQ(output.text.size(), 1000u);
  EXPECT_EQ(console.Offer(Bytes("y")), 0u);
}

TEST(GuestConsoleTest, OfferThatWaitsPassesAllOn) {
  testing::StringSink output;
  GuestConsole console(&output, /*offer_waits=*/true, [] {});
  output.room = 1000;
  EXPECT_EQ(console.Offer(Bytes(std::string(3000, 'x'))), 3000u);
  EXPECT_EQ(output.text.size(), 3000u);
}

TEST(GuestConsoleTest, WithoutOutputThereIsAlwaysRoom) {
  GuestConsole console(nullptr, /*offer_waits=*/false, [] {});
  EXPECT_EQ(console.Offer(Bytes(std::string(3000, 'x'))), 3000u);
}

TEST(GuestConsoleTest, MutedTakesAllAndWritesNothing) {
  testing::StringSink output;
  GuestConsole console(&output, /*offer_waits=*/false, [] {});
  console.Mute();
  EXPECT_EQ(console.Offer(Bytes("x")), 1u);
  console.Write(Bytes("y"));
  EXPECT_EQ(output.text, "");
}

// What is offered twice is seen once.
TEST(GuestConsoleTest, SeesAPanicThatComesInPieces) {
  testing::StringSink output;
  GuestConsole console(&output, /*offer_waits=*/false, [] {});
  std::string_view rest = kPanic;
  while (!rest.empty()) {
    output.room = 5;
    rest.remove_prefix(console.Offer(Bytes(rest)));
  }
  EXPECT_EQ(output.text, kPanic);
  EXPECT_NE(console.panic_reason().find("not syncing: why"), std::string::npos)
      << console.panic_reason();
}

}  // namespace
}  // namespace firn
