// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The server and firn's own client over real sockets.
#include "vmm/api/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "vmm/api/client.h"
#include "vmm/api/testing/fake_handler.h"

namespace firn::api {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kGetVersion = "GET /version HTTP/1.1\r\n\r\n";
constexpr std::string_view kSaveBody = R"({"snapshot_path": "a", "mem_file_path": "b"})";

class ServerTest : public ::testing::Test {
 protected:
  // Paths are relative: those of a test's folder are longer than a socket's may be.
  ServerTest() {
    std::filesystem::create_directory(folder_);
    std::filesystem::current_path(folder_);
  }
  ~ServerTest() override { std::filesystem::remove_all(folder_); }

  static std::string Path(std::string_view name) { return absl::StrCat("./", name); }

  void Start() {
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(*loop_, handler_, Path("sock"));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Runs `test` while another thread runs the loop.
  void WithServer(const std::function<void()>& test) {
    std::thread thread([this] { ASSERT_TRUE(loop_->Run().ok()); });
    test();
    loop_->Stop();
    thread.join();
  }
  // Runs `work` on the thread of the loop, to its end.
  void OnLoop(const std::function<void()>& work) {
    absl::Mutex mutex;
    bool done = false;
    loop_->Post([&] {
      work();
      absl::MutexLock lock(&mutex);
      done = true;
    });
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&done));
  }
  // Turns the loop until `holds` does, judged on its thread.
  void Until(const std::function<bool()>& holds) {
    for (bool done = false; !done;) OnLoop([&] { done = holds(); });
  }

  FileDescriptor Connect() const {
    absl::StatusOr<FileDescriptor> fd = ConnectUnix(Path("sock"), absl::InfiniteDuration());
    EXPECT_TRUE(fd.ok()) << fd.status();
    return fd.ok() ? *std::move(fd) : FileDescriptor();
  }

  static void Send(const FileDescriptor& fd, std::string_view bytes) {
    ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Reads until the text ends so, or the stream does.
  static std::string ReadTo(const FileDescriptor& fd, std::string_view end) {
    std::string text;
    char byte;
    while (!text.ends_with(end) && read(fd.get(), &byte, 1) == 1) text.push_back(byte);
    return text;
  }
  static std::string ReadAll(const FileDescriptor& fd) {
    std::string text;
    char byte;
    while (read(fd.get(), &byte, 1) == 1) text.push_back(byte);
    return text;
  }

  const std::string folder_ = absl::StrCat(::testing::TempDir(), "/api", getpid());
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  testing::FakeHandler handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, SocketIsItsOwnersAndGoesWithTheServer) {
  Start();
  struct stat stat = {};
  ASSERT_EQ(::stat(Path("sock").c_str(), &stat), 0);
  EXPECT_TRUE(S_ISSOCK(stat.st_mode));
  EXPECT_EQ(stat.st_mode & 0777, 0600u);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(Path("sock")));
}

TEST_F(ServerTest, UmaskTakesFromTheMode) {
  const mode_t before = umask(0277);
  Start();
  umask(before);
  struct stat stat = {};
  ASSERT_EQ(::stat(Path("sock").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 0777, 0400u);
}

TEST_F(ServerTest, SocketOfALiveServerIsNotReplaced) {
  Start();
  const absl::Status status = Server::Start(*loop_, handler_, Path("sock")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(Path("sock")), HasSubstr("running")));
  WithServer([&] {
    EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration())->status, 200);
  });
}

