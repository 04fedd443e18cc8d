// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The requests of the control API, as typed values: method, path and JSON body as in Firecracker's
// API (its src/firecracker/swagger/firecracker.yaml), for the part of it that firn has, and a few
// optional fields of firn's own.
#ifndef FIRN_VMM_API_REQUEST_H_
#define FIRN_VMM_API_REQUEST_H_

#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "vmm/config/memory_choice.h"

namespace firn::api {

// A body of more bytes than this is refused with status 413: Firecracker's default limit.
inline constexpr size_t kMaxBody = 51200;

struct GetInstanceInfo {};   // GET /
struct GetVersion {};        // GET /version
struct GetVmConfig {};       // GET /vm/config
struct GetMachineConfig {};  // GET /machine-config

// PATCH /vm
struct SetVmState {
  bool is_paused = false;  // "Paused", else "Resumed"
};

// PUT /snapshot/create. Paths are as they came: not empty, relative ones to firn's own folder.
struct CreateSnapshot {
  enum class Type { kFull, kDiff };
  Type type = Type::kFull;
  std::string snapshot_path;
  std::string mem_file_path;
};

// PUT /snapshot/load
struct LoadSnapshot {
  enum class Backend { kFile, kUffd };
  std::string snapshot_path;
  Backend backend = Backend::kFile;
  std::string backend_path;  // kFile: the memory file. kUffd: the socket of a page fault handler
  MemoryChoice memory;       // kFile; firn's own
  bool resume_vm = false;
  bool track_dirty_pages = false;
};

using Request = std::variant<GetInstanceInfo, GetVersion, GetVmConfig, GetMachineConfig, SetVmState,
                             CreateSnapshot, LoadSnapshot>;

struct ParsedRequest {
  Request request;
  // It has a field that Firecracker deprecates: its answer gets a Deprecation header.
  bool is_deprecated = false;
};

// The field of an option of MemoryChoice, as messages have it: "`mem_backend.memory_load`".
std::string MemoryFieldName(std::string_view option);

// `target` as HTTP has it, "/vm/config" or "http://host/vm/config"; slashes at its end do not
// count. InvalidArgument names what is wrong: no such method and path, a body where none belongs or
// none where one does, what is not JSON, an unknown, missing or mistyped field. A field that is
// null counts as missing.
absl::StatusOr<ParsedRequest> ParseRequest(std::string_view method, std::string_view target,
                                           std::string_view body);

}  // namespace firn::api

#endif  // FIRN_VMM_API_REQUEST_H_
