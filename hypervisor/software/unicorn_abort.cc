// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/unicorn_abort.h"

#include <array>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "absl/log/check.h"

namespace firn::software {
namespace {

thread_local jmp_buf* catcher = nullptr;
thread_local std::array<char, 256> reason;
thread_local bool translating = false;

[[noreturn]] void GiveUp() {
  if (catcher == nullptr) {
    fprintf(stderr, "Unicorn gave up: %s\n", reason.data());
    abort();
  }
  longjmp(*catcher, 1);
}

// QEMU's translation from instructions: target/arm/translate-a64.c and its like.
bool IsTranslation(std::string_view file) { return file.find("/translate-") != file.npos; }

}  // namespace

// What Unicorn calls in place of abort, __assert_fail, exit, __fprintf_chk and GLib's
// g_assertion_message_expr.
extern "C" {

// It prints what an instruction is that it gives up at: nothing that a guest's console should show.
int firn_unicorn_fprintf(FILE* stream, int /*flag*/, const char* format, ...) {
  if (catcher != nullptr) return 0;
  va_list arguments;
  va_start(arguments, format);
  const int printed = vfprintf(stream, format, arguments);
  va_end(arguments);
  return printed;
}

[[noreturn]] void firn_unicorn_abort() {
  translating = false;
  snprintf(reason.data(), reason.size(), "abort");
  GiveUp();
}

[[noreturn]] void firn_unicorn_assert_fail(const char* assertion, const char* file, unsigned line,
                                           const char* /*function*/) {
  translating = IsTranslation(file);
  snprintf(reason.data(), reason.size(), "%s at %s:%u", assertion, file, line);
  GiveUp();
}

[[noreturn]] void firn_unicorn_exit(int status) {
  translating = false;
  snprintf(reason.data(), reason.size(), "exit with status %d", status);
  GiveUp();
}

// `expression` is null where code should not be reached.
[[noreturn]] void firn_unicorn_assertion(const char* file, int line, const char* expression) {
  translating = IsTranslation(file);
  snprintf(reason.data(), reason.size(), "%s at %s:%d",
           expression != nullptr ? expression : "not expected", file, line);
  GiveUp();
}

}  // extern "C"

std::optional<UnicornAbort> CatchUnicornAbort(absl::FunctionRef<void()> function) {
  CHECK(catcher == nullptr);
  jmp_buf here;
  if (setjmp(here) != 0) {
    catcher = nullptr;
    return UnicornAbort{.what = reason.data(), .translating = translating};
  }
  catcher = &here;
  function();
  catcher = nullptr;
  return std::nullopt;
}

}  // namespace firn::software
