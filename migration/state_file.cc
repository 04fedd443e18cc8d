// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/state_file.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>

#include "absl/crc/crc32c.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace firn {
namespace {

constexpr uint32_t kMaximumSections = 4096;
constexpr size_t kNameSize = 40;
constexpr uint32_t kMandatory = 1;

struct Header {
  char magic[8];
  uint16_t container_version;
  uint16_t format_version;
  uint32_t sections;
  uint64_t file_size;
  uint32_t table_crc;
  uint32_t header_crc;
};
static_assert(sizeof(Header) == 32);

struct Entry {
  char name[kNameSize];
  uint64_t offset;
  uint64_t length;
  uint32_t crc;
  uint32_t flags;
};
static_assert(sizeof(Entry) == 64);

// Those that end in '/' are what names begin with: the machine judges the rest of the name.
constexpr std::string_view kKnownSections[] = {"manifest", "config",     "memory",
                                               "vcpu/",    "gic/tables", "gic/registers",
                                               "device/",  "entropy",    "schema"};

uint32_t Crc(std::string_view bytes) { return static_cast<uint32_t>(absl::ComputeCrc32c(bytes)); }

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

uint32_t HeaderCrc(const Header& header) {
  return Crc(BytesOf(header).substr(0, offsetof(Header, header_crc)));
}

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("the state file is damaged: ", what));
}

bool IsPrintable(char c) { return c > ' ' && c < 0x7f; }

// Nothing unless `field` is a name filled up with zeros.
std::optional<std::string> NameOf(const char (&field)[kNameSize]) {
  const size_t size = strnlen(field, kNameSize);
  const std::string_view name(field, size);
  const bool rest_is_zero =
      std::all_of(field + size, field + kNameSize, [](char c) { return c == 0; });
  if (name.empty() || !rest_is_zero || !std::all_of(name.begin(), name.end(), IsPrintable)) {
    return std::nullopt;
  }
  return std::string(name);
}

absl::StatusOr<Header> DecodeHeader(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header) || bytes.substr(0, kStateMagic.size()) != kStateMagic) {
    return absl::DataLossError("this is not a state file of a snapshot: it does not begin with " +
                               std::string(kStateMagic));
  }
  memcpy(&header, bytes.data(), sizeof(header));
  if (header.container_version != kContainerVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("the state file is one of container version ", header.container_version,
                     ", and this firn reads version ", kContainerVersion, ": use a newer firn"));
  }
  if (header.header_crc != HeaderCrc(header)) return Damaged("checksum of the header");
  if (header.file_size != bytes.size()) {
    return Damaged(absl::StrCat("it has ", bytes.size(), " of ", header.file_size, " bytes"));
  }
  if (header.sections == 0 || header.sections > kMaximumSections ||
      header.sections > (bytes.size() - sizeof(header)) / sizeof(Entry)) {
    return Damaged(absl::StrCat(header.sections, " sections"));
  }
  return header;
}

}  // namespace

const StateSection* StateFile::Find(std::string_view name) const {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [name](const StateSection& s) { return s.name == name; });
  return found == sections.end() ? nullptr : &*found;
}

std::string EncodeStateFile(const StateFile& file) {
  uint64_t offset = sizeof(Header) + file.sections.size() * sizeof(Entry);
  std::string table;
  for (const StateSection& section : file.sections) {
    Entry entry = {.name = {},
                   .offset = offset,
                   .length = section.content.size(),
                   .crc = Crc(section.content),
                   .flags = section.mandatory ? kMandatory : 0};
    section.name.copy(entry.name, kNameSize);
    table.append(BytesOf(entry));
    offset += section.content.size();
  }
  Header header = {.magic = {},
                   .container_version = kContainerVersion,
                   .format_version = file.format_version,
                   .sections = static_cast<uint32_t>(file.sections.size()),
                   .file_size = offset,
                   .table_crc = Crc(table),
                   .header_crc = 0};
  kStateMagic.copy(header.magic, sizeof(header.magic));
  header.header_crc = HeaderCrc(header);
  std::string bytes(BytesOf(header));
  bytes.reserve(offset);
  bytes.append(table);
  for (const StateSection& section : file.sections) bytes.append(section.content);
  return bytes;
}

absl::StatusOr<StateFile> DecodeStateFile(std::string_view bytes) {
  const absl::StatusOr<Header> header = DecodeHeader(bytes);
  if (!header.ok()) return header.status();
  const std::string_view table = bytes.substr(sizeof(Header), header->sections * sizeof(Entry));
  if (header->table_crc != Crc(table)) return Damaged("checksum of the section table");
  StateFile file = {.format_version = header->format_version, .sections = {}};
  std::set<std::string> names;
  uint64_t expected = sizeof(Header) + table.size();
  for (uint32_t i = 0; i < header->sections; ++i) {
    Entry entry;
    memcpy(&entry, table.data() + i * sizeof(Entry), sizeof(entry));
    std::optional<std::string> name = NameOf(entry.name);
    if (!name) return Damaged(absl::StrCat("name of section ", i));
    if (!names.insert(*name).second) return Damaged(absl::StrCat("section ", *name, " is twice"));
    if (entry.offset != expected || entry.length > bytes.size() - expected) {
      return Damaged(absl::StrCat("place of section ", *name));
    }
    if ((entry.flags & ~kMandatory) != 0) return Damaged(absl::StrCat("flags of section ", *name));
    const std::string_view content = bytes.substr(entry.offset, entry.length);
    if (entry.crc != Crc(content)) return Damaged(absl::StrCat("checksum of section ", *name));
    expected += entry.length;
    file.sections.push_back(
        {*std::move(name), (entry.flags & kMandatory) != 0, std::string(content)});
  }
  if (expected != bytes.size()) return Damaged("bytes behind the last section");
  return file;
}

absl::Status CheckFormat(const StateFile& file) {
  if (file.format_version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the snapshot has format version %d, and this firn restores up to version "
                        "%d: use a newer firn",
                        file.format_version, kFormatVersion));
  }
  for (const StateSection& section : file.sections) {
    const bool is_known = std::any_of(
        std::begin(kKnownSections), std::end(kKnownSections), [&](std::string_view known) {
          return known.back() == '/' ? absl::StartsWith(section.name, known)
                                     : section.name == known;
        });
    if (section.mandatory && !is_known) {
      return absl::FailedPreconditionError(
          absl::StrCat("the snapshot needs its section \"", section.name,
                       "\", which this firn does not know: use a newer firn"));
    }
  }
  return absl::OkStatus();
}

}  // namespace firn
