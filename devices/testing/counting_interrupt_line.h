// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// An interrupt line that counts its edges, for tests.
#ifndef FIRN_DEVICES_TESTING_COUNTING_INTERRUPT_LINE_H_
#define FIRN_DEVICES_TESTING_COUNTING_INTERRUPT_LINE_H_

#include <atomic>

#include "devices/interrupt_line.h"

namespace firn::testing {

class CountingInterruptLine final : public InterruptLine {
 public:
  void Trigger() override { ++count_; }
  int count() const { return count_; }

 private:
  std::atomic<int> count_ = 0;
};

}  // namespace firn::testing

#endif  // FIRN_DEVICES_TESTING_COUNTING_INTERRUPT_LINE_H_
