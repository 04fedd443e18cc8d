// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/errno_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "hypervisor/event_fd.h"

namespace firn {
namespace {

TEST(ErrnoStatusTest, KeepsErrnoAndNamesTheCall) {
  const absl::Status status = ErrnoStatus(ENODEV, "KVM_CREATE_DEVICE");
  EXPECT_EQ(GetErrno(status), ENODEV);
  EXPECT_EQ(status.message(), "KVM_CREATE_DEVICE: No such device (ENODEV)");
  EXPECT_EQ(ErrnoStatus(EEXIST, "x").code(), absl::StatusCode::kAlreadyExists);
}

TEST(ErrnoStatusTest, AnnotateKeepsErrno) {
  const absl::Status status = Annotate(ErrnoStatus(EBUSY, "call"), "while booting");
  EXPECT_EQ(GetErrno(status), EBUSY);
  EXPECT_EQ(status.message(), "while booting: call: Device or resource busy (EBUSY)");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

TEST(ErrnoStatusTest, SuggestsWhatIsTheSameForEveryCall) {
  EXPECT_THAT(std::string(ErrnoStatus(EMFILE, "eventfd").message()),
              ::testing::HasSubstr("eventfd: Too many open files (EMFILE): raise"));
  EXPECT_EQ(GetErrno(ErrnoStatus(ENFILE, "open")), ENFILE);
}

TEST(ErrnoStatusTest, SuggestPutsTheRemedyLastAndKeepsErrno) {
  const absl::Status status = Suggest(ErrnoStatus(ENODEV, "call"), "do this");
  EXPECT_EQ(status.message(), "call: No such device (ENODEV): do this");
  EXPECT_EQ(GetErrno(status), ENODEV);
  EXPECT_EQ(Suggest(status, ""), status);
  EXPECT_TRUE(Suggest(absl::OkStatus(), "do this").ok());
}

TEST(ErrnoStatusTest, OtherStatusesHaveNoErrno) {
  EXPECT_EQ(GetErrno(absl::OkStatus()), 0);
  EXPECT_EQ(GetErrno(absl::InternalError("x")), 0);
}

TEST(EventFdTest, CountsSignals) {
  absl::StatusOr<EventFd> event = EventFd::Create();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->Take(), 0u);
  event->Signal();
  event->Signal();
  EXPECT_EQ(event->Take(), 2u);
  EXPECT_EQ(event->Take(), 0u);
}

}  // namespace
}  // namespace firn
