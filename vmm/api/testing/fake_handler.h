// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A handler for tests: notes the requests, and answers at once or when told to.
#ifndef FIRN_VMM_API_TESTING_FAKE_HANDLER_H_
#define FIRN_VMM_API_TESTING_FAKE_HANDLER_H_

#include <utility>
#include <vector>

#include "vmm/api/handler.h"

namespace firn::api::testing {

class FakeHandler final : public Handler {
 public:
  // CreateSnapshot waits for AnswerFirst if `saves_wait`; everything else is answered at once: GETs
  // with {"get": N}, N being the kind of the request, LoadSnapshot with an error, the rest with
  // success.
  bool saves_wait = false;

  void Handle(const Request& request, Done done) override {
    requests.push_back(request);
    if (std::holds_alternative<CreateSnapshot>(request) && saves_wait) {
      waiting.push_back(std::move(done));
    } else if (std::holds_alternative<LoadSnapshot>(request)) {
      done(absl::FailedPreconditionError("it runs \"already\""));
    } else if (request.index() < 4) {
      done("{\"get\":" + std::to_string(request.index()) + "}");
    } else {
      done("");
    }
  }

  // Answers the request that has waited longest.
  void AnswerFirst(absl::StatusOr<std::string> answer) {
    const Done done = std::move(waiting.front());
    waiting.erase(waiting.begin());
    done(std::move(answer));
  }

  std::vector<Request> requests;
  std::vector<Done> waiting;
};

}  // namespace firn::api::testing

#endif  // FIRN_VMM_API_TESTING_FAKE_HANDLER_H_
