// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "vmm/api/testing/fake_handler.h"

namespace firn::api {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kGetVersion = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kVersionAnswer =
    "HTTP/1.1 200 OK\r\nServer: firn\r\nConnection: keep-alive\r\n"
    "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"get\":1}";
constexpr std::string_view kNoContent =
    "HTTP/1.1 204 No Content\r\nServer: firn\r\nConnection: keep-alive\r\n\r\n";

std::string Put(std::string_view target, std::string_view body, std::string_view fields = "") {
  return absl::StrCat("PUT ", target, " HTTP/1.1\r\nHost: x\r\n", fields,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::string Save() {
  return Put("/snapshot/create", R"({"snapshot_path": "a", "mem_file_path": "b"})");
}

class ConnectionTest : public ::testing::Test {
 protected:
  // What is there to send, sent at once.
  std::string Output() {
    std::string all;
    while (!connection_->output().empty()) {
      all.append(connection_->output());
      connection_->Sent(connection_->output().size());
    }
    return all;
  }
  std::string Receive(std::string_view bytes) {
    EXPECT_TRUE(connection_->wants_input());
    connection_->Receive(bytes);
    return Output();
  }
  // The answer to a request whose connection must be closed behind it.
  std::string LastAnswer(std::string_view bytes) {
    const std::string answer = Receive(bytes);
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(connection_->has_sent_all());
    EXPECT_FALSE(connection_->is_done());
    return answer;
  }

  testing::FakeHandler handler_;
  int answers_ = 0;
  std::shared_ptr<Connection> connection_ = Connection::Create(handler_, [this] { ++answers_; });
};

TEST_F(ConnectionTest, AnswersAndStaysOpen) {
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
  EXPECT_EQ(Receive(Save()), kNoContent);
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
  EXPECT_FALSE(connection_->has_sent_all());
  EXPECT_EQ(answers_, 0);
}

TEST_F(ConnectionTest, TakesInputByteByByte) {
  const std::string both = absl::StrCat(Save(), kGetVersion);
  std::string output;
  for (const char byte : both) output += Receive({&byte, 1});
  EXPECT_EQ(output, absl::StrCat(kNoContent, kVersionAnswer));
}

TEST_F(ConnectionTest, SendsOutputByteByByte) {
  connection_->Receive(kGetVersion);
  std::string output;
  while (!connection_->output().empty()) {
    EXPECT_FALSE(connection_->wants_input());
    output.push_back(connection_->output().front());
    connection_->Sent(1);
  }
  EXPECT_EQ(output, kVersionAnswer);
  EXPECT_TRUE(connection_->wants_input());
}

TEST_F(ConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  EXPECT_EQ(Receive(absl::StrCat(kGetVersion, Save(), "GET / HTTP/1.1\r\n\r\n")),
            absl::StrCat(kVersionAnswer, kNoContent,
                         "HTTP/1.1 200 OK\r\nServer: firn\r\nConnection: keep-alive\r\n"
                         "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"get\":0}"));
}

TEST_F(ConnectionTest, NextRequestWaitsUntilTheAnswerIsSent) {
  connection_->Receive(absl::StrCat(kGetVersion, kGetVersion));
  EXPECT_EQ(handler_.requests.size(), 1u);
  connection_->Sent(connection_->output().size());
  EXPECT_EQ(handler_.requests.size(), 2u);
}

TEST_F(ConnectionTest, NextRequestWaitsForALateAnswer) {
  handler_.saves_wait = true;
  EXPECT_EQ(Receive(absl::StrCat(Save(), kGetVersion)), "");
  EXPECT_FALSE(connection_->wants_input());
  EXPECT_EQ(handler_.requests.size(), 1u);
  handler_.AnswerFirst("");
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(Output(), absl::StrCat(kNoContent, kVersionAnswer));
}

TEST_F(ConnectionTest, LateAnswerToAConnectionThatIsGone) {
  handler_.saves_wait = true;
  Receive(Save());
  connection_.reset();
  handler_.AnswerFirst("");
  EXPECT_EQ(answers_, 0);
}

TEST_F(ConnectionTest, ErrorsOfTheHandlerAreFaults) {
  EXPECT_THAT(Receive(Put("/snapshot/load", R"({"snapshot_path": "a", "mem_file_path": "b"})")),
              AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"), HasSubstr("Deprecation: true\r\n"),
                    HasSubstr("Connection: keep-alive\r\n"),
                    EndsWith("\r\n\r\n{\"fault_message\":\"it runs \\\"already\\\"\"}")));
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer) << "deprecation is of one request";
}

TEST_F(ConnectionTest, RequestsThatFirnLacksAreFaults) {
  EXPECT_THAT(Receive(Put("/actions", "{}")),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("there is no PUT /actions")));
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
  EXPECT_EQ(handler_.requests.size(), 1u);
}

