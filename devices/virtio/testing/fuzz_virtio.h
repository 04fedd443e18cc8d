// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// A hostile driver out of a fuzzer's bytes: any register access, any guest memory, any State.
#ifndef FIRN_DEVICES_VIRTIO_TESTING_FUZZ_VIRTIO_H_
#define FIRN_DEVICES_VIRTIO_TESTING_FUZZ_VIRTIO_H_

#include "absl/functional/function_ref.h"
#include "devices/testing/fuzz_input.h"
#include "devices/virtio/virtio_device.h"

namespace firn::virtio::testing {

// Drives `device` through its transport until `input` is used up. `host_event` is something that
// happens on the host's side, like input for a console.
void FuzzVirtio(
    VirtioDevice& device, firn::testing::FuzzInput& input,
    absl::FunctionRef<void()> host_event = [] {});

}  // namespace firn::virtio::testing

#endif  // FIRN_DEVICES_VIRTIO_TESTING_FUZZ_VIRTIO_H_
