// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/fdt_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

extern "C" {
#include <libfdt.h>
}

namespace firn {
namespace {

constexpr size_t kInitialSize = 16 * 1024;

template <typename T>
void AppendBigEndian(std::vector<std::byte>& bytes, T value) {
  for (int shift = 8 * (sizeof(T) - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::byte>(value >> shift & 0xff));
  }
}

}  // namespace

FdtBuilder::FdtBuilder(size_t max_size)
    : max_size_(max_size), buffer_(std::min(kInitialSize, max_size)) {
  Try([this](void* fdt) { return fdt_create(fdt, static_cast<int>(buffer_.size())); }, "create");
  Try([](void* fdt) { return fdt_finish_reservemap(fdt); }, "finish the reserve map");
}

bool FdtBuilder::Grow() {
  if (buffer_.size() >= max_size_) return false;
  std::vector<std::byte> larger(std::min(buffer_.size() * 2, max_size_));
  const int error = fdt_resize(buffer_.data(), larger.data(), static_cast<int>(larger.size()));
  if (error != 0) return false;
  buffer_ = std::move(larger);
  return true;
}

void FdtBuilder::Try(absl::FunctionRef<int(void* fdt)> call, std::string_view what) {
  if (!status_.ok()) return;
  int error = call(buffer_.data());
  while (error == -FDT_ERR_NOSPACE && Grow()) error = call(buffer_.data());
  if (error == 0) return;
  if (error == -FDT_ERR_NOSPACE) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat("the device tree exceeds ", max_size_,
                     " bytes: use fewer devices or a shorter command line"));
    return;
  }
  status_ = absl::InternalError(absl::StrCat("device tree: ", what, ": ", fdt_strerror(error)));
}

FdtBuilder::Node FdtBuilder::Begin(std::string_view name) {
  Try([&](void* fdt) { return fdt_begin_node(fdt, std::string(name).c_str()); },
      absl::StrCat("begin node ", name));
  ++open_nodes_;
  return Node(this);
}

FdtBuilder::Node FdtBuilder::Begin(std::string_view name, uint64_t unit_address) {
  return Begin(absl::StrFormat("%s@%x", name, unit_address));
}

void FdtBuilder::EndNode() {
  --open_nodes_;
  Try([](void* fdt) { return fdt_end_node(fdt); }, "end node");
}

void FdtBuilder::Property(std::string_view name, const void* value, size_t size) {
  if (size > max_size_) size = max_size_ + 1;  // gives FDT_ERR_NOSPACE, and fits an int
  Try(
      [&](void* fdt) {
        return fdt_property(fdt, std::string(name).c_str(), value, static_cast<int>(size));
      },
      absl::StrCat("property ", name));
}

void FdtBuilder::Empty(std::string_view name) { Property(name, "", 0); }

void FdtBuilder::U32(std::string_view name, uint32_t value) { Cells(name, {value}); }

void FdtBuilder::U64(std::string_view name, uint64_t value) {
  Cells(name, {static_cast<uint32_t>(value >> 32), static_cast<uint32_t>(value)});
}

void FdtBuilder::Cells(std::string_view name, absl::Span<const uint32_t> cells) {
  std::vector<std::byte> bytes;
  for (uint32_t cell : cells) AppendBigEndian(bytes, cell);
  Bytes(name, bytes);
}

void FdtBuilder::U16Array(std::string_view name, absl::Span<const uint16_t> values) {
  std::vector<std::byte> bytes;
  for (uint16_t value : values) AppendBigEndian(bytes, value);
  Bytes(name, bytes);
}

void FdtBuilder::String(std::string_view name, std::string_view value) {
  const std::string terminated(value);
  Property(name, terminated.c_str(), terminated.size() + 1);
}

void FdtBuilder::Strings(std::string_view name, absl::Span<const std::string> values) {
  std::string list;
  for (const std::string& value : values) list.append(value).push_back('\0');
  Property(name, list.data(), list.size());
}

void FdtBuilder::Bytes(std::string_view name, absl::Span<const std::byte> value) {
  Property(name, value.data(), value.size());
}

void FdtBuilder::Ranges(std::string_view name, absl::Span<const GuestRange> ranges) {
  std::vector<std::byte> bytes;
  for (const GuestRange& range : ranges) {
    AppendBigEndian(bytes, range.base().value);
    AppendBigEndian(bytes, range.size());
  }
  Bytes(name, bytes);
}

absl::StatusOr<std::vector<std::byte>> FdtBuilder::Finish() {
  if (open_nodes_ != 0) return absl::InternalError("device tree: finished with a node open");
  Try([](void* fdt) { return fdt_finish(fdt); }, "finish");
  if (!status_.ok()) return status_;
  buffer_.resize(fdt_totalsize(buffer_.data()));
  return std::move(buffer_);
}

}  // namespace firn
