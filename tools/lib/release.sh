# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash
# Sourced in the checkout's root.

# Builds the binary that is shipped, for arm64 and KVM, as out/kvm/firn.
build_release() {
  bazel build --config=aarch64 --config=release //vmm:firn.stripped || return 1
  mkdir -p out/kvm
  cp -f bazel-bin/vmm/firn.stripped out/kvm/firn
}

# Builds the tests that run on a real KVM without a guest's kernel, as out/kvm/kvm-native-test.
build_native_test() {
  bazel build --config=aarch64 --config=release //tests/kvm/native:kvm_native_test || return 1
  mkdir -p out/kvm
  cp -f bazel-bin/tests/kvm/native/kvm_native_test out/kvm/kvm-native-test
}
