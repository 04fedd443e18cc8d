// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Writes a flattened devicetree, node by node, over libfdt's sequential write functions.
// Source: Devicetree Specification v0.4, chapters 2 and 5.
#ifndef FIRN_ARCH_AARCH64_FDT_BUILDER_H_
#define FIRN_ARCH_AARCH64_FDT_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "hypervisor/guest_address.h"

namespace firn {

// The first error sticks and Finish returns it, so calls in between need no check. Values are
// given in host order and written big-endian. Thread rules: none of its own.
class FdtBuilder {
 public:
  // The open node; its end closes it. Nodes nest as their lifetimes do.
  class Node {
   public:
    Node(Node&& other) noexcept : builder_(other.builder_) { other.builder_ = nullptr; }
    Node& operator=(Node&&) = delete;
    ~Node() {
      if (builder_ != nullptr) builder_->EndNode();
    }

   private:
    friend class FdtBuilder;
    explicit Node(FdtBuilder* builder) : builder_(builder) {}
    FdtBuilder* builder_;
  };

  // The result may have up to `max_size` bytes: ResourceExhausted beyond.
  explicit FdtBuilder(size_t max_size);
  FdtBuilder(const FdtBuilder&) = delete;
  FdtBuilder& operator=(const FdtBuilder&) = delete;

  // "" names the root, which comes first.
  [[nodiscard]] Node Begin(std::string_view name);
  // "name@address", the address in hexadecimal.
  [[nodiscard]] Node Begin(std::string_view name, uint64_t unit_address);

  // Properties of the node begun last; they come before its child nodes.
  void Empty(std::string_view name);
  void U32(std::string_view name, uint32_t value);
  void U64(std::string_view name, uint64_t value);
  void Cells(std::string_view name, absl::Span<const uint32_t> cells);
  // An array of 16-bit values without padding ("/bits/ 16").
  void U16Array(std::string_view name, absl::Span<const uint16_t> values);
  void String(std::string_view name, std::string_view value);
  void Strings(std::string_view name, absl::Span<const std::string> values);
  void Bytes(std::string_view name, absl::Span<const std::byte> value);
  // "reg" under a parent with two address and two size cells.
  void Ranges(std::string_view name, absl::Span<const GuestRange> ranges);

  // The finished blob; every node has ended. Call it once.
  absl::StatusOr<std::vector<std::byte>> Finish();

 private:
  void EndNode();
  void Property(std::string_view name, const void* value, size_t size);
  // Runs a libfdt call, with more room where it wants that, unless an earlier one failed.
  void Try(absl::FunctionRef<int(void* fdt)> call, std::string_view what);
  bool Grow();

  const size_t max_size_;
  std::vector<std::byte> buffer_;
  absl::Status status_;
  int open_nodes_ = 0;
};

}  // namespace firn

#endif  // FIRN_ARCH_AARCH64_FDT_BUILDER_H_
