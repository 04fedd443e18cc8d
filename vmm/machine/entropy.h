// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Random bytes for guests: true ones, or the same ones in every run.
#ifndef FIRN_VMM_MACHINE_ENTROPY_H_
#define FIRN_VMM_MACHINE_ENTROPY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"

namespace firn {

// Any thread.
class Entropy {
 public:
  virtual ~Entropy() = default;
  // Fills all of `data`.
  virtual void Fill(absl::Span<std::byte> data) = 0;
  // Where a repeatable sequence is, for a snapshot; none for true random bytes.
  virtual std::vector<uint64_t> Save() const { return {}; }
  // False for words that Save does not return.
  virtual bool Restore(absl::Span<const uint64_t> words) { return words.empty(); }
};

// A value of random bits.
template <typename T>
T Draw(Entropy& entropy) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  entropy.Fill(absl::MakeSpan(reinterpret_cast<std::byte*>(&value), sizeof(value)));
  return value;
}

// getrandom(2).
class HostEntropy final : public Entropy {
 public:
  void Fill(absl::Span<std::byte> data) override;
};

// xoshiro256**, seeded through SplitMix64 (Blackman and Vigna, 2018): repeatable, not secret.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(uint64_t seed);
  void Fill(absl::Span<std::byte> data) override;

  std::vector<uint64_t> Save() const override;
  bool Restore(absl::Span<const uint64_t> words) override;

 private:
  uint64_t Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::array<uint64_t, 4> state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firn

#endif  // FIRN_VMM_MACHINE_ENTROPY_H_
