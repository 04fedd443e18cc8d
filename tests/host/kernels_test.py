# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""tools/arm64-host: its kernels, QEMUs and CPUs."""

from arm64_host_cli import ROOT, HostTest


class KernelsTest(HostTest):
    def check(self, kernel, qemu, cpu, part, cpus):
        release = (ROOT / f".deps/guest/{kernel}-cloud/release").read_text().strip()
        outcome = self.tool("run", "--kernel", kernel, "--qemu", qemu, "--cpu", cpu, "--cpus", cpus,
                            "--memory", "1G", "--", "sh", "-c",
                            "uname -m -r; grep -c 'CPU part.*: " + part + "' /proc/cpuinfo; "
                            "[ -c /dev/kvm ] && dmesg | grep 'kvm.*initialized successfully'")
        self.assertEqual((outcome.status, outcome.stderr), (0, ""), outcome)
        lines = outcome.stdout.splitlines()
        self.assertEqual(lines[:2], [f"{release} aarch64", str(cpus)])
        self.assertIn("mode initialized successfully", lines[2])

    def test_kernel_61_on_qemu_72(self):
        self.check("6.1", "7.2", "neoverse-n1", "0xd0c", 1)

    def test_kernel_72_on_qemu_72(self):
        self.check("7.2", "7.2", "cortex-a76", "0xd0b", 2)

    def test_kernel_72_on_qemu_11(self):
        self.check("7.2", "11", "neoverse-n2", "0xd49", 2)

    def test_max_on_qemu_11(self):
        # Pointer authentication in the architecture's own algorithm is off: it is slow in emulation.
        outcome = self.tool("run", "--qemu", "11", "--cpu", "max", "--cpus", "4", "sh", "-c",
                            "nproc; grep -m 1 -o paca /proc/cpuinfo; "
                            "dmesg | grep -o 'Address authentication.*'")
        self.assertEqual((outcome.status, outcome.stderr), (0, ""), outcome)
        self.assertEqual(outcome.stdout.splitlines(), [
            "4", "paca", "Address authentication (IMP DEF algorithm)"])
