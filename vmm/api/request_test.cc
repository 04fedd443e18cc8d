// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/api/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace firn::api {
namespace {

using ::testing::HasSubstr;

template <typename T>
T Parsed(std::string_view method, std::string_view target, std::string_view body,
         bool is_deprecated = false) {
  const absl::StatusOr<ParsedRequest> parsed = ParseRequest(method, target, body);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok() || !std::holds_alternative<T>(parsed->request)) {
    ADD_FAILURE() << "not the request that was expected";
    return T();
  }
  EXPECT_EQ(parsed->is_deprecated, is_deprecated);
  return std::get<T>(parsed->request);
}

TEST(RequestTest, Gets) {
  Parsed<GetInstanceInfo>("GET", "/", "");
  Parsed<GetVersion>("GET", "/version", "");
  Parsed<GetVmConfig>("GET", "/vm/config", "");
  Parsed<GetMachineConfig>("GET", "/machine-config", "");
}

TEST(RequestTest, TakesFormsOfThePath) {
  Parsed<GetVersion>("GET", "/version/", "");
  Parsed<GetVersion>("GET", "http://localhost/version", "");
  Parsed<GetInstanceInfo>("GET", "http://localhost", "");
}

TEST(RequestTest, VmState) {
  EXPECT_TRUE(Parsed<SetVmState>("PATCH", "/vm", R"({"state": "Paused"})").is_paused);
  EXPECT_FALSE(Parsed<SetVmState>("PATCH", "/vm", R"({"state": "Resumed"})").is_paused);
}

TEST(RequestTest, CreateSnapshot) {
  const auto full = Parsed<CreateSnapshot>(
      "PUT", "/snapshot/create",
      R"({"snapshot_path": "a", "mem_file_path": "b", "snapshot_type": null})");
  EXPECT_EQ(full.type, CreateSnapshot::Type::kFull);
  EXPECT_EQ(full.snapshot_path, "a");
  EXPECT_EQ(full.mem_file_path, "b");
  const auto diff = Parsed<CreateSnapshot>(
      "PUT", "/snapshot/create",
      R"({"snapshot_path": "a", "mem_file_path": "b", "snapshot_type": "Diff"})");
  EXPECT_EQ(diff.type, CreateSnapshot::Type::kDiff);
}

TEST(RequestTest, LoadSnapshot) {
  const auto file = Parsed<LoadSnapshot>("PUT", "/snapshot/load", R"({
      "snapshot_path": "a", "mem_backend": {"backend_type": "File", "backend_path": "b"}})");
  EXPECT_EQ(file.snapshot_path, "a");
  EXPECT_EQ(file.backend, LoadSnapshot::Backend::kFile);
  EXPECT_EQ(file.backend_path, "b");
  EXPECT_FALSE(file.resume_vm);
  EXPECT_FALSE(file.track_dirty_pages);
  const auto uffd = Parsed<LoadSnapshot>("PUT", "/snapshot/load", R"({
      "snapshot_path": "a", "mem_backend": {"backend_type": "Uffd", "backend_path": "b"},
      "resume_vm": true, "track_dirty_pages": true, "network_overrides": [],
      "clock_realtime": false, "huge_pages": "Snapshot", "vsock_override": null})");
  EXPECT_EQ(uffd.backend, LoadSnapshot::Backend::kUffd);
  EXPECT_TRUE(uffd.resume_vm);
  EXPECT_TRUE(uffd.track_dirty_pages);
}

std::string LoadBody(std::string_view backend, std::string_view fields) {
  return absl::StrCat(R"({"snapshot_path": "a", "mem_backend": {"backend_path": "b", )",
                      R"("backend_type": ")", backend, R"(", )", fields, "}}");
}

TEST(RequestTest, HowMemoryIsLoaded) {
  const auto load = [](std::string_view fields) {
    return Parsed<LoadSnapshot>("PUT", "/snapshot/load", LoadBody("File", fields)).memory;
  };
  const MemoryChoice none = load(R"("memory_load": null, "huge_pages": null, "working_set": null)");
  EXPECT_EQ(none.load, MemoryLoad::kMapped);
  EXPECT_FALSE(none.huge_pages || none.working_set || none.record_working_set);
  EXPECT_EQ(load(R"("memory_load": "mapped")").load, MemoryLoad::kMapped);
  EXPECT_EQ(load(R"("memory_load": "eager")").load, MemoryLoad::kEager);
  const MemoryChoice all =
      load(R"("memory_load": "demand", "huge_pages": true, "working_set": "w")");
  EXPECT_EQ(all.load, MemoryLoad::kDemand);
  EXPECT_TRUE(all.huge_pages);
  EXPECT_EQ(all.working_set, "w");
  EXPECT_EQ(load(R"("memory_load": "demand", "record_working_set": "w")").record_working_set, "w");
}

