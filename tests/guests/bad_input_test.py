# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Bad input: a clear message, a status that is not 0, and nothing left behind."""

import gzip
import os
import struct
import subprocess

import guest
from guest import GuestTest

IMAGE_SIZE, FLAGS, MAGIC = 16, 24, 56  # offsets in the header of an arm64 Image


class BadInputTest(GuestTest):
    def refused(self, expected, *arguments, status=(guest.STATUS_ERROR, guest.STATUS_USAGE)):
        """firn must end at once with a message that has `expected`, and leave no file."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        before = self._tree()
        outcome = self.firn(*arguments, timeout=20,
                            environment={**os.environ, "TMPDIR": str(temporary)})
        self.assertIn(outcome.status, status, str(outcome))
        self.assertTrue(outcome.stderr.startswith("firn: "), outcome.stderr)
        self.assertRegex(outcome.stderr, expected)
        self.assertEqual(outcome.stdout, b"")
        self.assertEqual(self._tree(), before)

    def _tree(self):
        return sorted((str(path), path.stat().st_size) for path in self.folder.rglob("*"))

    def refused_run(self, expected, *arguments, **changes):
        """The same for `firn run` with a good configuration but for `arguments`."""
        good = {"--hypervisor": "software", "--kernel": guest.kernel_image(),
                "--initrd": guest.initrd(), "--cmdline": "console=ttyS0"}
        for argument in arguments:
            good.pop(argument.split("=")[0], None)
        self.refused(expected, "run", *[f"{flag}={value}" for flag, value in good.items()],
                     *arguments, **changes)

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    @staticmethod
    def image():
        with open(guest.kernel_image(), "rb") as image:
            return bytearray(image.read())

    def changed_image(self, offset, data):
        image = self.image()
        image[offset:offset + len(data)] = data
        return self.file("Image", image)


class KernelFileTest(BadInputTest):
    def test_missing(self):
        self.refused_run("/no/kernel.*No such file", "--kernel=/no/kernel")

    def test_not_given(self):
        self.refused("kernel", "run", "--hypervisor=software")

    def test_folder(self):
        self.refused_run("folder|directory", f"--kernel={self.folder}")

    def test_empty(self):
        self.refused_run("empty|too short|bytes", f"--kernel={self.file('Image', b'')}")

    def test_63_bytes(self):
        self.refused_run("short|63", f"--kernel={self.file('Image', bytes(63))}")

    def test_elf(self):
        self.refused_run("ELF", "--kernel=" + self.file("vmlinux", b"\x7fELF" + bytes(4096)))

    def test_wrong_magic(self):
        self.refused_run("magic|no arm64|not an arm64", "--kernel=" + self.changed_image(MAGIC, b"ARM!"))

    def test_big_endian(self):
        self.refused_run("big.endian", "--kernel=" + self.changed_image(FLAGS, b"\x0b"))

    def test_image_size_0(self):
        self.refused_run("image_size|size", "--kernel=" + self.changed_image(IMAGE_SIZE, bytes(8)))

    def test_image_size_huge(self):
        huge = struct.pack("<Q", 1 << 63)
        self.refused_run("memory|size|large", "--kernel=" + self.changed_image(IMAGE_SIZE, huge))

    def test_gzip_junk(self):
        junk = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + guest.random_bytes(4096, seed=1)
        self.refused_run("gzip|compress|corrupt", "--kernel=" + self.file("Image.gz", junk))

    def test_gzip_cut_short(self):
        packed = gzip.compress(bytes(self.image()), 1)
        self.refused_run("gzip|compress|end|truncated",
                         "--kernel=" + self.file("Image.gz", packed[:len(packed) // 2]))

    def test_gzip_bomb(self):
        bomb = subprocess.run("head -c 1G /dev/zero | gzip -1", shell=True, check=True,
                              stdout=subprocess.PIPE).stdout
        self.refused_run("magic|not an arm64|large|memory", "--kernel=" + self.file("bomb.gz", bomb))

    def test_gzip_bomb_behind_a_kernel(self):
        bomb = gzip.compress(bytes(self.image()), 1) + subprocess.run(
            "head -c 1G /dev/zero | gzip -1", shell=True, check=True, stdout=subprocess.PIPE).stdout
        outcome = self.firn("run", "--hypervisor=software", "--kernel", self.file("bomb.gz", bomb),
                            "--stop-at=1000", timeout=30)
        self.assertIn(outcome.status, (guest.STATUS_ERROR, guest.STATUS_STOP_AT), str(outcome))

    def test_zstd_junk(self):
        junk = b"\x28\xb5\x2f\xfd" + guest.random_bytes(4096, seed=2)
        self.refused_run("zstd|Zstandard|compress", "--kernel=" + self.file("Image.zst", junk))

    def test_zstd_bomb(self):
        bomb = subprocess.run("head -c 1G /dev/zero | zstd -q -1", shell=True, check=True,
                              stdout=subprocess.PIPE).stdout
        self.refused_run("magic|not an arm64|large|memory", "--kernel=" + self.file("bomb.zst", bomb))

    def test_larger_than_memory(self):
        self.refused_run("memory", "--memory=32M")


class OtherFilesTest(BadInputTest):
    def test_initrd_missing(self):
        self.refused_run("/no/initrd.*No such file", "--initrd=/no/initrd")

    def test_initrd_empty(self):
        self.refused_run("empty", "--initrd=" + self.file("initrd", b""))

    def test_initrd_too_large(self):
        path = self.file("initrd", b"")
        os.truncate(path, 4 << 30)
        self.refused_run("initrd.*(large|memory|fit)|(large|memory|fit).*initrd", f"--initrd={path}")

    def test_disk_missing(self):
        self.refused_run("/no/disk.*No such file", "--disk=/no/disk")

    def test_disk_folder(self):
        self.refused_run("folder|directory|regular", f"--disk={self.folder}")

    def test_disk_not_a_multiple_of_512(self):
        self.refused_run("512", "--disk=" + self.file("disk", bytes(1000)))

    def test_disk_unwritable(self):
        # A file that nobody, root included, can open for writing: a program that is being run.
        busy = self.folder / "busy"
        with open("/bin/sleep", "rb") as program:
            data = program.read()
        busy.write_bytes(data + bytes(-len(data) % 512))
        busy.chmod(0o755)
        with subprocess.Popen([busy, "60"]) as process:
            try:
                self.refused_run("busy.*(Text file busy|read-only|ro)", f"--disk={busy}")
            finally:
                process.kill()

    def test_disk_twice(self):
        disk = self.blank_disk(size_mib=1)
        self.refused_run("use|lock|twice", f"--disk={disk}", f"--disk={disk}")

    def test_console_file_unwritable(self):
        self.refused_run("/no/folder/console", "--console=/no/folder/console")

    def test_stats_file_unwritable(self):
        self.refused_run("/no/folder/stats", "--stats=/no/folder/stats")

    def test_outputs_over_inputs(self):
        """Neither is touched, whatever name an output has."""
        disk = self.blank_disk(size_mib=1)
        config = self.folder / "vm.json"
        config.write_text(f'{{"boot-source": {{"kernel_image_path": "{guest.kernel_image()}"}}}}')
        link = self.folder / "link"
        link.symlink_to(disk)
        for expected, arguments in (
                ("--console .*link would overwrite a disk", (f"--disk={disk},ro", f"--console={link}")),
                ("--stats .*disk.* would overwrite a disk", (f"--disk={disk}", f"--stats={disk}")),
                ("--stats and --console are the same", ("--console=/tmp/new", "--stats=/tmp/../tmp/new"))):
            with self.subTest(expected):
                self.refused_run(expected, *arguments)
        self.refused("would overwrite the configuration", "run", "--hypervisor=software",
                     f"--config={config}", f"--console={config}")
        self.refused("would overwrite the configuration", "fdt", f"--config={config}",
                     f"--dtb={config}")

    def test_configuration_missing(self):
        self.refused("/no/config", "run", "--config=/no/config")


class ValuesTest(BadInputTest):
    def test_command_line_too_long(self):
        self.refused_run("2048|2047|long", "--cmdline=" + "x" * 2048)

    def test_command_line_with_nul(self):
        config = self.file("vm.json", b'{"boot-source": {"kernel_image_path": "k", '
                           b'"boot_args": "quiet\\u0000panic"}}')
        self.refused("NUL|boot_args", "run", f"--config={config}")

    def test_memory(self):
        for value, expected in (("0", "memory"), ("1M", "memory"), ("256M1", "memory"),
                                ("16777217K", "memory"), ("8192T", "memory"), ("-1", "memory"),
                                ("99999999999999999999G", "memory"), ("", "memory")):
            with self.subTest(memory=value):
                self.refused_run(expected, f"--memory={value}")

    def test_cpus(self):
        for value in ("0", "9", "two", "", "-1", "1.5", "4294967297"):
            with self.subTest(cpus=value):
                self.refused_run("(?i)cpu", f"--cpus={value}")

    def test_choices(self):
        for flag in ("hypervisor", "gic", "clock", "on-reboot"):
            with self.subTest(flag=flag):
                self.refused_run(flag, f"--{flag}=nonsense")

    def test_kvm_where_it_cannot_run(self):
        if os.uname().machine == "aarch64":
            self.skipTest("this machine may have a KVM for arm64 guests")
        self.refused_run("arm64|aarch64|x86", "--hypervisor=kvm")

    def test_gicv3_on_software(self):
        self.refused_run("v3|GICv3", "--gic=v3")


class NamesTest(BadInputTest):
    def test_unknown_flag(self):
        self.refused("kernal.*kernel", "run", "--kernal=x", status=(guest.STATUS_USAGE,))

    def test_duplicate_flag(self):
        self.refused("cpus.*twice", "run", "--cpus=1", "--cpus=2", status=(guest.STATUS_USAGE,))

    def test_flag_without_value(self):
        self.refused("kernel", "run", "--kernel", status=(guest.STATUS_USAGE,))

    def test_stray_argument(self):
        self.refused("stray", "run", "stray", status=(guest.STATUS_USAGE,))

    def test_unknown_command(self):
        self.refused("rum.*run", "rum", status=(guest.STATUS_USAGE,))

    def test_json(self):
        good = '"boot-source": {"kernel_image_path": "k"}'
        for text, expected in (
                ("", "JSON|empty|parse"), ("{", "JSON|parse|end"), ("[]", "object"),
                ("{%s, \"machine-confg\": {}}" % good, "machine-confg.*machine-config"),
                ('{"boot-source": {"kernel_image_pth": "k"}}', "kernel_image_pth"),
                ('{"boot-source": {"kernel_image_path": 3}}', "kernel_image_path.*string"),
                ('{%s, "machine-config": {"vcpu_count": "2", "mem_size_mib": 256}}' % good, "vcpu_count"),
                ('{%s, %s}' % (good, good), "boot-source.*(twice|duplicate)"),
                ('{%s, "network-interfaces": []}' % good, "network-interfaces"),
                ("[" * 100_000, "JSON|deep|parse|object")):
            with self.subTest(json=text[:60]):
                config = self.file("vm.json", text.encode())
                self.refused(expected, "run", f"--config={config}")
                os.remove(config)


class HelpTest(GuestTest):
    def test_help_everywhere(self):
        for arguments in (["--help"], ["help"], ["run", "--help"], ["fdt", "--help"],
                          ["doctor", "--help"]):
            with self.subTest(arguments=arguments):
                outcome = self.firn(*arguments)
                self.assertEqual((outcome.status, outcome.stderr), (0, ""))
                self.assertRegex(outcome.console, "(?i)example")

    def test_version(self):
        outcome = self.firn("--version")
        self.assertEqual(outcome.status, 0)
        self.assertRegex(outcome.console, r"^firn \d")

    def test_doctor(self):
        outcome = self.firn("doctor")
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertRegex(outcome.console, "(?i)software")
        self.assertRegex(outcome.console, "(?i)kvm")

    def test_without_arguments(self):
        outcome = self.firn()
        self.assertEqual(outcome.status, guest.STATUS_USAGE)
        self.assertIn("firn --help", outcome.stderr + outcome.console)
