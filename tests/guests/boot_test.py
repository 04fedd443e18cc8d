# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Linux finds a GICv5, brings its CPUs up and runs programs."""

import gzip
import re
import subprocess
import unittest

import guest
from guest import GuestTest
from workload import checksums


class BootTest(GuestTest):
    kernel_words = ()

    def check_interrupts(self, cpus):
        disk = self.blank_disk()
        outcome = self.boot("interrupts", "--cpus", str(cpus), "--disk", disk)
        self.assertIn(f"smp: Brought up 1 node, {cpus} CPU", outcome.console)
        rows = guest.interrupt_rows(outcome)
        chip, counts = rows["arch_timer"]
        self.assertEqual(chip, "GICv5-PPI")
        self.assertEqual(len(counts), cpus)
        self.assertTrue(all(count > 0 for count in counts), rows)
        for device in ("ttyS0", "virtio0"):
            self.assertEqual(rows[device][0], "GICv5-SPI", rows)
            self.assertGreater(sum(rows[device][1]), 0, rows)
        if cpus > 1:
            for cpu in range(cpus):
                ipis = sum(counts[cpu] for name, (_, counts) in rows.items()
                           if name.endswith("interrupts") and "IPI" in rows[name][0])
                self.assertGreater(ipis, 0, f"no IPI on CPU {cpu}: {rows}")
        return outcome

    def test_one_cpu(self):
        self.check_interrupts(1)

    def test_two_cpus(self):
        self.check_interrupts(2)

    def test_four_cpus(self):
        self.check_interrupts(4)

    def test_eight_cpus(self):
        self.boot("hello", "--cpus", "8")

    def test_much_memory(self):
        outcome = self.boot("memory", "--memory", "3G")
        self.assertGreater(int(outcome.lines("FIRN-MEMORY")[0]), 2_800_000)

    def test_little_memory(self):
        outcome = self.boot("memory", "--memory", "160M")
        self.assertGreater(int(outcome.lines("FIRN-MEMORY")[0]), 64_000)

    def test_configuration_file(self):
        config = self.folder / "vm.json"
        config.write_text(f"""{{
          "boot-source": {{
            "kernel_image_path": "{guest.kernel_image()}",
            "initrd_path": "{guest.initrd()}",
            "boot_args": "console=ttyS0 panic=-1 firn.test=hello"
          }},
          "machine-config": {{"vcpu_count": 2, "mem_size_mib": 256}},
          "drives": [{{"drive_id": "data", "path_on_host": "{self.blank_disk()}",
                       "is_root_device": false, "is_read_only": true}}]
        }}""")
        outcome = self.firn("run", "--hypervisor=software", "--config", str(config))
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertEqual(outcome.lines("FIRN-TEST hello:"), ["ok"])

    def test_initrd_of_two_archives(self):
        first = self.folder / "two.cpio"
        extra = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=b"vmfile\n",
                               cwd=self._folder_with("vmfile", b"x"), check=True,
                               stdout=subprocess.PIPE).stdout
        with open(guest.initrd(), "rb") as archive:
            first.write_bytes(archive.read() + extra)
        arguments = self.guest_arguments("hello")
        arguments[arguments.index("--initrd") + 1] = str(first)
        outcome = self.firn(*arguments)
        self.assertEqual(outcome.lines("FIRN-TEST hello:"), ["ok"], str(outcome))

    def test_gzip_kernel(self):
        packed = self.folder / "Image.gz"
        with open(guest.kernel_image(), "rb") as image:
            packed.write_bytes(gzip.compress(image.read(), 1))
        arguments = self.guest_arguments("hello")
        arguments[arguments.index("--kernel") + 1] = str(packed)
        self.assertEqual(self.firn(*arguments).lines("FIRN-TEST hello:"), ["ok"])

    def test_device_tree_has_no_warnings(self):
        blob = self.folder / "vm.dtb"
        outcome = self.firn("fdt", "--cpus", "4", "--memory", "512M", "--disk", self.blank_disk(),
                            "--dtb", str(blob))
        self.assertEqual(outcome.status, 0, str(outcome))
        dtc = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", "-o", "/dev/null", str(blob)],
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(re.findall("warning.*", dtc.stdout, re.IGNORECASE), [])

    def test_device_tree_as_text(self):
        """What is printed is source text of the same tree."""
        blob = self.folder / "vm.dtb"
        arguments = ["fdt", "--cpus", "2", "--memory", "64M"]
        self.assertEqual(self.firn(*arguments, "--dtb", str(blob)).status, 0)
        outcome = self.firn(*arguments)
        self.assertEqual(outcome.status, 0, str(outcome))
        built = subprocess.run(["dtc", "-I", "dts", "-O", "dtb"], input=outcome.stdout, check=True,
                               capture_output=True)
        self.assertEqual(built.stderr, b"")

        def sorted_source(data):
            return subprocess.run(["dtc", "-s", "-I", "dtb", "-O", "dts"], input=data, check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

        self.assertEqual(sorted_source(built.stdout), sorted_source(blob.read_bytes()))

    def _folder_with(self, name, data):
        folder = self.folder / "extra"
        folder.mkdir()
        (folder / name).write_bytes(data)
        return folder


class WorkTest(GuestTest):
    def check_checksums(self, cpus, seed):
        outcome = self.boot("checksum", "--cpus", str(cpus), words=[f"firn.seed={seed}"])
        printed = {}
        for line in outcome.lines("FIRN-CHECKSUM"):
            cpu, *sums = line.split()
            printed[int(cpu)] = sums
        self.assertEqual(printed, {cpu: checksums(seed, cpu) for cpu in range(cpus)})

    def test_one_cpu(self):
        self.check_checksums(1, seed=1)

    def test_two_cpus(self):
        self.check_checksums(2, seed=77)

    def test_four_cpus(self):
        self.check_checksums(4, seed=31337)

    def test_fresh_programs(self):
        self.boot("processes", "--cpus", "2", words=["firn.seed=5"])

    def test_undefined_instructions_are_signals(self):
        outcome = self.boot("undefined-at-el0")
        self.assertEqual(outcome.lines("FIRN-EL0"), ["25 tried, 0 failures"])

    def test_debugger_steps_through_a_program(self):
        outcome = self.boot("single-step", "--cpus", "2")
        self.assertEqual(outcome.lines("FIRN-STEP"), ["1004 steps"])

    def test_addresses_without_device(self):
        outcome = self.boot("stray")
        mmio = outcome.stats["mmio"]
        self.assertEqual((mmio["unmapped_reads"], mmio["unmapped_writes"]), (12, 12), mmio)
        pvpanic = outcome.stats["devices"]["pvpanic"]
        self.assertEqual((pvpanic["requests"], pvpanic["errors"]), (16, 16), pvpanic)


class OtherKernels(GuestTest):
    """What tools/setup --all-guests fetches."""

    kernel_words = ()

    def check(self, kernel):
        if not (guest.KERNELS / kernel).exists():
            self.skipTest("run tools/setup --all-guests")
        data = guest.random_bytes(64 << 20, seed=kernel)
        disk = self.disk(size_mib=160, from_host=data)
        outcome = self.boot("disk", "--cpus", "2", "--memory", "512M", "--disk", disk, kernel=kernel)
        self.assertEqual(self.disk_file(disk, "from-guest"), data, str(outcome))

    def test_7_2_not_cloud(self):
        self.check("7.2")

    def test_7_2_with_16k_pages(self):
        self.check("7.2-16k")

    def test_7_3(self):
        self.check("7.3-cloud")


if __name__ == "__main__":
    unittest.main()
