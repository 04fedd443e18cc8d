// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Guest memory loaded by the kernel's userfaultfd. Threads that touch it stand for vCPUs; system
// calls on it, which see EFAULT where an instruction would die, for KVM.
#include "migration/demand_loader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "absl/synchronization/notification.h"
#include "hypervisor/errno_status.h"
#include "migration/page_scan.h"
#include "migration/snapshot_writer.h"

namespace firn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kFirstRegion = 1008;  // pages; no multiple of a chunk
constexpr uint64_t kPages = 3008;
constexpr uint64_t kBase = 0x80000000;

SnapshotId IdOf(int number) {
  SnapshotId id = {};
  id[0] = static_cast<uint8_t>(number);
  return id;
}

std::unique_ptr<GuestMemory> NewMemory() {
  const GuestRange ranges[] = {
      *GuestRange::Create(GuestAddress(kBase), kFirstRegion * kGuestPageSize),
      *GuestRange::Create(GuestAddress(2 * kBase), (kPages - kFirstRegion) * kGuestPageSize)};
  return *GuestMemory::Create(ranges);
}

// By page, one word of it.
using Content = std::map<uint64_t, uint64_t>;

class DemandLoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    const absl::StatusOr<Userfault> userfault = Userfault::Create();
    if (!userfault.ok()) GTEST_SKIP() << "no userfaultfd here: " << userfault.status();
    if (page_size_ % HostPageSize() != 0) {
      GTEST_SKIP() << "pages of the host are larger than those of this test";
    }
  }

  std::string Path(std::string_view name) const { return folder_ + "/" + std::string(name); }

  // A layer on `parent`, which was made before; alone where that is empty.
  void Save(const std::string& name, int number, const Content& content,
            const std::string& parent = "", int parent_number = 0) {
    std::filesystem::create_directories(Path(name));
    const std::unique_ptr<GuestMemory> memory = NewMemory();
    const PageTable table(memory->regions());
    PageSet pages(kPages);
    for (const auto& [page, word] : content) {
      memcpy(table.Host({page, 1}).data(), &word, sizeof(word));
      pages.Add(page);
    }
    auto files = *SnapshotWriter::Begin(SystemFileCalls(), SnapshotPaths::InFolder(Path(name)),
                                        IdOf(number));
    MemoryFileWriter writer(*memory, files->memory(), /*keep_zeros=*/!parent.empty());
    ASSERT_TRUE(writer.Begin().ok() && writer.Write(pages).ok());
    ASSERT_TRUE(writer.Finish(IdOf(number)).ok());
    state::Manifest manifest;
    manifest.set_id(IdOf(number).data(), sizeof(SnapshotId));
    manifest.set_architecture("aarch64");
    manifest.set_memory_size(kPages * kGuestPageSize);
    if (!parent.empty()) {
      manifest.mutable_parent()->set_id(IdOf(parent_number).data(), sizeof(SnapshotId));
      manifest.mutable_parent()->set_path("../" + parent + "/state");
    }
    StateFile state;
    state.Add("manifest", manifest.SerializeAsString());
    state.Add("memory", writer.State().SerializeAsString());
    ASSERT_TRUE(files->Publish(state).ok());
  }

  absl::Status Start(const std::string& name, DemandOptions options = {}) {
    options.on_error = [this](const absl::Status& why) {
      why_ = why;
      lost_.Notify();  // dies the second time
    };
    options.host_page_size = page_size_;
    loader_.reset();
    memory_ = NewMemory();
    const auto snapshot = *Snapshot::Open(SystemFileCalls(), Path(name));
    auto loader = DemandLoader::Start(*Userfault::Create(), *snapshot, *memory_, options);
    if (!loader.ok()) return loader.status();
    loader_ = *std::move(loader);
    return absl::OkStatus();
  }

  const std::byte* Host(uint64_t page) const {
    return PageTable(memory_->regions()).Host({page, 1}).data();
  }
  uint64_t Word(uint64_t page) const {
    uint64_t word;
    memcpy(&word, Host(page), sizeof(word));
    return word;
  }
  Content Words() const {
    Content content;
    for (uint64_t page = 0; page < kPages; ++page) {
      if (const uint64_t word = Word(page); word != 0) content[page] = word;
    }
    return content;
  }
  // 0, or the errno of a system call that reads the page.
  int Touch(uint64_t page) const {
    const int fd = memfd_create("touch", MFD_CLOEXEC);
    const ssize_t size = write(fd, Host(page), kGuestPageSize);
    const int error = errno;
    close(fd);
    return size == static_cast<ssize_t>(kGuestPageSize) ? 0 : error;
  }

  void FlipByteOf(const std::string& file, uint64_t page) const {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<off_t>(page * kGuestPageSize + 4000));
    stream.put('\1');
  }

  const std::string folder_ = ::testing::TempDir() + "/demand-" + std::to_string(getpid());
  const Content first_ = {{0, 1},     {1, 2},     {5, 3},          {63, 4},   {64, 5},
                          {700, 6},   {1007, 7},  {1008, 8},       {1009, 9}, {2047, 10},
                          {2048, 11}, {2990, 12}, {kPages - 1, 13}};
  const Content second_ = {{1, 0}, {5, 20}, {6, 21}, {64, 22}, {2048, 23}};
  uint64_t page_size_ = kGuestPageSize;
  absl::Status why_;
  absl::Notification lost_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<DemandLoader> loader_;
};

