// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "migration/working_set.h"

#include <algorithm>
#include <cstring>

#include "absl/crc/crc32c.h"
#include "absl/strings/str_cat.h"

namespace firn {
namespace {

constexpr std::string_view kMagic = "FIRNWSET";
constexpr uint32_t kVersion = 1;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t runs;
  uint8_t id[16];
};
static_assert(sizeof(Header) == 32);

struct Run {
  uint64_t first;
  uint64_t count;
};
static_assert(sizeof(Run) == 16);

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

uint32_t Crc(std::string_view bytes) { return static_cast<uint32_t>(absl::ComputeCrc32c(bytes)); }

}  // namespace

std::string EncodeWorkingSet(const WorkingSet& set) {
  Header header = {
      .magic = {}, .version = kVersion, .runs = static_cast<uint32_t>(set.runs.size()), .id = {}};
  kMagic.copy(header.magic, sizeof(header.magic));
  std::copy(set.id.begin(), set.id.end(), header.id);
  std::string bytes(BytesOf(header));
  for (const PageRun& run : set.runs) bytes += BytesOf(Run{run.first, run.count});
  bytes += BytesOf(Crc(bytes));
  return bytes;
}

absl::StatusOr<WorkingSet> DecodeWorkingSet(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header) + sizeof(uint32_t) || !bytes.starts_with(kMagic)) {
    return absl::DataLossError("not a working set of a snapshot");
  }
  memcpy(&header, bytes.data(), sizeof(header));
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  if (bytes.substr(body.size()) != BytesOf(Crc(body))) {
    return absl::DataLossError("the working set is damaged: checksum");
  }
  if (header.version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("a working set of version ", header.version, ", this firn has ", kVersion));
  }
  if (body.size() != sizeof(header) + header.runs * uint64_t{sizeof(Run)}) {
    return absl::DataLossError("the working set is damaged: its size is not that of its runs");
  }
  WorkingSet set;
  std::copy(std::begin(header.id), std::end(header.id), set.id.begin());
  set.runs.reserve(header.runs);
  for (uint64_t i = 0; i < header.runs; ++i) {
    Run run;
    memcpy(&run, body.data() + sizeof(header) + i * sizeof(run), sizeof(run));
    set.runs.push_back({run.first, run.count});
  }
  return set;
}

absl::Status CheckWorkingSet(const WorkingSet& set, const SnapshotId& id, uint64_t pages) {
  if (set.id != id) {
    return absl::FailedPreconditionError(absl::StrCat("the working set is of another snapshot (",
                                                      FormatSnapshotId(set.id), ", not ",
                                                      FormatSnapshotId(id), ")"));
  }
  PageSet seen(pages);
  for (const PageRun& run : set.runs) {
    if (run.first >= pages || run.count == 0 || run.count > pages - run.first) {
      return absl::DataLossError("the working set names pages that the guest does not have");
    }
    if (seen.NextRun(run.first, run.end()).count > 0) {
      return absl::DataLossError("the working set names a page twice");
    }
    seen.AddRun(run);
  }
  return absl::OkStatus();
}

}  // namespace firn
