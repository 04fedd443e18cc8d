// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/virtio/testing/mmio_driver.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/log/check.h"
#include "absl/types/span.h"
#include "devices/little_endian.h"

namespace firn::virtio::testing {
namespace {

constexpr GuestAddress kRegisters(0x1001'0000);

std::unique_ptr<GuestMemory> MakeRegisterMemory() {
  auto memory = GuestMemory::Create({*GuestRange::Create(kRegisters, kGuestPageSize)});
  CHECK_OK(memory.status());
  return *std::move(memory);
}

RegisterPage PageIn(GuestMemory& memory) {
  auto page = RegisterPage::Create(memory, kRegisters);
  CHECK_OK(page.status());
  return *page;
}

}  // namespace

MmioDriver::MmioDriver(VirtioDevice& device)
    : memory_(MakeMemory()), register_memory_(MakeRegisterMemory()) {
  auto transport = VirtioMmio::Create(*memory_, device, interrupt_, PageIn(*register_memory_));
  CHECK_OK(transport.status());
  transport_ = *std::move(transport);
}

uint32_t MmioDriver::Read(MmioRegister reg) {
  const GuestAddress address(kRegisters.value + static_cast<uint64_t>(reg));
  return *register_memory_->LoadAcquire<uint32_t>(address);
}

std::string MmioDriver::ReadWindow() const {
  return ReadString(*register_memory_, kRegisters.value, kMmioSize);
}

void MmioDriver::Write(MmioRegister reg, uint32_t value) {
  std::array<std::byte, 4> data;
  StoreLittleEndian(value, absl::MakeSpan(data));
  transport_->Write(static_cast<uint64_t>(reg), data);
}

uint64_t MmioDriver::OfferedFeatures() {
  Write(MmioRegister::kDeviceFeaturesSel, 1);
  const uint64_t high = Read(MmioRegister::kDeviceFeatures);
  Write(MmioRegister::kDeviceFeaturesSel, 0);
  return high << 32 | Read(MmioRegister::kDeviceFeatures);
}

bool MmioDriver::Negotiate(uint64_t features) {
  Write(MmioRegister::kStatus, kAcknowledge);
  Write(MmioRegister::kStatus, kAcknowledge | kDriver);
  Write(MmioRegister::kDriverFeaturesSel, 0);
  Write(MmioRegister::kDriverFeatures, static_cast<uint32_t>(features));
  Write(MmioRegister::kDriverFeaturesSel, 1);
  Write(MmioRegister::kDriverFeatures, static_cast<uint32_t>(features >> 32));
  Write(MmioRegister::kStatus, kAcknowledge | kDriver | kFeaturesOk);
  return (Read(MmioRegister::kStatus) & kFeaturesOk) != 0;
}

void MmioDriver::SetUpQueue(uint32_t index, const QueueSettings& settings) {
  Write(MmioRegister::kQueueSel, index);
  Write(MmioRegister::kQueueNum, settings.size);
  Write(MmioRegister::kQueueDescLow, static_cast<uint32_t>(settings.descriptor_table));
  Write(MmioRegister::kQueueDescHigh, static_cast<uint32_t>(settings.descriptor_table >> 32));
  Write(MmioRegister::kQueueDriverLow, static_cast<uint32_t>(settings.avail_ring));
  Write(MmioRegister::kQueueDriverHigh, static_cast<uint32_t>(settings.avail_ring >> 32));
  Write(MmioRegister::kQueueDeviceLow, static_cast<uint32_t>(settings.used_ring));
  Write(MmioRegister::kQueueDeviceHigh, static_cast<uint32_t>(settings.used_ring >> 32));
  Write(MmioRegister::kQueueReady, settings.ready ? 1 : 0);
}

void MmioDriver::SetDriverOk() {
  Write(MmioRegister::kStatus, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
}

void MmioDriver::Start(uint64_t features, uint16_t size) {
  CHECK(Negotiate(features | kFeatureVersion1));
  queues_.clear();
  for (uint32_t i = 0; i < transport_->queue_count(); ++i) {
    Write(MmioRegister::kQueueSel, i);
    const uint32_t most = Read(MmioRegister::kQueueNumMax);
    queues_.push_back(std::make_unique<DriverQueue>(
        *memory_, static_cast<uint16_t>(std::min<uint32_t>(size, most)), i));
    SetUpQueue(i, queues_.back()->settings());
  }
  SetDriverOk();
}

std::shared_ptr<const std::string> MmioDriver::SaveMemory() {
  const absl::Span<const std::byte> bytes =
      *memory_->HostRange(GuestAddress(kMemoryBase), kMemorySize);
  const std::string_view now(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (saved_memory_ == nullptr || *saved_memory_ != now) {
    saved_memory_ = std::make_shared<const std::string>(now);
  }
  return saved_memory_;
}

void MmioDriver::RestoreMemory(const std::shared_ptr<const std::string>& saved) {
  if (SaveMemory() == saved) return;
  WriteString(*memory_, kMemoryBase, *saved);
  saved_memory_ = saved;
}

MmioDriver::Saved MmioDriver::Save() {
  Saved saved = {.state = transport_->Save().SerializeAsString(),
                 .memory = SaveMemory(),
                 .window = ReadWindow(),
                 .queues = {}};
  for (const std::unique_ptr<DriverQueue>& queue : queues_) saved.queues.push_back(*queue);
  return saved;
}

absl::Status MmioDriver::RestoreTransport(VirtioDevice& device, const state::VirtioMmio& state) {
  auto transport =
      VirtioMmio::Restore(*memory_, device, interrupt_, PageIn(*register_memory_), state);
  if (!transport.ok()) return transport.status();
  transport_ = *std::move(transport);
  return absl::OkStatus();
}

absl::Status MmioDriver::Restore(VirtioDevice& device, const Saved& saved) {
  state::VirtioMmio state;
  if (!state.ParseFromString(saved.state)) return absl::InvalidArgumentError("not a message");
  const std::shared_ptr<const std::string> before = SaveMemory();
  RestoreMemory(saved.memory);
  if (absl::Status status = RestoreTransport(device, state); !status.ok()) {
    RestoreMemory(before);
    return status;
  }
  queues_.clear();
  for (const DriverQueue& queue : saved.queues) {
    queues_.push_back(std::make_unique<DriverQueue>(queue));
  }
  for (size_t i = 0; i < transport_->queue_count(); ++i) transport_->OnQueueEvent(i);
  return absl::OkStatus();
}

void MmioDriver::Kick(uint32_t queue) {
  transport_->queue_event(queue).Signal();
  while (transport_->queue_event(queue).Take() > 0) {
    transport_->queue_event(queue).Signal();
    transport_->OnQueueEvent(queue);
  }
}

}  // namespace firn::virtio::testing