TEST_F(ConnectionTest, BodyWithoutLength) {
  EXPECT_THAT(Receive("PATCH /vm HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("must have a body")));
  EXPECT_THAT(LastAnswer(R"({"state": "Paused"})"), StartsWith("HTTP/1.1 400 "))
      << "the body is no request";
}

TEST_F(ConnectionTest, ChunkedBody) {
  EXPECT_EQ(Receive("PATCH /vm HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "9\r\n{\"state\":\r\n9;x=y\r\n\"Paused\"}\r\n0\r\nTrailer: t\r\n\r\n"),
            kNoContent);
  EXPECT_TRUE(std::get<SetVmState>(handler_.requests.at(0)).is_paused);
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
}

TEST_F(ConnectionTest, LargestBody) {
  std::string body = R"({"snapshot_path": "a", "mem_file_path": "b"})";
  body.resize(kMaxBody, ' ');
  EXPECT_EQ(Receive(Put("/snapshot/create", body)), kNoContent);
}

TEST_F(ConnectionTest, TooLargeABodyIsRefusedAtItsLength) {
  EXPECT_THAT(LastAnswer("PUT /snapshot/create HTTP/1.1\r\nContent-Length: 51201\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 413 Payload Too Large\r\n"), HasSubstr("51200")));
  EXPECT_TRUE(handler_.requests.empty());
}

TEST_F(ConnectionTest, TooLargeAChunkedBody) {
  std::string input = "PUT /snapshot/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 51; ++i) absl::StrAppend(&input, "400\r\n", std::string(1024, ' '), "\r\n");
  EXPECT_THAT(LastAnswer(input), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ConnectionTest, ReadsOnBehindARefusalUntilTheClientEnds) {
  LastAnswer("PUT /snapshot/create HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(Receive(std::string(4096, 'x')), "");
  EXPECT_FALSE(connection_->is_done());
  connection_->ReceiveEnd();
  EXPECT_TRUE(connection_->is_done());
}

TEST_F(ConnectionTest, ReadsOnBehindARefusalOnlySoLong) {
  LastAnswer("PUT /snapshot/create HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
  const std::string piece(64 << 10, 'x');
  for (size_t size = 0; size <= Connection::kMaxDiscarded; size += piece.size()) {
    ASSERT_FALSE(connection_->is_done()) << size;
    EXPECT_EQ(Receive(piece), "");
  }
  EXPECT_TRUE(connection_->is_done());
}

TEST_F(ConnectionTest, ExpectContinue) {
  // What curl sends for a large body.
  const std::string request =
      Put("/snapshot/create", R"({"snapshot_path":"a","mem_file_path":"b"})",
          "expect: 100-Continue\r\n");
  const size_t head = request.find("\r\n\r\n") + 4;
  EXPECT_EQ(Receive(request.substr(0, head)), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Receive(request.substr(head, 5)), "");
  EXPECT_EQ(Receive(request.substr(head + 5)), kNoContent);
  EXPECT_EQ(Receive(request), kNoContent) << "the client did not wait";
  EXPECT_EQ(Receive("GET /version HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"), kVersionAnswer)
      << "there is no body";
}

TEST_F(ConnectionTest, ExpectContinueOfTooLargeABody) {
  EXPECT_THAT(LastAnswer("PUT /snapshot/create HTTP/1.1\r\nExpect: 100-continue\r\n"
                         "Content-Length: 60000\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(ConnectionTest, Http10ClosesUnlessAskedNotTo) {
  EXPECT_EQ(Receive("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), kVersionAnswer);
  EXPECT_THAT(LastAnswer("GET /version HTTP/1.0\r\n\r\n"), EndsWith("{\"get\":1}"));
}

TEST_F(ConnectionTest, ClientAsksToClose) {
  EXPECT_THAT(
      LastAnswer(absl::StrCat("GET /version HTTP/1.1\r\nConnection: close\r\n\r\n", kGetVersion)),
      EndsWith("{\"get\":1}"));
  EXPECT_EQ(handler_.requests.size(), 1u) << "nothing behind it counts";
}

TEST_F(ConnectionTest, UpgradeIsNotTaken) {
  // What curl --http2 sends.
  EXPECT_EQ(Receive("GET /version HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"),
            kVersionAnswer);
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
}

TEST_F(ConnectionTest, HeadAndConnect) {
  EXPECT_THAT(Receive("HEAD /version HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Receive("CONNECT host:80 HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
}

TEST_F(ConnectionTest, ClientEndsBetweenRequests) {
  EXPECT_EQ(Receive(kGetVersion), kVersionAnswer);
  connection_->ReceiveEnd();
  EXPECT_EQ(Output(), "");
  EXPECT_TRUE(connection_->is_done());
}

TEST_F(ConnectionTest, ClientThatEndsGetsWhatItAskedFor) {
  handler_.saves_wait = true;
  EXPECT_EQ(Receive(absl::StrCat(Save(), kGetVersion)), "");
  connection_->ReceiveEnd();
  EXPECT_FALSE(connection_->is_done());
  handler_.AnswerFirst("");
  EXPECT_EQ(Output(), absl::StrCat(kNoContent, kVersionAnswer));
  EXPECT_TRUE(connection_->is_done());
}

TEST_F(ConnectionTest, ClientEndsInTheMiddleOfARequest) {
  EXPECT_EQ(Receive(Save().substr(0, 100)), "");
  connection_->ReceiveEnd();
  EXPECT_THAT(Output(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("in the middle")));
  EXPECT_TRUE(connection_->is_done());
  EXPECT_TRUE(handler_.requests.empty());
}

struct Broken {
  const char* name;
  std::string input;
  const char* error;
};

class BrokenInputTest : public ConnectionTest, public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenInputTest, IsRefusedAndTheConnectionCloses) {
  EXPECT_THAT(LastAnswer(GetParam().input),
              AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"), HasSubstr("{\"fault_message\":"),
                    HasSubstr(GetParam().error)));
  EXPECT_TRUE(handler_.requests.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BrokenInputTest,
    ::testing::Values(
        Broken{"NotHttp", "hello\r\n\r\n", "invalid HTTP method"},
        Broken{"Binary", std::string("\x16\x03\x01\x00\xa5", 5), "invalid HTTP method"},
        Broken{"LowerCase", "get / HTTP/1.1\r\n\r\n", "invalid HTTP method"},
        Broken{"NoVersion", "GET /\r\n\r\n", "not version 0.9"},
        Broken{"Http2", "GET / HTTP/2.0\r\n\r\n", "not version 2.0"},
        Broken{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "invalid HTTP method"},
        Broken{"SpaceInPath", "GET /a b HTTP/1.1\r\n\r\n", "not an HTTP request"},
        Broken{"ControlInPath", "GET /a\x01 HTTP/1.1\r\n\r\n", "not an HTTP request"},
        Broken{"NegativeLength", "PATCH /vm HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
               "content-length"},
        Broken{"WordAsLength", "PATCH /vm HTTP/1.1\r\nContent-Length: alpha\r\n\r\n",
               "content-length"},
        Broken{"HugeLength", "PATCH /vm HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
               "content-length"},
        Broken{"TwoLengths",
               "PATCH /vm HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
               "content-length"},
        Broken{"LengthAndChunks",
               "PATCH /vm HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
               "content-length"},
        Broken{"ChunkWithoutSize",
               "PATCH /vm HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk size"},
        Broken{"UnknownEncoding", "PATCH /vm HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n{}",
               "transfer-encoding"},
        Broken{"FieldWithoutColon", "GET / HTTP/1.1\r\nno colon here\r\n\r\n", "header"},
        Broken{"LongPath", absl::StrCat("GET /", std::string(1024, 'x'), " HTTP/1.1\r\n\r\n"),
               "the path is over 1024 bytes"},
        Broken{"LongHead",
               absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(9000, 'x'), "\r\n\r\n"),
               "over 8192 bytes"},
        Broken{"HeadWithoutEnd", absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(9000, 'x')),
               "over 8192 bytes"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ConnectionTest, NothingBehindBrokenInputCounts) {
  EXPECT_THAT(LastAnswer(absl::StrCat("hello\r\n\r\n", kGetVersion)), Not(HasSubstr("200 OK")));
  EXPECT_EQ(Receive(kGetVersion), "");
  EXPECT_TRUE(handler_.requests.empty());
}

}  // namespace
}  // namespace firn::api
