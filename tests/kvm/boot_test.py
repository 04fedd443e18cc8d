# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Linux boots on KVM with a GICv3, brings its CPUs up, and its devices work."""

import hashlib
import os
import unittest

from kvm_guest import GUEST_KERNELS, KvmTest  # first: it finds the folders of the others
from guest import interrupt_rows
from workload import REGISTERS, REGISTERS_ERRORS, checksums


class BootTest(KvmTest):
    kernel_words = ()

    def check(self, kernel, cpus):
        outcome = self.boot("interrupts", "--cpus", str(cpus), "--disk", self.blank_disk(), kernel=kernel)
        self.assertIn("firn: kvm hypervisor", outcome.stderr)
        self.assertIn("GICv3", outcome.stderr)
        self.assertIn("not GICv5, because this host has none for guests", outcome.stderr)
        online = "0" if cpus == 1 else f"0-{cpus - 1}"
        self.assertEqual(outcome.lines("FIRN-INIT")[0].split()[1], online)
        rows = interrupt_rows(outcome)
        chip, counts = rows["arch_timer"]
        self.assertEqual((chip, len(counts)), ("GICv3", cpus), rows)
        self.assertTrue(all(count > 0 for count in counts), rows)
        for device in ("ttyS0", "virtio0"):
            self.assertEqual(rows[device][0], "GICv3", rows)
            self.assertGreater(sum(rows[device][1]), 0, rows)
        if cpus > 1:
            for cpu in range(cpus):
                ipis = sum(counts[cpu] for name, (chip, counts) in rows.items()
                           if name.endswith("interrupts") and "IPI" in chip)
                self.assertGreater(ipis, 0, f"no IPI on CPU {cpu}: {rows}")
        self.check_exits(outcome)

    def check_exits(self, outcome):
        """The data path needs no exit: one notification for each request, by ioeventfd, and one
        interrupt, by irqfd, whose status is memory and whose acknowledgement an ioeventfd. Every MMIO
        exit is one of a device's registers."""
        mmio = sum(vcpu["exits"]["mmio_reads"] + vcpu["exits"]["mmio_writes"]
                   for vcpu in outcome.stats["vcpus"])
        registers = sum(device["reads"] + device["writes"]
                        for device in outcome.stats["mmio"]["devices"].values())
        self.assertEqual(mmio, registers)
        self.assertEqual(outcome.stats["mmio"]["unmapped_reads"], 0)
        self.assertEqual(outcome.stats["mmio"]["unmapped_writes"], 0)
        for name in ("blk.disk0", "rng", "console"):
            self.assertEqual(outcome.stats["mmio"]["devices"][name]["reads"], 0, name)

    def test_6_1_one_cpu(self):
        self.check("6.1", 1)

    def test_6_1_two_cpus(self):
        self.check("6.1", 2)

    def test_6_1_four_cpus(self):
        self.check("6.1", 4)

    def test_7_2_one_cpu(self):
        self.check("7.2", 1)

    def test_7_2_two_cpus(self):
        self.check("7.2", 2)

    def test_7_2_four_cpus(self):
        self.check("7.2", 4)

    def test_checksums(self):
        outcome = self.boot("checksum", "--cpus", "4", words=["firn.seed=7"])
        for line in outcome.lines("FIRN-CHECKSUM"):
            cpu, *sums = line.split()
            self.assertEqual(sums, checksums(7, int(cpu)))
        self.assertEqual(len(outcome.lines("FIRN-CHECKSUM")), 4)

    def test_much_memory(self):
        outcome = self.boot("memory", "--memory", "40G")
        self.assertEqual(outcome.stats["memory"]["guest_bytes"], 40 << 30)


