// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The arguments of KVM's ioctls as text, for a transcript.
#ifndef FIRN_HYPERVISOR_KVM_TESTING_CALL_TEXT_H_
#define FIRN_HYPERVISOR_KVM_TESTING_CALL_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace firn::kvm::testing {

// What `argument` of `request` hands to the kernel, as " name=value" for each field, read before
// the call. `fd` is the name of the file that it is for: attributes differ by device.
std::string InputText(std::string_view fd, uint32_t request, uintptr_t argument);
// What the kernel handed back through it, read after a call that succeeded.
std::string OutputText(std::string_view fd, uint32_t request, uintptr_t argument);

}  // namespace firn::kvm::testing

#endif  // FIRN_HYPERVISOR_KVM_TESTING_CALL_TEXT_H_