TEST_F(DemandLoaderTest, EveryPageIsRight) {
  Save("a", 1, first_);
  for (const bool record : {false, true}) {  // with and without the rest behind it
    ASSERT_TRUE(Start("a", {.prefetch = {}, .record = record, .on_error = {}}).ok());
    EXPECT_EQ(Words(), first_);
    EXPECT_TRUE(loader_->Finish().ok());
    EXPECT_EQ(Words(), first_);
    EXPECT_EQ(loader_->stats().pages_copied, first_.size());
  }
}

TEST_F(DemandLoaderTest, LayersLieOnTheirParents) {
  Save("a", 1, first_);
  Save("b", 2, second_, "a", 1);
  Content both = first_;
  for (const auto& [page, word] : second_) both[page] = word;
  both.erase(1);  // became zero
  ASSERT_TRUE(Start("b", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(Words(), both);
  ASSERT_TRUE(Start("b").ok());
  EXPECT_TRUE(loader_->Finish().ok());
  EXPECT_EQ(Words(), both);
}

TEST_F(DemandLoaderTest, TheRestComesByItself) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a").ok());
  uint64_t last = 0;
  EXPECT_TRUE(loader_
                  ->Finish([&](uint64_t done, uint64_t total) {
                    EXPECT_LE(done, total);
                    EXPECT_EQ(total, first_.size() * kGuestPageSize);
                    last = done;
                  })
                  .ok());
  EXPECT_TRUE(last == 0 || last == first_.size() * kGuestPageSize) << last;
  EXPECT_EQ(loader_->stats().faults, 0u);
  // Only what is in the file is there.
  EXPECT_EQ(OwnPages(*memory_)->Count(), first_.size());
  EXPECT_EQ(Words(), first_);
  EXPECT_EQ(loader_->stats().faults, 0u);
}

TEST_F(DemandLoaderTest, ManyThreadsAtOnce) {
  Save("a", 1, first_);
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(Start("a").ok());
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { wrong += Words() != first_; });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST_F(DemandLoaderTest, WritesStay) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a").ok());
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(kBase + 64 * kGuestPageSize), 99).ok());
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(kBase + 65 * kGuestPageSize), 98).ok());
  EXPECT_TRUE(loader_->Finish().ok());
  EXPECT_EQ(Word(64), 99u);
  EXPECT_EQ(Word(65), 98u);
}

