// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Any bytes from a client: answers or nothing, never a crash, bounded memory; and the same answers
// whether the bytes come at once or one by one, and whether the handler answers at once or late.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/log/check.h"
#include "vmm/api/connection.h"
#include "vmm/api/testing/fake_handler.h"

namespace {

constexpr size_t kLongestAnswer = 1 << 16;

std::string AnswersTo(std::string_view input, size_t piece, bool is_late) {
  firn::api::testing::FakeHandler handler;
  handler.saves_wait = is_late;
  const auto connection = firn::api::Connection::Create(handler, [] {});
  std::string answers;
  auto settle = [&] {
    while (!handler.waiting.empty() || !connection->output().empty()) {
      if (!handler.waiting.empty()) handler.AnswerFirst("");
      CHECK_LE(connection->output().size(), kLongestAnswer);
      answers.append(connection->output());
      connection->Sent(connection->output().size());
    }
  };
  while (!input.empty()) {
    CHECK(connection->wants_input());
    connection->Receive(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    settle();
    if (connection->is_done()) return answers;
  }
  connection->ReceiveEnd();
  settle();
  CHECK(connection->is_done());
  return answers;
}

// "100 Continue" is sent only to a client that has not sent its body yet.
std::string WithoutContinue(std::string answers) {
  const std::string_view interim = firn::api::kContinue;
  for (size_t at; (at = answers.find(interim)) != std::string::npos;) {
    answers.erase(at, interim.size());
  }
  return answers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = WithoutContinue(AnswersTo(input, size, false));
  CHECK(whole.empty() || whole.starts_with("HTTP/1.1 "));
  CHECK(whole == WithoutContinue(AnswersTo(input, 1, false)));
  CHECK(whole == WithoutContinue(AnswersTo(input, 7, true)));
  return 0;
}