TEST_F(ServerTest, StaleSocketIsReplaced) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  Path("sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
  FileDescriptor stale(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  stale.Reset();
  Start();
}

TEST_F(ServerTest, OtherFilesAreNotReplaced) {
  std::ofstream(Path("sock")) << "precious";
  const absl::Status status = Server::Start(*loop_, handler_, Path("sock")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no socket"));
  EXPECT_EQ(std::filesystem::file_size(Path("sock")), 8u);
}

TEST_F(ServerTest, ASocketThatTookThePlaceIsNotRemoved) {
  Start();
  std::filesystem::rename(Path("sock"), Path("moved"));
  std::ofstream(Path("sock")) << "another";
  server_.reset();
  EXPECT_TRUE(std::filesystem::exists(Path("sock")));
}

TEST_F(ServerTest, PathsThatNoSocketCanHave) {
  const absl::Status missing = UnixListener::Bind(Path("none/sock")).status();
  EXPECT_EQ(GetErrno(missing), ENOENT);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("folder is not there"));
  const absl::Status too_long = UnixListener::Bind(Path(std::string(108, 'x'))).status();
  EXPECT_EQ(too_long.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(too_long.message()), HasSubstr("107 at most"));
  EXPECT_EQ(UnixListener::Bind("").status().code(), absl::StatusCode::kInvalidArgument);
  std::ofstream(Path("file")) << "x";
  EXPECT_EQ(GetErrno(UnixListener::Bind(Path("file/sock")).status()), ENOTDIR);
}

TEST_F(ServerTest, AnswersByteByByte) {
  Start();
  WithServer([&] {
    const FileDescriptor client = Connect();
    for (const char byte : kGetVersion) Send(client, {&byte, 1});
    EXPECT_THAT(ReadTo(client, "}"), AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith("{\"get\":1}")));
    Send(client, absl::StrCat(kGetVersion, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
    EXPECT_THAT(ReadTo(client, "}"), EndsWith("{\"get\":1}"));
    EXPECT_THAT(ReadAll(client), EndsWith("{\"get\":0}"));
  });
}

TEST_F(ServerTest, OthersAreAnsweredWhileARequestWaits) {
  Start();
  handler_.saves_wait = true;
  WithServer([&] {
    const FileDescriptor saving = Connect();
    Send(saving, absl::StrCat("PUT /snapshot/create HTTP/1.1\r\nContent-Length: ", kSaveBody.size(),
                              "\r\n\r\n", kSaveBody, kGetVersion));
    Until([&] { return handler_.waiting.size() == 1; });
    const FileDescriptor other = Connect();
    Send(other, kGetVersion);
    EXPECT_THAT(ReadTo(other, "}"), EndsWith("{\"get\":1}"));
    OnLoop([&] { handler_.AnswerFirst(absl::InternalError("the disk is full")); });
    const std::string answers = ReadTo(saving, "{\"get\":1}");
    EXPECT_THAT(answers, StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(answers, HasSubstr("the disk is full"));
  });
}

TEST_F(ServerTest, ClientsThatGoLeaveNothing) {
  Start();
  handler_.saves_wait = true;
  WithServer([&] {
    FileDescriptor middle = Connect();
    Send(middle, "PATCH /vm HTTP/1.1\r\nContent-Length: 20\r\n\r\n{");
    middle.Reset();
    FileDescriptor saving = Connect();
    Send(saving, absl::StrCat("PUT /snapshot/create HTTP/1.1\r\nContent-Length: ", kSaveBody.size(),
                              "\r\n\r\n", kSaveBody));
    Until([&] { return handler_.waiting.size() == 1; });
    saving.Reset();
    // More than there may be at once, so that one that stayed would be found.
    for (size_t i = 0; i < 3 * Server::kMaxConnections; ++i) {
      FileDescriptor silent = Connect();
      OnLoop([] {});
    }
    OnLoop([&] { handler_.AnswerFirst(""); });
    EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration())->status, 200);
  });
}

TEST_F(ServerTest, ClientThatDoesNotReadHoldsUpNobody) {
  Start();
  WithServer([&] {
    const FileDescriptor slow = Connect();
    fcntl(slow.get(), F_SETFL, O_NONBLOCK);
    std::string requests;
    for (int i = 0; i < 1000; ++i) absl::StrAppend(&requests, kGetVersion);
    // Until no more goes in: its answers fill the other direction.
    while (send(slow.get(), requests.data(), requests.size(), MSG_NOSIGNAL) > 0) {
      EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration())->status, 200);
    }
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration())->status, 200);
  });
}