TEST_F(DemandLoaderTest, RecordsInOrderOfTouch) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(Word(700), 6u);
  EXPECT_EQ(Word(1), 2u);
  EXPECT_EQ(Word(0), 1u);   // came with page 1
  EXPECT_EQ(Word(63), 4u);  // of the same chunk: likewise
  EXPECT_EQ(Word(1500), 0u);
  EXPECT_EQ(Word(1501), 0u);
  EXPECT_EQ(loader_->stats().faults, 3u);
  const std::vector<PageRun> runs = loader_->EndRecording();
  EXPECT_THAT(runs, ElementsAre(PageRun{700, 1}, PageRun{0, 2}, PageRun{1024, 512}));
  EXPECT_THAT(loader_->EndRecording(), ElementsAre());

  ASSERT_TRUE(Start("a", {.prefetch = runs, .record = true, .on_error = {}}).ok());
  for (const uint64_t page : {1, 700, 0, 63, 1500}) Word(page);
  EXPECT_EQ(loader_->stats().faults, 0u);
  EXPECT_EQ(loader_->stats().pages_prefetched, 5u + 512u);  // 0, 1, 5, 63 and 700
  EXPECT_EQ(Words(), first_);
}

TEST_F(DemandLoaderTest, NeighboursInOrderAreReadAtOnce) {
  Content content;
  for (uint64_t page = 0; page < 20 * kChunkPages; ++page) content[page] = page + 1;
  Save("a", 1, content);
  const std::vector<PageRun> runs = {{0, 2}, {kChunkPages, 1}, {2 * kChunkPages, 100}, {3, 1}};
  ASSERT_TRUE(Start("a", {.prefetch = runs, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(loader_->stats().reads, 1u);
  EXPECT_EQ(loader_->stats().bytes_read, 4 * kChunkSize);
  EXPECT_EQ(Words(), content);
}

TEST_F(DemandLoaderTest, WrongChecksum) {
  Save("a", 1, first_);
  FlipByteOf(Path("a/memory"), 700);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(Touch(0), 0);
  EXPECT_EQ(Touch(700), EFAULT);
  lost_.WaitForNotification();
  EXPECT_THAT(why_.message(), HasSubstr("a/memory is damaged: checksum of bytes"));
  EXPECT_EQ(loader_->Finish(), why_);
  EXPECT_EQ(loader_->status(), why_);
  // Nobody waits any more, and what was there still is.
  EXPECT_EQ(Touch(1008), EFAULT);
  EXPECT_EQ(Word(0), 1u);
  EXPECT_EQ(Word(1500), 0u);
  // Prefetched, it is an error of the restore itself.
  EXPECT_THAT(Start("a", {.prefetch = {{700, 1}}, .record = false, .on_error = {}}).message(),
              HasSubstr("a/memory is damaged"));
}

TEST_F(DemandLoaderTest, FileThatIsCutShort) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(Word(0), 1u);
  std::filesystem::resize_file(Path("a/memory"), 100 * kGuestPageSize);
  // Many at once, of which none waits for ever.
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (const uint64_t page : {700, 1007, 1008, 2047}) {
    threads.emplace_back([&, page] { failed += Touch(page) == EFAULT; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 4);
  EXPECT_THAT(loader_->Finish().message(), HasSubstr("a/memory ends at byte"));
}

TEST_F(DemandLoaderTest, FileThatIsCutShortUnderTheFill) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  std::filesystem::resize_file(Path("a/memory"), 100 * kGuestPageSize);
  EXPECT_FALSE(loader_->Finish().ok());
  EXPECT_TRUE(lost_.HasBeenNotified());
  EXPECT_EQ(Touch(1), 0);
  EXPECT_EQ(Touch(2990), EFAULT);
}

TEST_F(DemandLoaderTest, FileThatIsReplacedIsNotMissed) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  Save("a", 3, second_);
  EXPECT_EQ(Words(), first_);
}

// Nobody may use the memory then, but a thread that does all the same must get out.
TEST_F(DemandLoaderTest, EndsWhileThreadsWait) {
  Save("a", 1, first_);
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
    std::thread thread([&] {
      for (const auto& [page, word] : first_) Touch(page);
    });
    loader_.reset();
    thread.join();
  }
}

TEST_F(DemandLoaderTest, WhatWasInMemoryBeforeIsNotMistakenForTheSnapshot) {
  Save("a", 1, first_);
  memory_ = NewMemory();
  memset(PageTable(memory_->regions()).Host({0, 100}).data(), 0xaa, 100 * kGuestPageSize);
  const auto snapshot = *Snapshot::Open(SystemFileCalls(), Path("a"));
  loader_ = *DemandLoader::Start(*Userfault::Create(), *snapshot, *memory_, {});
  EXPECT_EQ(Words(), first_);
}

// As on a host with larger pages, of which each is put in place whole.
class LargePagesTest : public DemandLoaderTest, public ::testing::WithParamInterface<uint64_t> {
 protected:
  void SetUp() override {
    page_size_ = GetParam();
    DemandLoaderTest::SetUp();
  }
};

INSTANTIATE_TEST_SUITE_P(Sizes, LargePagesTest, ::testing::Values(16384, 65536),
                         ::testing::PrintToStringParamName());

TEST_P(LargePagesTest, EveryPageIsRight) {
  Save("a", 1, first_);
  Save("b", 2, second_, "a", 1);
  // Of one host page: three layers, and what none of them has.
  Save("c", 3, {{7, 30}, {4, 31}, {2049, 32}, {200, 33}}, "b", 2);
  Content all = first_;
  for (const auto& [page, word] : second_) all[page] = word;
  for (const auto& [page, word] : Content{{7, 30}, {4, 31}, {2049, 32}, {200, 33}}) {
    all[page] = word;
  }
  all.erase(1);  // became zero
  for (const bool record : {false, true}) {
    ASSERT_TRUE(Start("c", {.prefetch = {}, .record = record, .on_error = {}}).ok());
    EXPECT_EQ(Words(), all);
    EXPECT_TRUE(loader_->Finish().ok());
    EXPECT_EQ(Words(), all);
  }
}

TEST_P(LargePagesTest, WritesStayAndTheRestComesByItself) {
  Save("a", 1, first_);
  ASSERT_TRUE(Start("a").ok());
  // One in a host page that has others, one in a host page that is in no file.
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(kBase + 65 * kGuestPageSize), 98).ok());
  ASSERT_TRUE(memory_->Store<uint64_t>(GuestAddress(kBase + 501 * kGuestPageSize), 97).ok());
  EXPECT_TRUE(loader_->Finish().ok());
  Content expected = first_;
  expected[65] = 98;
  expected[501] = 97;
  EXPECT_EQ(Words(), expected);
}

