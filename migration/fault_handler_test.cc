// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The test plays the handler. System calls on guest memory, which see EFAULT where an instruction
// would die, stand for vCPUs.
#include "migration/fault_handler.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "hypervisor/errno_status.h"
#include "migration/testing/handler_peer.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kPages = 64;
constexpr std::byte kContent{7};

class FaultHandlerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<Userfault> userfault = Userfault::Create();
    if (!userfault.ok()) GTEST_SKIP() << "no userfaultfd here: " << userfault.status();
    const GuestRange ranges[] = {
        *GuestRange::Create(GuestAddress(0x80000000), kPages / 2 * page_),
        *GuestRange::Create(GuestAddress(0x100000000), kPages / 2 * page_)};
    memory_ = *GuestMemory::Create(ranges);
  }

  absl::Status Connect(int end_fd = -1) {
    const auto on_lost = [this](const absl::Status& why) {
      why_ = why;
      lost_.Notify();  // dies the second time
    };
    auto handler =
        FaultHandler::Connect(peer_.path(), *memory_, {.end_fd = end_fd, .on_lost = on_lost});
    if (!handler.ok()) return handler.status();
    handler_ = *std::move(handler);
    return absl::OkStatus();
  }
  std::byte* Host(uint64_t page) const {
    const bool second = page >= kPages / 2;
    return memory_->regions()[second ? 1 : 0].host + (page - (second ? kPages / 2 : 0)) * page_;
  }
  // Whether some memory of this process has a userfaultfd for missing pages: proc_pid_smaps(5).
  static bool IsRegistered() {
    std::ifstream smaps("/proc/self/smaps");
    for (std::string line; std::getline(smaps, line);) {
      if (line.starts_with("VmFlags:") && line.find(" um") != std::string::npos) return true;
    }
    return false;
  }

  // 0, or the errno of a system call that reads the page.
  int Touch(uint64_t page) const {
    const FileDescriptor fd(memfd_create("touch", MFD_CLOEXEC));
    const ssize_t size = write(fd.get(), Host(page), page_);
    return size == static_cast<ssize_t>(page_) ? 0 : errno;
  }

  const uint64_t page_ = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  HandlerPeer peer_;
  std::unique_ptr<GuestMemory> memory_;
  absl::Status why_;
  absl::Notification lost_;
  std::unique_ptr<FaultHandler> handler_;
};

TEST_F(FaultHandlerTest, ServesAndEnds) {
  ASSERT_TRUE(Connect().ok());
  EXPECT_THAT(peer_.Accept(), StartsWith("[{\"base_host_virt_addr\":"));
  peer_.Place(Host(0), kContent);
  EXPECT_EQ(Touch(0), 0);
  EXPECT_TRUE(handler_->status().ok());
  handler_.reset();
  EXPECT_FALSE(lost_.HasBeenNotified());
  EXPECT_TRUE(peer_.IsHungUp()) << "the handler is not told";
}

TEST_F(FaultHandlerTest, DiesWhileThreadsWait) {
  ASSERT_TRUE(Connect().ok());
  peer_.Accept();
  peer_.Place(Host(0), kContent);
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (const uint64_t page : {uint64_t{1}, kPages / 2, kPages - 1}) {
    threads.emplace_back([&, page] { failed += Touch(page) == EFAULT; });
  }
  peer_.Die();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 3);
  EXPECT_TRUE(lost_.HasBeenNotified());
  EXPECT_TRUE(absl::IsUnavailable(why_)) << why_;
  EXPECT_THAT(why_.message(),
              HasSubstr(peer_.path() + " is gone (it closed its socket), and 63 of 64 pages"));
  EXPECT_EQ(handler_->status(), why_);
  EXPECT_EQ(Touch(2), EFAULT);
}

TEST_F(FaultHandlerTest, DiesBeforeItTakesTheUserfaultfd) {
  ASSERT_TRUE(Connect().ok());
  peer_.Die();
  lost_.WaitForNotification();
  EXPECT_THAT(why_.message(), HasSubstr("64 of 64 pages"));
  EXPECT_EQ(Touch(0), EFAULT);
}

TEST_F(FaultHandlerTest, MayGoOnceAllIsThere) {
  ASSERT_TRUE(Connect().ok());
  peer_.Accept();
  for (uint64_t page = 0; page < kPages; ++page) peer_.Place(Host(page), kContent);
  peer_.Die();
  // Its memory becomes like any other: what is given back is zero, and nobody waits.
  while (IsRegistered()) std::this_thread::yield();
  madvise(Host(3), page_, MADV_DONTNEED);
  EXPECT_EQ(Touch(3), 0);
  EXPECT_EQ(*Host(4), kContent);
  handler_->EndWatch();
  EXPECT_FALSE(lost_.HasBeenNotified());
  EXPECT_TRUE(handler_->status().ok());
}

TEST_F(FaultHandlerTest, NeverAnswers) {
  const EventFd end = *EventFd::Create();
  ASSERT_TRUE(Connect(end.fd()).ok());
  peer_.Accept();
  std::thread thread([&] { EXPECT_EQ(Touch(5), EFAULT); });
  end.Signal();
  thread.join();
  ASSERT_TRUE(lost_.HasBeenNotified());
  EXPECT_TRUE(absl::IsCancelled(why_)) << why_;
  EXPECT_EQ(handler_->status(), why_);
}

TEST_F(FaultHandlerTest, IsGivenUpAndStopsInTime) {
  ASSERT_TRUE(Connect().ok());
  peer_.Accept();
  std::thread thread([&] { EXPECT_EQ(Touch(5), EFAULT); });
  handler_->EndSoon();
  thread.join();
  EXPECT_TRUE(absl::IsCancelled(handler_->status()));
}

TEST_F(FaultHandlerTest, NothingIsLostOnceNobodyWaits) {
  ASSERT_TRUE(Connect().ok());
  peer_.Accept();
  peer_.Place(Host(0), kContent);
  handler_->EndSoon();
  handler_->EndWatch();
  peer_.Die();
  EXPECT_EQ(*Host(0), kContent);
  EXPECT_TRUE(handler_->status().ok());
}

TEST_F(FaultHandlerTest, DoesNotAcceptConnections) {
  const sockaddr_un address = peer_.Address();
  std::vector<FileDescriptor> others;
  int error = 0;
  while (error == 0) {
    others.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_TRUE(others.back().is_valid());
    const auto* const to = reinterpret_cast<const sockaddr*>(&address);
    error = connect(others.back().get(), to, sizeof(address)) == 0 ? 0 : errno;
  }
  ASSERT_EQ(error, EAGAIN);
  const absl::Status status = Connect();
  EXPECT_EQ(GetErrno(status), EAGAIN) << status;
  EXPECT_THAT(status.message(), HasSubstr("connect to page fault handler " + peer_.path()));
}

TEST_F(FaultHandlerTest, IsNotThere) {
  unlink(peer_.path().c_str());
  const absl::Status status = Connect();
  EXPECT_EQ(GetErrno(status), ENOENT) << status;
  EXPECT_THAT(status.message(), HasSubstr("must listen there"));
}

}  // namespace
}  // namespace firn
