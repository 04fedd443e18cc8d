// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/page_size.h"

#include <cstring>

#include "hypervisor/guest_memory.h"

namespace firn::software {
namespace {

bool ArchIs(uc_engine* uc, uc_arch expected) {
  int arch = 0;
  return uc_ctl_get_arch(uc, &arch) == UC_ERR_OK && arch == expected;
}

// An engine starts with its architecture.
void WriteArch(uc_engine* uc, uc_arch arch) { memcpy(uc, &arch, sizeof(arch)); }

uint32_t PageSizeWith(uint32_t argument) {
  uc_engine* uc = nullptr;
  if (uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc) != UC_ERR_OK) return 0;
  uint32_t size = 0;
  if (SetPageSize(uc, argument) != UC_ERR_OK || uc_ctl_get_page_size(uc, &size) != UC_ERR_OK) {
    size = 0;
  }
  uc_close(uc);
  return size;
}

}  // namespace

uint32_t FindPageSizeArgument() {
  // Some versions, 2.1.1 among them, make pages of twice the size that they are told.
  for (const uint32_t argument : {2048u, 4096u}) {
    if (PageSizeWith(argument) == kGuestPageSize) return argument;
  }
  return 0;
}

uc_err SetPageSize(uc_engine* uc, uint32_t argument) {
  if (argument == 0 || uc_ctl_set_page_size(uc, argument) == UC_ERR_OK) return UC_ERR_OK;
  // Some versions refuse this for any architecture but UC_ARCH_ARM, though they heed it.
  uc_arch arch;
  memcpy(&arch, uc, sizeof(arch));
  if (arch != UC_ARCH_ARM64 || !ArchIs(uc, UC_ARCH_ARM64)) return UC_ERR_ARG;
  WriteArch(uc, UC_ARCH_ARM);
  const uc_err error = ArchIs(uc, UC_ARCH_ARM) ? uc_ctl_set_page_size(uc, argument) : UC_ERR_ARG;
  WriteArch(uc, UC_ARCH_ARM64);
  return error;
}

}  // namespace firn::software
