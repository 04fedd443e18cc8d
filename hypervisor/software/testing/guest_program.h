// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A guest program as guest_program.bzl builds it: an ELF file with symbols.
#ifndef FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_PROGRAM_H_
#define FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/guest_address.h"

namespace firn::software {

struct GuestProgram {
  GuestAddress base;
  std::vector<std::byte> image;  // goes to `base`
  std::map<std::string, uint64_t, std::less<>> symbols;

  // Reads a program by its path in the runfiles ("hypervisor/software/testing/guests/mmio.elf").
  // Dies where it is missing or malformed: that is the build's fault.
  static GuestProgram Load(std::string_view runfile);
};

}  // namespace firn::software

#endif  // FIRN_HYPERVISOR_SOFTWARE_TESTING_GUEST_PROGRAM_H_
