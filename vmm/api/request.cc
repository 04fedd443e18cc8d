// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/request.h"

#include <http_parser.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "hypervisor/errno_status.h"
#include "vmm/config/json.h"

namespace firn::api {
namespace {

using nlohmann::json;

std::string ReadPath(JsonObject& object, std::string_view key) {
  const std::optional<std::string> path = object.String(key);
  if (path && path->empty()) object.Fail(key, "is empty");
  return path.value_or("");
}

// The body of a request; a field that Firecracker deprecates sets `is_deprecated`.
using Reader = Request (*)(JsonObject& body, absl::Status& status, bool& is_deprecated);

template <typename T>
Request ReadNothing(JsonObject&, absl::Status&, bool&) {
  return T();
}

Request ReadVmState(JsonObject& body, absl::Status&, bool&) {
  SetVmState request;
  body.Require("state");
  if (const std::optional<std::string> state = body.String("state")) {
    request.is_paused = *state == "Paused";
    if (!request.is_paused && *state != "Resumed") {
      body.Fail("state", "must be \"Paused\" or \"Resumed\"");
    }
  }
  return request;
}

Request ReadCreateSnapshot(JsonObject& body, absl::Status&, bool&) {
  CreateSnapshot request;
  body.Require("snapshot_path");
  body.Require("mem_file_path");
  request.snapshot_path = ReadPath(body, "snapshot_path");
  request.mem_file_path = ReadPath(body, "mem_file_path");
  if (const std::optional<std::string> type = body.String("snapshot_type")) {
    if (*type == "Diff") {
      request.type = CreateSnapshot::Type::kDiff;
    } else if (*type != "Full") {
      body.Fail("snapshot_type", "must be \"Full\" or \"Diff\"");
    }
  }
  return request;
}

// "memory_load" for "memory-load".
std::string FieldOf(std::string_view option) { return absl::StrReplaceAll(option, {{"-", "_"}}); }

std::optional<std::string> ReadOptionalPath(JsonObject& object, std::string_view key) {
  const std::string path = ReadPath(object, key);
  if (path.empty()) return std::nullopt;
  return path;
}

// How firn restore's options are said here: fields that Firecracker does not have.
void ReadMemoryChoice(JsonObject& backend, LoadSnapshot& request) {
  MemoryChoice& choice = request.memory;
  const std::optional<std::string> load = backend.String("memory_load");
  if (load) {
    const std::optional<MemoryLoad> known = ParseMemoryLoad(*load);
    if (!known) backend.Fail("memory_load", "must be \"mapped\", \"demand\" or \"eager\"");
    choice.load = known.value_or(choice.load);
  }
  const std::optional<bool> huge_pages = backend.Bool("huge_pages");
  choice.huge_pages = huge_pages.value_or(false);
  choice.working_set = ReadOptionalPath(backend, "working_set");
  choice.record_working_set = ReadOptionalPath(backend, "record_working_set");
  if (request.backend == LoadSnapshot::Backend::kUffd) {
    const std::pair<std::string_view, bool> fields[] = {
        {"memory_load", load.has_value()},
        {"huge_pages", huge_pages.has_value()},
        {"working_set", choice.working_set.has_value()},
        {"record_working_set", choice.record_working_set.has_value()}};
    for (const auto& [field, is_there] : fields) {
      if (is_there) backend.Fail(field, "is for \"File\": with \"Uffd\" the handler loads memory");
    }
  } else if (const std::optional<ChoiceProblem> problem = ProblemOf(choice, MemoryFieldName)) {
    backend.Fail(FieldOf(problem->option), problem->why);
  }
}

void ReadMemoryBackend(const json& value, LoadSnapshot& request, absl::Status& status) {
  JsonObject backend(value, "mem_backend", status);
  backend.Require("backend_type");
  backend.Require("backend_path");
  request.backend_path = ReadPath(backend, "backend_path");
  if (const std::optional<std::string> type = backend.String("backend_type")) {
    if (*type == "Uffd") {
      request.backend = LoadSnapshot::Backend::kUffd;
    } else if (*type != "File") {
      backend.Fail("backend_type", "must be \"File\" or \"Uffd\"");
    }
  }
  ReadMemoryChoice(backend, request);
  backend.Finish();
}

// What Firecracker can change at a load and firn cannot: only the value that changes nothing.
void ReadOverrides(JsonObject& body) {
  const json* network = body.Array("network_overrides");
  if (network != nullptr && !network->empty()) {
    body.Fail("network_overrides", "is not supported: firn has no network devices yet");
  }
  body.Refuse("vsock_override", "firn has no vsock device yet");
  if (body.Bool("clock_realtime").value_or(false)) {
    body.Fail("clock_realtime", "is not supported: Firecracker has it on x86-64 only");
  }
  if (const auto pages = body.String("huge_pages");
      pages && *pages != "None" && *pages != "Snapshot") {
    body.Fail("huge_pages", "is not supported yet: only \"None\" and \"Snapshot\" are");
  }
}

Request ReadLoadSnapshot(JsonObject& body, absl::Status& status, bool& is_deprecated) {
  LoadSnapshot request;
  body.Require("snapshot_path");
  request.snapshot_path = ReadPath(body, "snapshot_path");
  const json* backend = body.Object("mem_backend");
  const std::optional<std::string> file = body.String("mem_file_path");
  if (backend != nullptr && file) {
    body.Fail("mem_backend", "and `mem_file_path` say the same thing: give one of them");
  }
  if (backend != nullptr) {
    ReadMemoryBackend(*backend, request, status);
  } else if (file) {
    request.backend_path = ReadPath(body, "mem_file_path");
    is_deprecated = true;
  } else {
    body.Require("mem_backend");
  }
  request.resume_vm = body.Bool("resume_vm").value_or(false);
  request.track_dirty_pages = body.Bool("track_dirty_pages").value_or(false);
  if (const std::optional<bool> track = body.Bool("enable_diff_snapshots")) {
    request.track_dirty_pages |= *track;
    is_deprecated = true;
  }
  ReadOverrides(body);
  return request;
}

struct Route {
  std::string_view method;
  std::string_view path;
  Reader read;
};

constexpr Route kRoutes[] = {
    {"GET", "/", &ReadNothing<GetInstanceInfo>},
    {"GET", "/version", &ReadNothing<GetVersion>},
    {"GET", "/vm/config", &ReadNothing<GetVmConfig>},
    {"GET", "/machine-config", &ReadNothing<GetMachineConfig>},
    {"PATCH", "/vm", &ReadVmState},
    {"PUT", "/snapshot/create", &ReadCreateSnapshot},
    {"PUT", "/snapshot/load", &ReadLoadSnapshot},
};

// The path of a target, without slashes at its end; nothing where it is more than a path.
std::optional<std::string_view> PathOf(std::string_view target) {
  http_parser_url url;
  http_parser_url_init(&url);
  if (http_parser_parse_url(target.data(), target.size(), /*is_connect=*/0, &url) != 0) {
    return std::nullopt;
  }
  const auto has = [&url](int field) { return (url.field_set & (1 << field)) != 0; };
  if (has(UF_QUERY) || has(UF_FRAGMENT)) return std::nullopt;
  std::string_view path = "/";
  if (has(UF_PATH)) path = target.substr(url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

absl::Status NoSuchRequest(std::string_view method, std::string_view target) {
  constexpr size_t kLongest = 100;
  std::string message = absl::StrCat("there is no ", method, " ", target.substr(0, kLongest),
                                     target.size() > kLongest ? "…" : "", " in firn's API; it has");
  std::string_view separator = " ";
  for (const Route& route : kRoutes) {
    absl::StrAppend(&message, std::exchange(separator, ", "), route.method, " ", route.path);
  }
  return absl::InvalidArgumentError(message);
}

absl::StatusOr<ParsedRequest> ReadBody(const Route& route, std::string_view body) {
  json value = json::object();
  if (!body.empty()) {
    absl::StatusOr<json> parsed = ParseJson(body);
    if (!parsed.ok()) return Annotate(parsed.status(), "the body");
    if (!parsed->is_object()) {
      return absl::InvalidArgumentError("the body must be an object of JSON: {…}");
    }
    value = *std::move(parsed);
  }
  absl::Status status;
  JsonObject object(value, "", status);
  ParsedRequest result;
  result.request = route.read(object, status, result.is_deprecated);
  object.Finish();
  if (!status.ok()) return status;
  return result;
}

}  // namespace

std::string MemoryFieldName(std::string_view option) {
  return absl::StrCat("`mem_backend.", FieldOf(option), "`");
}

absl::StatusOr<ParsedRequest> ParseRequest(std::string_view method, std::string_view target,
                                           std::string_view body) {
  const std::optional<std::string_view> path = PathOf(target);
  for (const Route& route : kRoutes) {
    if (route.method != method || route.path != path) continue;
    if (method == "GET" && !body.empty()) {
      return absl::InvalidArgumentError("a GET request must not have a body");
    }
    if (method != "GET" && body.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a ", method, " request must have a body (with Content-Length)"));
    }
    return ReadBody(route, body);
  }
  return NoSuchRequest(method, target);
}

}  // namespace firn::api
