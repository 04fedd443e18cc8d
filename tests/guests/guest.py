# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the firn binary, and guests in it, for the tests of this folder."""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/guest"))
# pylint: disable=wrong-import-position
from disk import make_disk  # noqa: E402
from initramfs import initramfs  # noqa: E402

FIRN = os.environ.get("FIRN", str(ROOT / "bazel-bin/vmm/firn"))
KERNELS = ROOT / ".deps/guest"
DEFAULT_KERNEL = "7.2-cloud"
# No guest here needs a tenth of it.
TIME_LIMIT = 180

# Words for the kernel of tests that are not about booting: most instructions of a boot check keys and
# ciphers that no test uses. Modules are then of unknown origin, which the kernel says and allows. A 7.2
# guest's init starts after 340 million instructions, its program after 365.
QUICK_BOOT = ("cryptomgr.notests", "initcall_blacklist=load_system_certificate_list")

# The exit statuses of `firn run` (README.md).
STATUS_POWER_OFF = 0
STATUS_ERROR = 1
STATUS_USAGE = 2
STATUS_PANIC = 3
STATUS_REBOOT = 4
STATUS_STOP_AT = 5

_initrd_lock = threading.Lock()


@functools.lru_cache(maxsize=None)
def _build_initrd(kernel):
    path = ROOT / f"out/guest/initramfs-{kernel}.cpio"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(initramfs(KERNELS / kernel))
    scratch.rename(path)
    return str(path)


def initrd(kernel=DEFAULT_KERNEL):
    with _initrd_lock:
        return _build_initrd(kernel)


def kernel_image(kernel=DEFAULT_KERNEL):
    return str(KERNELS / kernel / "vmlinuz")


def random_bytes(size, seed):
    return random.Random(seed).randbytes(size)


class Outcome:
    """What came of one run of firn."""

    def __init__(self, status, stdout, stderr, stats):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.stats = stats

    @property
    def console(self):
        return self.stdout.decode(errors="replace").replace("\r\n", "\n")

    def lines(self, prefix):
        """What follows `prefix` on each console line that starts with it."""
        return [line[len(prefix):].strip() for line in self.console.splitlines()
                if line.startswith(prefix)]

    def __str__(self):
        tail = "\n".join(self.console.splitlines()[-25:])
        return f"status {self.status}\nstderr: {self.stderr}\nend of the console:\n{tail}"


def interrupt_rows(outcome):
    """/proc/interrupts as {name: (chip or "", [count of each CPU])}."""
    rows = {}
    for line in outcome.lines("FIRN-INTERRUPTS"):
        match = re.match(r"(\w+): +((?:\d+ +)+)(.*)", line + " ")
        if match is None:
            continue
        counts = [int(count) for count in match[2].split()]
        rest = match[3].split()
        if match[1].isdigit():
            rows[" ".join(rest[3:])] = (rest[0], counts)
        else:
            rows[" ".join(rest) or match[1]] = (match[1], counts)
    return rows


class GuestTest(unittest.TestCase):
    """A test with a folder of its own, which is gone afterwards."""

    maxDiff = 2000
    kernel_words = QUICK_BOOT

    def run(self, result=None):
        with tempfile.TemporaryDirectory(prefix="firn-test-") as folder:
            self.folder = pathlib.Path(folder)
            return super().run(result)

    def wait_for(self, path):
        """Until there is something at `path`."""
        deadline = time.monotonic() + TIME_LIMIT
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), deadline, path)
            time.sleep(0.01)

    def need_userfaultfd(self):
        """Skips the test where this process may not handle the kernel's page faults."""
        libc = ctypes.CDLL(None, use_errno=True)
        userfaultfd = 323  # x86-64
        fd = libc.syscall(userfaultfd, os.O_CLOEXEC)
        if fd < 0 and not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
            self.skipTest(f"userfaultfd: {os.strerror(ctypes.get_errno())}; run as root or with "
                          "vm.unprivileged_userfaultfd=1")
        if fd >= 0:
            os.close(fd)

    # Running firn.

    def firn(self, *arguments, **options):
        """Runs firn to its end; the status of one that a signal ended is negative."""
        return self.command(FIRN, *arguments, **options)

    def command(self, *arguments, stdin=b"", timeout=TIME_LIMIT, environment=None, folder=None):
        process = subprocess.run(
            arguments, input=stdin, capture_output=True, cwd=folder or self.folder, check=False,
            timeout=timeout, env=environment)
        return Outcome(process.returncode, process.stdout, process.stderr.decode(errors="replace"),
                       self._stats(arguments))

    @contextlib.contextmanager
    def firn_running(self, *arguments):
        """A firn that is still running, with pipes; it is gone when the block ends."""
        with subprocess.Popen([FIRN, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder) as process:
            timer = threading.Timer(TIME_LIMIT, process.kill)
            timer.start()
            try:
                yield process
            finally:
                timer.cancel()
                process.kill()

    def read_until(self, process, marker):
        """The console up to and including the line that has `marker`; fails at its end."""
        console = b""
        for line in process.stdout:
            console += line
            if marker.encode() in line:
                return console
        self.fail(f"no {marker!r} before the end: {console[-2000:].decode(errors='replace')}")

    def guest_arguments(self, program, *arguments, kernel=DEFAULT_KERNEL, words=()):
        cmdline = " ".join(["console=ttyS0", "panic=-1", f"firn.test={program}",
                            *self.kernel_words, *words])
        return ["run", "--hypervisor=software", "--kernel", kernel_image(kernel),
                "--initrd", initrd(kernel), "--cmdline", cmdline, *arguments]

    def boot(self, program, *arguments, **options):
        """Runs tools/guest/programs/PROGRAM in a guest to its end, and checks that it did well."""
        outcome = self.run_guest(program, *arguments, **options)
        self.assertEqual(outcome.lines(f"FIRN-TEST {program}:"), ["ok"], str(outcome))
        self.assertEqual(outcome.status, STATUS_POWER_OFF, str(outcome))
        return outcome

    def run_guest(self, program, *arguments, **options):
        stdin = options.pop("stdin", b"")
        stats = self.folder / f"stats-{len(os.listdir(self.folder))}.json"
        return self.firn(*self.guest_arguments(program, "--stats", str(stats), *arguments, **options),
                         stdin=stdin)

    @staticmethod
    def _stats(arguments):
        if "--stats" not in arguments:
            return None
        path = pathlib.Path(arguments[arguments.index("--stats") + 1])
        return json.loads(path.read_text()) if path.exists() else None

    # Disks.

    def disk(self, size_mib=96, name="disk.img", **files):
        """An ext4 disk image with files: keyword from_host is the file from-host."""
        path = str(self.folder / name)
        make_disk(path, size_mib, {key.replace("_", "-"): data for key, data in files.items()})
        return path

    def blank_disk(self, size_mib=16, name="disk.img", folder=None):
        path = pathlib.Path(folder or self.folder) / name
        with open(path, "wb") as out:
            out.truncate(size_mib << 20)
        return str(path)

    def disk_file(self, disk, name):
        """The bytes of a file on an ext4 disk image."""
        out = self.folder / "dumped"
        self._e2fsprogs("debugfs", "-R", f"dump /{name} {out}", disk)
        data = out.read_bytes()
        out.unlink()
        return data

    def check_file_system(self, disk):
        result = self._e2fsprogs("e2fsck", "-fn", disk)
        self.assertEqual(result.returncode, 0, result.stdout)

    @staticmethod
    def _e2fsprogs(program, *arguments):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return subprocess.run([shutil.which(program, path=path), *arguments], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
