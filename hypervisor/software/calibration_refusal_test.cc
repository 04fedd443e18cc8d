// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unicorns that do not fit are refused by name. The linker (--wrap) puts calls of Unicorn through
// the functions here, which change its answers into those of a version laid out otherwise.
#include <gtest/gtest.h>
#include <unicorn/unicorn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "hypervisor/software/engine.h"

namespace firn::software {
namespace {

struct OtherUnicorn {
  std::optional<unsigned> version;  // as uc_version returns it
  std::optional<unsigned> regions;  // in the table of a hook
  // Changes a saved context.
  std::function<void(absl::Span<std::byte>)> context;
};
OtherUnicorn other_unicorn;

constexpr unsigned Version(unsigned major, unsigned minor, unsigned patch) {
  return major << 24 | minor << 16 | patch << 8;
}

}  // namespace

extern "C" {
unsigned __real_uc_version(unsigned* major, unsigned* minor);
unsigned __wrap_uc_version(unsigned* major, unsigned* minor) {
  if (!other_unicorn.version) return __real_uc_version(major, minor);
  if (major != nullptr) *major = *other_unicorn.version >> 24;
  if (minor != nullptr) *minor = *other_unicorn.version >> 16 & 0xff;
  return *other_unicorn.version;
}

uc_err __real_uc_context_save(uc_engine* uc, uc_context* context);
uc_err __wrap_uc_context_save(uc_engine* uc, uc_context* context) {
  const uc_err error = __real_uc_context_save(uc, context);
  if (other_unicorn.context) {
    other_unicorn.context({reinterpret_cast<std::byte*>(context), uc_context_size(uc)});
  }
  return error;
}

unsigned __real_g_hash_table_size(void* table);
unsigned __wrap_g_hash_table_size(void* table) {
  return other_unicorn.regions ? *other_unicorn.regions : __real_g_hash_table_size(table);
}
}  // extern "C"

namespace {

class CalibrationRefusalTest : public ::testing::Test {
 protected:
  CalibrationRefusalTest() : layout_(*Engine::Calibrate()) {}
  ~CalibrationRefusalTest() override { other_unicorn = {}; }

  // That calibration refuses the Unicorn of this name, for `reason`.
  static void ExpectRefusal(std::string_view name, std::string_view reason) {
    const absl::StatusOr<EngineLayout> layout = Engine::Calibrate();
    ASSERT_EQ(layout.status().code(), absl::StatusCode::kFailedPrecondition) << layout.status();
    EXPECT_EQ(layout.status().message(), absl::StrCat("Unicorn ", name, " does not fit: ", reason));
  }

  // Unicorn 2.2.0, with a word of each saved context overwritten.
  static void OverwriteAt(size_t offset, int byte) {
    other_unicorn.version = Version(2, 2, 0);
    other_unicorn.context = [=](absl::Span<std::byte> context) {
      memset(&context[offset], byte, sizeof(uint64_t));
    };
  }

  const EngineLayout layout_;  // of the one that is there
};

TEST_F(CalibrationRefusalTest, OtherVersions) {
  for (const auto& [version, name] :
       {std::pair(Version(1, 0, 3), "1.0.3"), std::pair(Version(2, 0, 1), "2.0.1"),
        std::pair(Version(3, 1, 0), "3.1.0")}) {
    other_unicorn.version = version;
    ExpectRefusal(name, "firn needs 2.1 or a later 2.x");
  }
}

// What matters is where things are: a later version that has them somewhere fits.
TEST_F(CalibrationRefusalTest, LaterVersionOfTheSameLayoutFits) {
  other_unicorn.version = Version(2, 7, 0);
  EXPECT_TRUE(Engine::Calibrate().ok());
}

TEST_F(CalibrationRefusalTest, ContextWithoutExceptionRecord) {
  OverwriteAt(layout_.exception_offset, 0);
  ExpectRefusal("2.2.0", "its exception record is in 0 places of a saved context instead of one");
}

TEST_F(CalibrationRefusalTest, ContextWithTwoExceptionRecords) {
  other_unicorn.version = Version(2, 2, 0);
  other_unicorn.context = [this](absl::Span<std::byte> context) {
    memcpy(&context[context.size() - 24], &context[layout_.exception_offset], 24);
  };
  ExpectRefusal("2.2.0", "its exception record is in 2 places of a saved context instead of one");
}

TEST_F(CalibrationRefusalTest, ContextWithoutExclusiveMonitor) {
  OverwriteAt(layout_.monitor_offset, 0xff);
  ExpectRefusal("2.2.0", "its exclusive monitor is in 0 places of a saved context instead of one");
}

TEST_F(CalibrationRefusalTest, MonitorThatIsNotEmptyAtReset) {
  other_unicorn.version = Version(2, 2, 0);
  other_unicorn.context = [this, first = true](absl::Span<std::byte> context) mutable {
    if (first) memset(&context[layout_.monitor_offset], 0, sizeof(uint64_t));
    first = false;
  };
  ExpectRefusal("2.2.0", "its exclusive monitor marks something at reset");
}

TEST_F(CalibrationRefusalTest, HookWithoutItsRegions) {
  other_unicorn.version = Version(2, 2, 0);
  for (const unsigned regions : {0u, 2u, 3u}) {
    other_unicorn.regions = regions;  // at first and behind the probes
    ExpectRefusal("2.2.0", "its hooks keep what they know of translated blocks elsewhere");
  }
}

}  // namespace
}  // namespace firn::software
