// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/errno_status.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace firn {
namespace {

constexpr std::string_view kErrnoPayload = "firn/errno";

absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload([&result](std::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

}  // namespace

std::string_view ErrnoName(int error_number) {
  const char* name = strerrorname_np(error_number);
  return name != nullptr ? name : "unknown errno";
}

absl::Status ErrnoStatus(int error_number, std::string_view call) {
  absl::Status status(
      absl::ErrnoToStatusCode(error_number),
      absl::StrCat(call, ": ", strerrordesc_np(error_number) ? strerrordesc_np(error_number) : "",
                   " (", ErrnoName(error_number), ")"));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error_number)));
  switch (error_number) {
    case EMFILE:
      return Suggest(status, "raise this process's limit of open files (ulimit -n)");
    case ENFILE:
      return Suggest(status, "the host has too many open files: raise fs.file-max, or end some");
    default:
      return status;
  }
}

int GetErrno(const absl::Status& status) {
  const std::optional<absl::Cord> payload = status.GetPayload(kErrnoPayload);
  int error_number = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &error_number)) return 0;
  return error_number;
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return WithMessage(status, absl::StrCat(context, ": ", status.message()));
}

absl::Status Suggest(const absl::Status& status, std::string_view remedy) {
  if (status.ok() || remedy.empty()) return status;
  return WithMessage(status, absl::StrCat(status.message(), ": ", remedy));
}

}  // namespace firn