TEST_F(ServerTest, TooManyConnectionsAreTurnedAway) {
  Start();
  WithServer([&] {
    std::vector<FileDescriptor> clients;
    for (size_t i = 0; i < Server::kMaxConnections; ++i) {
      clients.push_back(Connect());
      Send(clients.back(), kGetVersion);
      EXPECT_THAT(ReadTo(clients.back(), "}"), EndsWith("{\"get\":1}"));
    }
    EXPECT_THAT(ReadAll(Connect()),
                AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                      HasSubstr("{\"fault_message\":\"all 16 connections are in use\"}")));
    clients.pop_back();
    absl::StatusOr<ClientAnswer> answer;
    do {
      answer = Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration());
      ASSERT_TRUE(answer.ok()) << answer.status();
    } while (answer->status == 503);
    EXPECT_EQ(answer->status, 200);
  });
}

TEST_F(ServerTest, WithoutFileDescriptorsClientsAreLetGo) {
  Start();
  FileDescriptor waiting(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  Path("sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(connect(waiting.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  const int lowest_free = dup(STDIN_FILENO);
  close(lowest_free);
  rlimit former = {};
  getrlimit(RLIMIT_NOFILE, &former);
  const rlimit full = {.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = former.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
  WithServer([&] {
    EXPECT_EQ(ReadAll(waiting), "");
    setrlimit(RLIMIT_NOFILE, &former);
    EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration())->status, 200);
  });
}

TEST_F(ServerTest, ServerThatEndsBeforeItsAnswer) {
  Start();
  handler_.saves_wait = true;
  std::thread loop([this] { ASSERT_TRUE(loop_->Run().ok()); });
  std::optional<absl::StatusOr<ClientAnswer>> answer;
  std::thread client([&] {
    answer = Call(Path("sock"), {"PUT", "/snapshot/create", std::string(kSaveBody)},
                  absl::InfiniteDuration());
  });
  Until([&] { return handler_.waiting.size() == 1; });
  loop_->Stop();
  loop.join();
  server_.reset();
  client.join();
  EXPECT_EQ(answer->status().code(), absl::StatusCode::kUnavailable);
  handler_.AnswerFirst("");
}

TEST_F(ServerTest, ClientGetsFaultsOfTooLargeABody) {
  Start();
  WithServer([&] {
    const absl::StatusOr<ClientAnswer> answer =
        Call(Path("sock"), {"PUT", "/snapshot/create", std::string(900'000, ' ')},
             absl::InfiniteDuration());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->status, 413);
    EXPECT_THAT(FaultMessage(*answer), HasSubstr("51200"));
  });
}

TEST_F(ServerTest, ClientWithoutAServer) {
  auto error = [&](const std::string& path) {
    return std::string(Call(path, {"GET", "/", ""}, absl::Seconds(1)).status().message());
  };
  EXPECT_THAT(error(Path("sock")), HasSubstr("--api-sock"));
  EXPECT_THAT(error(Path(std::string(200, 'x'))), HasSubstr("107 at most"));
  std::ofstream(Path("file")) << "x";
  EXPECT_THAT(error(Path("file")), HasSubstr("it is no socket"));
  Start();
  std::filesystem::rename(Path("sock"), Path("moved"));
  server_.reset();
  EXPECT_THAT(error(Path("moved")), HasSubstr("nobody listens"));
}

TEST_F(ServerTest, ClientDoesNotWaitForEver) {
  Start();  // nobody runs the loop
  EXPECT_EQ(Call(Path("sock"), {"GET", "/", ""}, absl::Milliseconds(20)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ServerTest, ClientJudgesWhatItGets) {
  const absl::StatusOr<UnixListener> listener = UnixListener::Bind(Path("sock"));
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto answered = [&](std::string_view bytes) {
    std::thread server([&] {
      fcntl(listener->fd(), F_SETFL, 0);
      const FileDescriptor client(accept(listener->fd(), nullptr, nullptr));
      ReadTo(client, "\r\n\r\n");
      Send(client, bytes);
    });
    absl::StatusOr<ClientAnswer> answer =
        Call(Path("sock"), {"GET", "/", ""}, absl::InfiniteDuration());
    server.join();
    return answer;
  };
  EXPECT_EQ(answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")->status, 204);
  EXPECT_EQ(answered("HTTP/1.0 200 OK\r\n\r\nto the end")->body, "to the end");
  EXPECT_EQ(answered("220 mail\r\n").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(answered("").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_THAT(FaultMessage(*answered("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nnope")),
              HasSubstr("status 500 nope"));
}

}  // namespace
}  // namespace firn::api
