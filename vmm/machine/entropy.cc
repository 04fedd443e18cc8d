// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/machine/entropy.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/log/check.h"

namespace firn {

void HostEntropy::Fill(absl::Span<std::byte> data) {
  while (!data.empty()) {
    const ssize_t got = getrandom(data.data(), data.size(), 0);
    // Without flags, getrandom fails for bad arguments and signals only.
    PCHECK(got >= 0 || errno == EINTR) << "getrandom";
    if (got > 0) data.remove_prefix(static_cast<size_t>(got));
  }
}

SeededEntropy::SeededEntropy(uint64_t seed) {
  absl::MutexLock lock(&mutex_);
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t SeededEntropy::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void SeededEntropy::Fill(absl::Span<std::byte> data) {
  absl::MutexLock lock(&mutex_);
  while (!data.empty()) {
    const uint64_t word = Next();
    const size_t size = std::min(data.size(), sizeof(word));
    std::memcpy(data.data(), &word, size);
    data.remove_prefix(size);
  }
}

std::vector<uint64_t> SeededEntropy::Save() const {
  absl::MutexLock lock(&mutex_);
  return {state_.begin(), state_.end()};
}

bool SeededEntropy::Restore(absl::Span<const uint64_t> words) {
  absl::MutexLock lock(&mutex_);
  // The generator never leaves all zeros.
  const bool is_zero = std::all_of(words.begin(), words.end(), [](uint64_t w) { return w == 0; });
  if (words.size() != state_.size() || is_zero) return false;
  std::copy(words.begin(), words.end(), state_.begin());
  return true;
}

}  // namespace firn
