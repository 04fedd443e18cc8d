// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/unicorn_abort.h"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include "absl/log/check.h"
#include "absl/strings/str_cat.h"

namespace firn::software {
namespace {

thread_local jmp_buf* catcher = nullptr;
thread_local std::array<char, 256> reason;

[[noreturn]] void GiveUp() {
  if (catcher == nullptr) {
    fprintf(stderr, "Unicorn gave up: %s\n", reason.data());
    abort();
  }
  longjmp(*catcher, 1);
}

}  // namespace

// What Unicorn calls in place of abort, __assert_fail, exit and GLib's g_assertion_message_expr.
extern "C" {

[[noreturn]] void firn_unicorn_abort() {
  snprintf(reason.data(), reason.size(), "abort");
  GiveUp();
}

[[noreturn]] void firn_unicorn_assert_fail(const char* assertion, const char* file, unsigned line,
                                           const char* /*function*/) {
  snprintf(reason.data(), reason.size(), "%s at %s:%u", assertion, file, line);
  GiveUp();
}

[[noreturn]] void firn_unicorn_exit(int status) {
  snprintf(reason.data(), reason.size(), "exit with status %d", status);
  GiveUp();
}

// `expression` is null where code should not be reached.
[[noreturn]] void firn_unicorn_assertion(const char* file, int line, const char* expression) {
  snprintf(reason.data(), reason.size(), "%s at %s:%d",
           expression != nullptr ? expression : "not expected", file, line);
  GiveUp();
}

}  // extern "C"

absl::Status CatchUnicornAbort(absl::FunctionRef<void()> function) {
  CHECK(catcher == nullptr);
  jmp_buf here;
  if (setjmp(here) != 0) {
    catcher = nullptr;
    return absl::InternalError(absl::StrCat("Unicorn gave up: ", reason.data()));
  }
  catcher = &here;
  function();
  catcher = nullptr;
  return absl::OkStatus();
}

}  // namespace firn::software
