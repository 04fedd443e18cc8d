// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "devices/vmgenid/vmgenid.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "hypervisor/data_cache.h"

namespace firn {

absl::StatusOr<std::unique_ptr<VmGenId>> VmGenId::Create(GuestMemory& memory, GuestAddress address,
                                                         InterruptLine& interrupt, const Id& id) {
  auto device = absl::WrapUnique(new VmGenId(memory, address, interrupt));
  absl::Status status = device->Set(id);
  if (!status.ok()) return status;
  return device;
}

absl::StatusOr<std::unique_ptr<VmGenId>> VmGenId::Restore(GuestMemory& memory, GuestAddress address,
                                                          InterruptLine& interrupt,
                                                          const state::VmGenId& state) {
  Id id;
  if (state.id().size() != id.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("id has ", state.id().size(), " bytes, not ", id.size()));
  }
  std::memcpy(id.data(), state.id().data(), id.size());
  return Create(memory, address, interrupt, id);
}

absl::Status VmGenId::Renew(const Id& id) {
  absl::Status status = Set(id);
  if (status.ok()) interrupt_.Trigger();
  return status;
}

state::VmGenId VmGenId::Save() const {
  state::VmGenId state;
  state.set_id(std::string(reinterpret_cast<const char*>(id_.data()), id_.size()));
  return state;
}

absl::Status VmGenId::Set(const Id& id) {
  id_ = id;
  absl::Status status = memory_.Write(address_, id);
  const absl::StatusOr<absl::Span<const std::byte>> host = memory_.HostRange(address_, sizeof(Id));
  if (host.ok()) CleanDataCache(*host);  // a guest may map the page as Device memory
  return status;
}

}  // namespace firn