TEST_P(LargePagesTest, AWorkingSetOfAnotherHost) {
  Save("a", 1, first_);
  const std::vector<PageRun> runs = {{700, 1}, {1500, 3}, {1, 1}, {kPages - 1, 1}};
  ASSERT_TRUE(Start("a", {.prefetch = runs, .record = true, .on_error = {}}).ok());
  for (const PageRun& run : runs) Word(run.first);
  EXPECT_EQ(loader_->stats().faults, 0u);
  EXPECT_EQ(Words(), first_);
  // What is recorded here is whole pages of this host.
  for (const PageRun& run : loader_->EndRecording()) {
    EXPECT_EQ(run.first * kGuestPageSize % page_size_, 0u);
    EXPECT_EQ(run.count * kGuestPageSize % page_size_, 0u);
  }
}

TEST_P(LargePagesTest, LossIsOfWholePages) {
  Save("a", 1, first_);
  FlipByteOf(Path("a/memory"), 700);
  ASSERT_TRUE(Start("a", {.prefetch = {}, .record = true, .on_error = {}}).ok());
  EXPECT_EQ(Touch(0), 0);
  EXPECT_EQ(Touch(701), EFAULT);
  lost_.WaitForNotification();
  EXPECT_EQ(Touch(700), EFAULT);
  EXPECT_EQ(Word(0), 1u);
}

TEST_P(LargePagesTest, RegionsThatAreNoWholePages) {
  Save("a", 1, first_);
  const auto snapshot = *Snapshot::Open(SystemFileCalls(), Path("a"));
  const std::unique_ptr<GuestMemory> memory = NewMemory();
  const auto loader = DemandLoader::Start(
      *Userfault::Create(), *snapshot, *memory,
      {.prefetch = {}, .record = false, .on_error = {}, .host_page_size = 128 * kGuestPageSize});
  EXPECT_EQ(GetErrno(loader.status()), ENOTSUP) << loader.status();
}

}  // namespace
}  // namespace firn