class BootsInARowTest(KvmTest):
    kernel_words = ()
    BOOTS = int(os.environ.get("FIRN_BOOTS", "0"))

    @unittest.skipIf(BOOTS == 0, "a soak: FIRN_BOOTS says how many")
    def test_boots_in_a_row(self):
        for boot in range(self.BOOTS):
            kernel, cpus = GUEST_KERNELS[boot % 2], (1, 2, 4)[boot // 2 % 3]
            with self.subTest(boot=boot, kernel=kernel, cpus=cpus):
                self.boot("hello", "--cpus", str(cpus), kernel=kernel)


class DevicesTest(KvmTest):
    NUMBERS = hashlib.md5("".join(f"{n}\n" for n in range(1, 20001)).encode()).hexdigest()

    def check_root(self, kernel):
        outcome = self.boot("root", "--cpus", "2", "--disk", self.ext4_disk(), kernel=kernel,
                            words=["firn.root=/dev/vda"])
        self.assertEqual(outcome.lines("FIRN-ROOT"), ["/dev/vda ext4", self.NUMBERS], str(outcome))
        stats = outcome.stats
        requests = stats["devices"]["blk.disk0"]
        self.assertGreater(requests["bytes_written"], 2 << 20, stats)
        self.assertLessEqual(requests["interrupts"], requests["requests"] * 1.05)
        self.assertLessEqual(requests["notifications"], requests["requests"] * 1.05)

    def test_ext4_root_6_1(self):
        self.check_root("6.1")

    def test_ext4_root_7_2(self):
        self.check_root("7.2")

    def test_no_register_access_leaves_the_guest_once_the_driver_is_set_up(self):
        disk = self.blank_disk(size_mib=64)
        for kernel in ("6.1", "7.2"):
            accesses = []
            for program in ("hello", "blockread"):
                outcome = self.boot(program, "--disk", disk, kernel=kernel)
                device = outcome.stats["mmio"]["devices"]["blk.disk0"]
                accesses.append((device["reads"], device["writes"]))
            counters = outcome.stats["devices"]["blk.disk0"]
            self.assertGreater(counters["requests"], 10)
            self.assertGreater(counters["interrupts"], 0)  # several requests may share one
            self.assertEqual(accesses[0][0], 0)
            self.assertEqual(accesses[0], accesses[1], kernel)

    def test_entropy(self):
        for kernel in ("6.1", "7.2"):
            with self.subTest(kernel):
                self.boot("entropy", kernel=kernel)

    def test_virtio_registers(self):
        for kernel in ("6.1", "7.2"):
            with self.subTest(kernel):
                outcome = self.boot("registers", kernel=kernel)
                self.assertEqual(outcome.lines("FIRN-REGISTERS"), REGISTERS, str(outcome))
                self.assertEqual(outcome.stats["devices"]["rng"]["errors"], REGISTERS_ERRORS)
                self.assertEqual(outcome.stats["mmio"]["devices"]["rng"]["reads"], 0)

    def test_virtio_console(self):
        for kernel in ("6.1", "7.2"):
            with self.subTest(kernel):
                outcome = self.boot("input", "--console-device=virtio", kernel=kernel,
                                    console="hvc0", stdin=b"one\ntwo\nend\n")
                self.assertEqual(outcome.lines("FIRN-INPUT"),
                                 ["ready", "got [one]", "got [two]", "got [end]"])
                self.assertGreater(outcome.stats["devices"]["console"]["bytes_written"], 0)

    def test_serial_input(self):
        outcome = self.boot("input", stdin=b"one\nend\n")
        self.assertEqual(outcome.lines("FIRN-INPUT"), ["ready", "got [one]", "got [end]"])


class FeaturesTest(KvmTest):
    host_name = "max"

    def test_sve_and_pointer_authentication(self):
        outcome = self.boot("features", kernel="7.2", words=["firn.seed=1"])
        features = outcome.lines("FIRN-FEATURES")[0].split()
        for name in ("sve", "paca", "pacg"):
            self.assertIn(name, features, str(outcome))

    def test_two_cpus(self):
        self.boot("checksum", "--cpus", "2")


class NewerHostTest(KvmTest):
    """Kernel 7.2 as the host, on a newer CPU."""

    host_name = "7.2"

    def test_6_1_guest(self):
        self.boot("interrupts", "--cpus", "2", "--disk", self.blank_disk())

    def test_7_2_guest(self):
        self.boot("checksum", "--cpus", "2", kernel="7.2")

    def test_doctor(self):
        text = self.firn("doctor").text
        self.assertIn("[ok] KVM: guests can run on it", text)
        self.assertIn("[ok] KVM GICv3", text)
        self.assertIn("[no] KVM GICv5: no VGICv5", text)
