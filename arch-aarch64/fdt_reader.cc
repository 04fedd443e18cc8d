// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/fdt_reader.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

extern "C" {
#include <libfdt.h>
}

namespace firn {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

bool FdtReader::IsValid() const { return fdt_check_full(blob_.data(), blob_.size()) == 0; }

bool FdtReader::HasNode(const std::string& path) const {
  return fdt_path_offset(blob_.data(), path.c_str()) >= 0;
}

std::optional<std::string> FdtReader::Bytes(const std::string& path,
                                            const std::string& property) const {
  const int node = fdt_path_offset(blob_.data(), path.c_str());
  if (node < 0) return std::nullopt;
  int size = 0;
  const void* value = fdt_getprop(blob_.data(), node, property.c_str(), &size);
  if (value == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(value), size);
}

std::optional<std::vector<uint32_t>> FdtReader::Cells(const std::string& path,
                                                      const std::string& property) const {
  const std::optional<std::string> bytes = Bytes(path, property);
  if (!bytes || bytes->size() % 4 != 0) return std::nullopt;
  std::vector<uint32_t> cells;
  for (size_t i = 0; i < bytes->size(); i += 4) {
    uint32_t cell = 0;
    for (size_t j = 0; j < 4; ++j) cell = cell << 8 | static_cast<unsigned char>((*bytes)[i + j]);
    cells.push_back(cell);
  }
  return cells;
}

std::optional<std::string> FdtReader::String(const std::string& path,
                                             const std::string& property) const {
  std::optional<std::string> bytes = Bytes(path, property);
  if (!bytes || bytes->empty() || bytes->back() != '\0') return std::nullopt;
  bytes->pop_back();
  return bytes;
}

std::string DtcComplaints(absl::Span<const std::byte> blob) {
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string base = absl::StrCat(folder != nullptr ? folder : "/tmp", "/dtc-input");
  std::ofstream(base + ".dtb", std::ios::binary)
      .write(reinterpret_cast<const char*>(blob.data()), static_cast<std::streamsize>(blob.size()));
  const std::string command =
      absl::StrCat("dtc -I dtb -O dts -W node_name_chars_strict -W property_name_chars_strict -o ",
                   base, ".dts ", base, ".dtb > ", base, ".log 2>&1");
  const int status = std::system(command.c_str());
  std::string complaints = ReadFile(base + ".log");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    absl::StrAppend(&complaints, "dtc failed (package device-tree-compiler)");
  }
  return complaints;
}

}  // namespace firn
