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

class GuestConsoleTest : public ::testing::Test {
 protected:
  testing::StringSink output_;
  GuestConsole console_{&output_, /*offer_waits=*/false, [] {}};
};

TEST_F(GuestConsoleTest, WritePassesAllOn) {
  const std::string text(3000, 'x');
  console_.Write(Bytes(text));
  EXPECT_EQ(output_.text, text);
}

TEST_F(GuestConsoleTest, OfferPassesOnWhatThereIsRoomFor) {
  output_.room = 1000;
  EXPECT_EQ(console_.Offer(Bytes(std::string(3000, 'x'))), 1000u);
  EXPECT_EQ(output_.text.size(), 1000u);
  EXPECT_EQ(console_.Offer(Bytes("y")), 0u);
}

TEST_F(GuestConsoleTest, OfferThatIsMadeToWaitPassesAllOn) {
  output_.room = 1000;
  console_.MakeOfferWait();
  EXPECT_EQ(console_.Offer(Bytes(std::string(3000, 'x'))), 3000u);
  EXPECT_EQ(output_.text.size(), 3000u);
}

TEST_F(GuestConsoleTest, OfferOfADeterministicMachineWaits) {
  GuestConsole console(&output_, /*offer_waits=*/true, [] {});
  output_.room = 1000;
  EXPECT_EQ(console.Offer(Bytes(std::string(3000, 'x'))), 3000u);
  EXPECT_EQ(output_.text.size(), 3000u);
}

TEST_F(GuestConsoleTest, WithoutOutputThereIsAlwaysRoom) {
  GuestConsole console(nullptr, /*offer_waits=*/false, [] {});
  EXPECT_EQ(console.Offer(Bytes(std::string(3000, 'x'))), 3000u);
}

TEST_F(GuestConsoleTest, MutedTakesAllAndWritesNothing) {
  console_.Mute();
  EXPECT_EQ(console_.Offer(Bytes("x")), 1u);
  console_.Write(Bytes("y"));
  EXPECT_EQ(output_.text, "");
}

// What is offered twice is seen once.
TEST_F(GuestConsoleTest, SeesAPanicThatComesInPieces) {
  std::string_view rest = kPanic;
  while (!rest.empty()) {
    output_.room = 5;
    rest.remove_prefix(console_.Offer(Bytes(rest)));
  }
  EXPECT_EQ(output_.text, kPanic);
  EXPECT_NE(console_.panic_reason().find("not syncing: why"), std::string::npos)
      << console_.panic_reason();
}

}  // namespace
}  // namespace firn
