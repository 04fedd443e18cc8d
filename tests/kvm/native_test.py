# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""tests/kvm/native in the host: firn's parts on the real KVM, without a guest's kernel. Each of its
GoogleTest suites is a test here."""

import gzip
import pathlib

from kvm_guest import KvmTest, ROOT, TIME_LIMIT

# tools/test kvm builds it.
BINARY = ROOT / "out/kvm/kvm-native-test"


class NativeTest(KvmTest):
    def suite(self, name):
        self.assertTrue(BINARY.exists(), f"{BINARY} is not there: run tools/test kvm")
        self.host.put("native.gz", gzip.compress(pathlib.Path(BINARY).read_bytes(), 1))
        self.host.run("gunzip -c native.gz > native && chmod +x native && rm native.gz", check=True)
        self.addCleanup(lambda: self.host.run(["rm", "-f", "native"]))
        result = self.host.run(["./native", f"--gtest_filter={name}.*"], timeout=TIME_LIMIT)
        self.assertEqual(result.status, 0, f"{result.text}\n{result.error_text}")
        # A filter that matches nothing passes too.
        self.assertRegex(result.text, r"(?m)^\[  PASSED  \] [1-9]")

    def test_fault_handler(self):
        self.suite("FaultHandlerTest")

    def test_gicv3_state(self):
        self.suite("Gicv3StateTest")

    def test_vcpu_registers(self):
        self.suite("VcpuRegistersTest")


class NativeOnNewerHostTest(NativeTest):
    host_name = "7.2"


class NativeWithSveTest(NativeTest):
    host_name = "max"
