# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash
# Sourced in the checkout's root.

# Builds the binary that is shipped, for arm64 and KVM, as out/kvm/firn.
build_release() {
  bazel build --config=aarch64 --config=release //vmm:firn.stripped || return 1
  mkdir -p out/kvm
  cp -f bazel-bin/vmm/firn.stripped out/kvm/firn
}