TEST(RequestTest, WaysToLoadMemoryThatDoNotGoTogether) {
  struct {
    const char* backend;
    const char* fields;
    const char* error;
  } const table[] = {
      {"File", R"("memory_load": "lazy")",
       "`mem_backend.memory_load` must be \"mapped\", \"demand\" or \"eager\""},
      {"File", R"("huge_pages": true)",
       "`mem_backend.huge_pages` needs `mem_backend.memory_load` demand or eager"},
      {"File", R"("memory_load": "eager", "huge_pages": "2M")",
       "`mem_backend.huge_pages` must be true or false"},
      {"File", R"("memory_load": "eager", "working_set": "w")",
       "`mem_backend.working_set` is for `mem_backend.memory_load` mapped and demand"},
      {"File", R"("working_set": "")", "`mem_backend.working_set` is empty"},
      {"File", R"("record_working_set": "w")",
       "`mem_backend.record_working_set` needs `mem_backend.memory_load` demand"},
      {"File", R"("memory_load": "demand", "record_working_set": "w", "working_set": "v")",
       "`mem_backend.record_working_set` and `mem_backend.working_set` do not go together"},
      {"Uffd", R"("memory_load": "mapped")", "`mem_backend.memory_load` is for \"File\""},
      {"Uffd", R"("working_set": "w")", "`mem_backend.working_set` is for \"File\""}};
  for (const auto& [backend, fields, error] : table) {
    const absl::StatusOr<ParsedRequest> parsed =
        ParseRequest("PUT", "/snapshot/load", LoadBody(backend, fields));
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << fields;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(error));
  }
}

TEST(RequestTest, DeprecatedFields) {
  const auto file = Parsed<LoadSnapshot>("PUT", "/snapshot/load",
                                         R"({"snapshot_path": "a", "mem_file_path": "b"})", true);
  EXPECT_EQ(file.backend, LoadSnapshot::Backend::kFile);
  EXPECT_EQ(file.backend_path, "b");
  const auto diff = Parsed<LoadSnapshot>("PUT", "/snapshot/load", R"({"snapshot_path": "a",
      "mem_backend": {"backend_type": "File", "backend_path": "b"},
      "enable_diff_snapshots": true})",
                                         true);
  EXPECT_TRUE(diff.track_dirty_pages);
}

TEST(RequestTest, NullCountsAsMissing) {
  const auto load = Parsed<LoadSnapshot>("PUT", "/snapshot/load", R"({
      "snapshot_path": "a", "mem_backend": {"backend_type": "File", "backend_path": "b"},
      "mem_file_path": null, "resume_vm": null, "track_dirty_pages": null,
      "enable_diff_snapshots": null, "network_overrides": null})");
  EXPECT_FALSE(load.resume_vm);
}

struct Bad {
  const char* name;
  const char* method;
  const char* target;
  const char* body;
  const char* error;
};

class BadRequestTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadRequestTest, SaysWhy) {
  const Bad& bad = GetParam();
  const absl::StatusOr<ParsedRequest> parsed = ParseRequest(bad.method, bad.target, bad.body);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(bad.error));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadRequestTest,
    ::testing::Values(
        Bad{"UnknownPath", "GET", "/nope", "", "there is no GET /nope"},
        Bad{"PathOfAnother", "GET", "/vm", "", "it has GET /, GET /version"},
        Bad{"WrongMethod", "PUT", "/vm", "{}", "there is no PUT /vm"},
        Bad{"Post", "POST", "/vm", "{}", "there is no POST /vm"},
        Bad{"Longer", "GET", "/version/x", "", "there is no"},
        Bad{"TwoSlashes", "GET", "/vm//config", "", "there is no"},
        Bad{"Query", "GET", "/version?x=1", "", "there is no"},
        Bad{"Fragment", "GET", "/version#x", "", "there is no"},
        Bad{"NoPath", "OPTIONS", "*", "", "there is no OPTIONS *"},
        Bad{"EmptyTarget", "GET", "", "", "there is no"},
        Bad{"NulInPath", "GET", "/version\x01", "", "there is no"},
        Bad{"BodyOfGet", "GET", "/version", "{}", "must not have a body"},
        Bad{"NoBody", "PATCH", "/vm", "", "a PATCH request must have a body"},
        Bad{"NoBodyOfPut", "PUT", "/snapshot/load", "", "a PUT request must have a body"},
        Bad{"NotJson", "PATCH", "/vm", "state=Paused", "the body: not JSON"},
        Bad{"TrailingComma", "PATCH", "/vm", R"({"state": "Paused",})", "not JSON"},
        Bad{"TwoValues", "PATCH", "/vm", R"({"state": "Paused"} {})", "not JSON"},
        Bad{"Array", "PATCH", "/vm", R"(["Paused"])", "must be an object"},
        Bad{"NotUtf8", "PATCH", "/vm", "{\"state\": \"\xff\"}", "not JSON"},
        Bad{"TwiceTheKey", "PATCH", "/vm", R"({"state": "Paused", "state": "Resumed"})", "twice"},
        Bad{"MissingState", "PATCH", "/vm", "{}", "`state` is missing"},
        Bad{"NullState", "PATCH", "/vm", R"({"state": null})", "`state` is missing"},
        Bad{"WrongState", "PATCH", "/vm", R"({"state": "Stopped"})", "`state` must be"},
        Bad{"StateIsNumber", "PATCH", "/vm", R"({"state": 1})", "`state` must be a string"},
        Bad{"UnknownField", "PATCH", "/vm", R"({"state": "Paused", "stat": 1})",
            "`stat` is no key that firn knows; did you mean `state`"},
        Bad{"NoSnapshotPath", "PUT", "/snapshot/create", R"({"mem_file_path": "b"})",
            "`snapshot_path` is missing"},
        Bad{"NoMemFilePath", "PUT", "/snapshot/create", R"({"snapshot_path": "a"})",
            "`mem_file_path` is missing"},
        Bad{"EmptyPath", "PUT", "/snapshot/create",
            R"({"snapshot_path": "", "mem_file_path": "b"})", "`snapshot_path` is empty"},
        Bad{"NulInFile", "PUT", "/snapshot/create",
            R"({"snapshot_path": "a\u0000", "mem_file_path": "b"})", "NUL"},
        Bad{"WrongType", "PUT", "/snapshot/create",
            R"({"snapshot_path": "a", "mem_file_path": "b", "snapshot_type": "Half"})",
            "`snapshot_type` must be \"Full\" or \"Diff\""},
        Bad{"NoBackend", "PUT", "/snapshot/load", R"({"snapshot_path": "a"})",
            "`mem_backend` is missing"},
        Bad{"TwoBackends", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b",
                "mem_backend": {"backend_type": "File", "backend_path": "b"}})",
            "give one of them"},
        Bad{"BackendWithoutType", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_backend": {"backend_path": "b"}})",
            "`mem_backend.backend_type` is missing"},
        Bad{"BackendWithoutPath", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_backend": {"backend_type": "File"}})",
            "`mem_backend.backend_path` is missing"},
        Bad{"UnknownBackend", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_backend": {"backend_type": "Tape", "backend_path": "b"}})",
            "`mem_backend.backend_type` must be"},
        Bad{"UnknownBackendField", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a",
                "mem_backend": {"backend_type": "File", "backend_path": "b", "x": 1}})",
            "`mem_backend.x` is no key"},
        Bad{"BackendIsString", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_backend": "b"})", "`mem_backend` must be an object"},
        Bad{"MemoryLoadOutside", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b", "memory_load": "demand"})",
            "`memory_load` is no key"},
        Bad{"ResumeIsString", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b", "resume_vm": "true"})",
            "`resume_vm` must be true or false"},
        Bad{"NetworkOverride", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b",
                "network_overrides": [{"iface_id": "eth0", "host_dev_name": "tap0"}]})",
            "`network_overrides` is not supported"},
        Bad{"VsockOverride", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b", "vsock_override": {"uds_path": "v"}})",
            "`vsock_override` is not supported"},
        Bad{"ClockRealtime", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b", "clock_realtime": true})",
            "`clock_realtime` is not supported"},
        Bad{"HugePages", "PUT", "/snapshot/load",
            R"({"snapshot_path": "a", "mem_file_path": "b", "huge_pages": "2M"})",
            "`huge_pages` is not supported"}),
    [](const auto& info) { return info.param.name; });

TEST(RequestTest, DeepNestingIsRefused) {
  const std::string deep = absl::StrCat(R"({"state": )", std::string(20'000, '['));
  EXPECT_THAT(std::string(ParseRequest("PATCH", "/vm", deep).status().message()),
              HasSubstr("levels deep"));
}

TEST(RequestTest, LongPathIsNotRepeatedWhole) {
  const absl::Status status = ParseRequest("GET", "/" + std::string(900, 'x'), "").status();
  EXPECT_LT(status.message().size(), 400u);
}

}  // namespace
}  // namespace firn::api
