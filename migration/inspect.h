// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A state file as text, whatever wrote it: by the descriptions that it carries.
#ifndef FIRN_MIGRATION_INSPECT_H_
#define FIRN_MIGRATION_INSPECT_H_

#include <string>

#include "migration/state_file.h"

namespace firn {

struct InspectOptions {
  std::string section;  // only this one; empty: all
  bool full = false;    // long bytes whole
};

// One block per section. What its description does not know is shown by field number; what cannot
// be read, as bytes. Never fails: `file` may hold anything.
std::string DescribeState(const StateFile& file, const InspectOptions& options = {});

}  // namespace firn

#endif  // FIRN_MIGRATION_INSPECT_H_
