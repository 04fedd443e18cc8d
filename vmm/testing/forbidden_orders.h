// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Orders of a save and of a restore that lose interrupts where ISTs go through guest memory
// (migration/phases.h has the right ones).
#ifndef FIRN_VMM_TESTING_FORBIDDEN_ORDERS_H_
#define FIRN_VMM_TESTING_FORBIDDEN_ORDERS_H_

#include "migration/phases.h"

namespace firn::testing {

inline constexpr SavePhase kMemoryBeforeTables[] = {
    SavePhase::kPauseVcpus,      SavePhase::kDrainDevices, SavePhase::kMemory,
    SavePhase::kInterruptTables, SavePhase::kRegisters,    SavePhase::kResume,
    SavePhase::kPublish,
};

inline constexpr RestorePhase kTablesBeforeMemory[] = {
    RestorePhase::kRegisters,        RestorePhase::kInterruptTables, RestorePhase::kMemory,
    RestorePhase::kInterruptEnables, RestorePhase::kDevices,         RestorePhase::kTime,
};

}  // namespace firn::testing

#endif  // FIRN_VMM_TESTING_FORBIDDEN_ORDERS_H_
