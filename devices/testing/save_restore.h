// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// One test for every component with a State: saved, clobbered, restored and saved again it has the
// same bytes, and it goes on as if nothing had happened. The uninterrupted component is the oracle.
//
//   INSTANTIATE_TYPED_TEST_SUITE_P(Serial, SaveRestoreTest, SerialUnderTest);
//
// `Subject`, default constructible, is the component with all that it works with:
//
//   Saved           what outlives it: copyable, comparable, with `std::string state`, the
//                   serialized State (and guest memory, where the component works on it)
//   void Drive()    to a state in which as many fields as possible differ from a new one's
//   void Clobber()  to a state that differs from both
//   Saved Save()
//   absl::Status Restore(const Saved&)  makes the component anew. Where it fails, the old one stays
//   int interrupts()                    edges so far
//   std::string GoOn()                  what the guest sees when it goes on from Drive
#ifndef FIRN_DEVICES_TESTING_SAVE_RESTORE_H_
#define FIRN_DEVICES_TESTING_SAVE_RESTORE_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace firn {

// The Saved of a component that keeps nothing in guest memory.
struct SavedState {
  std::string state;
  bool operator==(const SavedState&) const = default;
};

template <typename Subject>
class SaveRestoreTest : public ::testing::Test {};

TYPED_TEST_SUITE_P(SaveRestoreTest);

TYPED_TEST_P(SaveRestoreTest, SaveClobberRestoreSave) {
  TypeParam subject;
  const auto fresh = subject.Save();
  subject.Drive();
  const auto driven = subject.Save();
  EXPECT_TRUE(driven == subject.Save()) << "saving changes nothing";
  EXPECT_FALSE(driven == fresh);
  subject.Clobber();
  EXPECT_FALSE(driven == subject.Save());
  const int interrupts = subject.interrupts();
  const absl::Status status = subject.Restore(driven);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(driven == subject.Save());
  EXPECT_EQ(subject.interrupts(), interrupts) << "an edge that was raised is the GIC's to keep";
}

TYPED_TEST_P(SaveRestoreTest, ANewOneComesBackAsWell) {
  TypeParam subject;
  const auto fresh = subject.Save();
  subject.Drive();
  const absl::Status status = subject.Restore(fresh);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(fresh == subject.Save());
  TypeParam never_saved;
  never_saved.Drive();
  subject.Drive();
  EXPECT_TRUE(subject.Save() == never_saved.Save());
}

TYPED_TEST_P(SaveRestoreTest, GoesOnAsIfNothingHadHappened) {
  TypeParam uninterrupted;
  uninterrupted.Drive();
  TypeParam subject;
  subject.Drive();
  const auto saved = subject.Save();
  subject.Clobber();
  const absl::Status status = subject.Restore(saved);
  ASSERT_TRUE(status.ok()) << status;
  const int before = subject.interrupts();
  const int before_uninterrupted = uninterrupted.interrupts();
  EXPECT_EQ(subject.GoOn(), uninterrupted.GoOn());
  EXPECT_EQ(subject.interrupts() - before, uninterrupted.interrupts() - before_uninterrupted);
  EXPECT_TRUE(subject.Save() == uninterrupted.Save());
}

// Any bit may be wrong: what is taken must be a state that can be saved and restored again.
TYPED_TEST_P(SaveRestoreTest, AFlippedBitIsRefusedOrIsAnotherState) {
  TypeParam subject;
  subject.Drive();
  const auto driven = subject.Save();
  for (size_t bit = 0; bit < 8 * driven.state.size(); ++bit) {
    auto wrong = driven;
    wrong.state[bit / 8] = static_cast<char>(wrong.state[bit / 8] ^ (1 << (bit % 8)));
    const absl::Status status = subject.Restore(wrong);
    if (!status.ok()) {
      EXPECT_FALSE(status.message().empty()) << "bit " << bit;
      continue;
    }
    const auto again = subject.Save();
    EXPECT_TRUE(subject.Restore(again).ok()) << "bit " << bit;
    EXPECT_TRUE(subject.Save() == again) << "bit " << bit;
  }
}

TYPED_TEST_P(SaveRestoreTest, ARefusedStateLeavesTheOldOne) {
  TypeParam subject;
  subject.Drive();
  const auto driven = subject.Save();
  auto wrong = driven;
  wrong.state.assign(3, '\xff');  // no message at all
  EXPECT_FALSE(subject.Restore(wrong).ok());
  EXPECT_TRUE(subject.Save() == driven);
}

REGISTER_TYPED_TEST_SUITE_P(SaveRestoreTest, SaveClobberRestoreSave, ANewOneComesBackAsWell,
                            GoesOnAsIfNothingHadHappened, AFlippedBitIsRefusedOrIsAnotherState,
                            ARefusedStateLeavesTheOldOne);

}  // namespace firn

#endif  // FIRN_DEVICES_TESTING_SAVE_RESTORE_H_
