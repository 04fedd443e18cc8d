// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The candidates of one interrupt type on one vCPU, found in constant time: for each priority in
// use a bitmap of three levels of 64, and a word that says which priorities have any.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_CANDIDATE_SET_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_CANDIDATE_SET_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "hypervisor/software/gicv5/intid.h"

namespace firn::software::gicv5 {

// A set of numbers below `size`, at most 65,536, that gives its least in three steps.
class IdBitmap {
 public:
  explicit IdBitmap(uint32_t size);

  void Insert(uint32_t id);
  void Remove(uint32_t id);
  bool empty() const { return root_ == 0; }
  uint32_t First() const;  // the set is not empty

 private:
  std::vector<uint64_t> leaves_;    // bit = id
  std::vector<uint64_t> branches_;  // bit = a leaf that is not 0
  uint64_t root_ = 0;               // bit = a branch that is not 0
};

class CandidateSet {
 public:
  // Candidates have ids below `size`. A bitmap (size / 8 bytes) is allocated with the first
  // candidate of its priority, and kept.
  explicit CandidateSet(uint32_t size) : size_(size) {}

  void Insert(uint8_t priority, uint32_t id);
  void Remove(uint8_t priority, uint32_t id);
  bool empty() const { return priorities_ == 0; }

  struct Entry {
    uint8_t priority;
    uint32_t id;
  };
  // The least id of the least priority; the set is not empty.
  Entry First() const;

 private:
  uint32_t size_;
  uint32_t priorities_ = 0;  // bit = a priority with candidates
  std::array<std::unique_ptr<IdBitmap>, kPriorities> by_priority_;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_CANDIDATE_SET_H_
