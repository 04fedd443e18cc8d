// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/snapshot_paths.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace firn {

SnapshotPaths SnapshotPaths::InFolder(std::string_view folder) {
  return {Below(folder, "state"), Below(folder, "memory")};
}

std::string FolderOf(std::string_view path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string NameOf(std::string_view path) {
  return std::filesystem::path(path).filename().string();
}

std::string WithId(std::string_view path, const SnapshotId& id) {
  return absl::StrCat(path, ".", FormatSnapshotId(id));
}

bool HasIdOf(std::string_view name, std::string_view base) {
  constexpr size_t kDigits = 2 * sizeof(SnapshotId);
  if (name.size() != base.size() + 1 + kDigits || name.substr(0, base.size()) != base ||
      name[base.size()] != '.') {
    return false;
  }
  const std::string_view digits = name.substr(base.size() + 1);
  return std::all_of(digits.begin(), digits.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
}

std::string RelativeTo(std::string_view from, std::string_view to) {
  // Only among canonical folders is the answer one of the words alone: ".." of a symbolic link is
  // above what it points to.
  const auto canonical = [](std::string_view path) {
    std::error_code error;
    std::filesystem::path result = std::filesystem::absolute(path, error);
    if (!error) result = std::filesystem::weakly_canonical(result, error);
    return (error ? std::filesystem::path(path) : result).lexically_normal();
  };
  return (canonical(FolderOf(to)) / NameOf(to)).lexically_relative(canonical(from)).string();
}

std::string Below(std::string_view folder, std::string_view path) {
  return (std::filesystem::path(folder) / path).string();
}

}  // namespace firn
