// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The flags of firn restore on how memory is loaded.
#ifndef FIRN_VMM_COMMANDS_MEMORY_FLAGS_H_
#define FIRN_VMM_COMMANDS_MEMORY_FLAGS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "vmm/config/flags.h"
#include "vmm/config/memory_choice.h"

namespace firn {

inline constexpr FlagSpec kMemoryLoadFlag = {
    "memory-load", "HOW",
    "mapped: pages are read when the guest touches them, and unchanged ones\n"
    "are shared by all that is restored from this file; demand: they are read\n"
    "then too, but checked, and the rest behind them; eager: all is read and\n"
    "checked first (default mapped)"};
inline constexpr FlagSpec kHugePagesFlag = {
    "huge-pages", "", "with demand and eager: ask for transparent huge pages"};
inline constexpr FlagSpec kRecordWorkingSetFlag = {
    "record-working-set", "FILE",
    "with demand: write which pages the guest touches, in their order, until\n"
    "it ends or is saved; nothing else is loaded meanwhile"};
inline constexpr FlagSpec kWorkingSetFlag = {
    "working-set", "FILE",
    "load these pages before the guest runs (default: the file working-set\n"
    "beside the state file, if there is one)"};

// InvalidArgument for flags that do not go together, or a file that cannot be written.
absl::StatusOr<MemoryChoice> ReadMemoryFlags(const Flags& flags);

// "--memory-load" for "memory-load".
std::string FlagName(std::string_view option);

}  // namespace firn

#endif  // FIRN_VMM_COMMANDS_MEMORY_FLAGS_H_
