// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What a hostile snapshot may say of its memory, and where its files are.
#include "migration/memory_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "migration/section.h"
#include "migration/testing/snapshot_fixture.h"

namespace firn {
namespace {

using ::testing::HasSubstr;
using testing::IdOf;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

// Two regions of 100 pages; pages 0 to 9 and 110 to 129 are listed, of chunks 0, 1 and 2.
state::Memory Good() {
  state::Memory memory;
  memory.set_page_size(4096);
  memory.set_chunk_pages(64);
  for (const uint64_t address : {0x40000000u, 0x80000000u}) {
    state::MemoryRegion& region = *memory.add_regions();
    region.set_address(address);
    region.set_size(100 * kGuestPageSize);
  }
  for (const uint64_t number : {0, 10, 100, 20}) memory.add_pages(number);
  for (const uint32_t checksum : {1, 2, 3}) memory.add_checksums(checksum);
  return memory;
}

TEST(MemoryIndexTest, Good) {
  const absl::StatusOr<MemoryIndex> index = DecodeMemory(Good());
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->size(), 200 * kGuestPageSize);
  EXPECT_EQ(index->pages.Count(), 30u);
}

TEST(MemoryIndexTest, HostileOnesAreRefused) {
  const auto region = [](int index, uint64_t address, uint64_t size) {
    return [=](state::Memory& memory) {
      memory.mutable_regions(index)->set_address(address);
      memory.mutable_regions(index)->set_size(size);
    };
  };
  const auto pages = [](const std::vector<uint64_t>& numbers) {
    return [=](state::Memory& memory) {
      memory.clear_pages();
      for (const uint64_t number : numbers) memory.add_pages(number);
    };
  };
  const struct {
    std::string_view what;
    std::function<void(state::Memory&)> change;
    std::string_view message;
  } kCases[] = {
      {"page size", [](state::Memory& m) { m.set_page_size(65536); }, "pages of 65536 bytes"},
      {"no page size", [](state::Memory& m) { m.clear_page_size(); }, "pages of 0 bytes"},
      {"chunks", [](state::Memory& m) { m.set_chunk_pages(1); }, "chunks of 1"},
      {"no regions", [](state::Memory& m) { m.clear_regions(); }, "0 regions"},
      {"many regions",
       [](state::Memory& m) {
         for (int i = 0; i < 63; ++i) *m.add_regions() = m.regions(0);
       },
       "65 regions"},
      {"empty region", region(1, 0x80000000, 0), "region of 0 bytes"},
      {"half a page", region(1, 0x80000000, 100 * 4096 + 2048), "region of"},
      {"unaligned", region(1, 0x80000010, 409600), "region of"},
      {"overlapping", region(1, 0x40000000 + 99 * 4096, 409600), "region of"},
      {"the same twice", region(1, 0x40000000, 409600), "region of"},
      {"descending", region(1, 0x10000000, 409600), "region of"},
      {"beyond the address space", region(1, kMost - 4095, 409600), "region of"},
      {"huge", region(1, 0x80000000, uint64_t{1} << 62), "region of"},
      {"most", region(1, 0x80000000, kMost), "region of"},
      {"over 1 TiB together", region(1, 0x80000000, uint64_t{1} << 40), "region of"},
      {"cut off", pages({0, 10, 100}), "cut off"},
      {"empty run", pages({0, 10, 100, 0}), "no list of pages"},
      {"no gap", pages({0, 10, 0, 20}), "no list of pages"},
      {"beyond the end", pages({0, 10, 100, 91}), "no list of pages"},
      {"begins beyond the end", pages({0, 10, 191, 1}), "no list of pages"},
      {"gap that wraps", pages({0, 10, kMost - 9, 20}), "no list of pages"},
      {"count that wraps", pages({0, 10, 100, kMost - 109}), "no list of pages"},
      {"most of all", pages({kMost, kMost}), "no list of pages"},
      {"no list", pages({}), "number of checksums"},
      {"a checksum less", [](state::Memory& m) { m.mutable_checksums()->RemoveLast(); },
       "number of checksums"},
      {"a checksum more", [](state::Memory& m) { m.add_checksums(4); }, "number of checksums"},
  };
  for (const auto& hostile : kCases) {
    state::Memory memory = Good();
    hostile.change(memory);
    const absl::Status status = DecodeMemory(memory).status();
    EXPECT_FALSE(status.ok()) << hostile.what;
    EXPECT_THAT(status.message(), HasSubstr(hostile.message)) << hostile.what;
  }
}

class MemoryFileTest : public testing::SnapshotTest {
 protected:
  MemoryFileTest() {
    EXPECT_TRUE(Save(healthy_, Path("a"), 1, first_).ok());
    EXPECT_TRUE(Save(healthy_, Path("other"), 2, second_).ok());
  }

