// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// SIGINT, SIGTERM, SIGHUP and SIGQUIT end firn in an orderly way: the guest is stopped, the
// terminal put back, the statistics written.
#ifndef FIRN_VMM_SIGNALS_H_
#define FIRN_VMM_SIGNALS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

// At most one at a time. Handlers rather than a signalfd, because the second signal must work
// also where the event loop does not: it puts the terminal back and ends the process at once.
class Signals {
 public:
  // Errors: those of eventfd.
  static absl::StatusOr<Signals> Install();

  // Puts the former dispositions back.
  ~Signals();
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;

  // Becomes readable with the first signal, and stays so.
  int fd() const;
  // The first signal; 0 before.
  int received() const;

 private:
  Signals() = default;
  bool installed_ = true;
};

}  // namespace firn

#endif  // FIRN_VMM_SIGNALS_H_
