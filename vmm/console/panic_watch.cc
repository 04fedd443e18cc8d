// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/panic_watch.h"

#include "absl/strings/ascii.h"

namespace firn {
namespace {

// kernel/panic.c
constexpr std::string_view kPanic = "Kernel panic - not syncing";
constexpr std::string_view kEnd = "---[ end Kernel panic - not syncing";

// The rest of a line is not looked at.
constexpr size_t kLineLimit = 64 + PanicWatch::kReasonLimit;

// A line without printk's time stamp ("[    1.234567] ") and caller ("[    T1] "); only the
// kernel's own lines start so, or with the text itself where time stamps are off.
std::string_view WithoutPrefix(std::string_view line) {
  while (line.starts_with('[')) {
    const size_t end = line.find("] ");
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 2);
  }
  return line;
}

}  // namespace

bool PanicWatch::Feed(std::string_view text) {
  bool halted = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (line_.size() < kLineLimit) line_.append(piece.substr(0, kLineLimit - line_.size()));
    if (end == std::string_view::npos) break;
    halted = EndLine() || halted;
    line_.clear();
    text.remove_prefix(end + 1);
  }
  return halted;
}

bool PanicWatch::EndLine() {
  const std::string_view line = WithoutPrefix(line_);
  if (line.starts_with(kPanic)) {
    panicked_ = true;
    reason_.clear();
    for (const char c : line.substr(0, kReasonLimit)) {
      if (absl::ascii_isprint(static_cast<unsigned char>(c))) reason_.push_back(c);
    }
    return false;
  }
  return panicked_ && line.starts_with(kEnd);
}

}  // namespace firn