  // The manifest of `a`, changed, under right checksums.
  void ChangeManifest(const std::function<void(state::Manifest&)>& change) {
    const std::string path = Path("a/state");
    absl::StatusOr<StateFile> state =
        DecodeStateFile(*ReadWholeFile(SystemFileCalls(), path, kMaximumStateFileSize));
    ASSERT_TRUE(state.ok());
    state::Manifest manifest = *ParseSection<state::Manifest>(*state, "manifest");
    change(manifest);
    for (StateSection& section : state->sections) {
      if (section.name == "manifest") section.content = manifest.SerializeAsString();
    }
    const std::string bytes = EncodeStateFile(*state);
    std::filesystem::remove(path);
    absl::StatusOr<File> file = File::Open(SystemFileCalls(), path, O_RDWR | O_CREAT);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write(0, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()),
                                                   bytes.size()))
                    .ok());
  }
  std::string MessageWithMemoryAt(const std::string& path) {
    ChangeManifest([&](state::Manifest& manifest) { manifest.set_memory_path(path); });
    return std::string(Read(Path("a")).status().message());
  }
};

// A state file may name any file, and the footer says whether it is meant: nothing else is read of
// it.
TEST_F(MemoryFileTest, PathsElsewhere) {
  EXPECT_EQ(MessageWithMemoryAt("memory"), "");
  EXPECT_EQ(MessageWithMemoryAt("../a/memory"), "");
  EXPECT_EQ(MessageWithMemoryAt(std::filesystem::absolute(Path("a/memory"))), "");
  EXPECT_THAT(MessageWithMemoryAt("../other/memory"), HasSubstr("memory of another snapshot"));
  EXPECT_THAT(MessageWithMemoryAt("/etc/passwd"), HasSubstr("is not a memory file"));
  EXPECT_THAT(MessageWithMemoryAt("/dev/zero"), HasSubstr("/dev/zero"));
  EXPECT_THAT(MessageWithMemoryAt("state"), HasSubstr("is not a memory file"));
  EXPECT_THAT(MessageWithMemoryAt("."), HasSubstr("EISDIR"));
  EXPECT_THAT(MessageWithMemoryAt(std::string(5000, 'x')), HasSubstr("ENAMETOOLONG"));
}

TEST_F(MemoryFileTest, ManifestAndMemoryDiffer) {
  ChangeManifest([](state::Manifest& manifest) { manifest.set_memory_size(1); });
  EXPECT_THAT(Read(Path("a")).status().message(), HasSubstr("memory_size is 1"));
  ChangeManifest([](state::Manifest& manifest) { manifest.set_id("short"); });
  EXPECT_THAT(Read(Path("a")).status().message(), HasSubstr("16 bytes"));
}

TEST_F(MemoryFileTest, ParentsThatAreNone) {
  const auto message = [&](const std::string& path, int id) {
    ChangeManifest([&](state::Manifest& manifest) {
      manifest.mutable_parent()->set_path(path);
      manifest.mutable_parent()->set_id(IdOf(id).data(), sizeof(SnapshotId));
    });
    return std::string(Read(Path("a")).status().message());
  };
  EXPECT_THAT(message("state", 1), HasSubstr("lies on more than"));  // itself
  EXPECT_THAT(message("../other/state", 1), HasSubstr("it was replaced since"));
  EXPECT_THAT(message("../other/memory", 2), HasSubstr("not a state file"));
  EXPECT_THAT(message("", 1), HasSubstr("parent of"));
  EXPECT_THAT(message("/dev/null", 1), HasSubstr("/dev/null"));
  EXPECT_EQ(message("../other/state", 2), "");
}

}  // namespace
}  // namespace firn
