# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs firn on the real KVM of an emulated arm64 host, for the tests of this folder."""

import atexit
import gzip
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Behind this folder, whose tests have the names of those of tests/guests.
sys.path += [str(ROOT / "tools/host"), str(ROOT / "tools/guest"), str(ROOT / "tests/guests")]
# pylint: disable=wrong-import-position
from arm64_host import CommandTimeout, Host  # noqa: E402
from disk import make_disk  # noqa: E402
from guest import Outcome, QUICK_BOOT, STATUS_POWER_OFF, initrd, kernel_image  # noqa: E402

# The static arm64 binary: bazel build --config=aarch64 --config=release //vmm:firn.stripped
FIRN = os.environ.get("FIRN", str(ROOT / "out/kvm/firn"))
GUEST_KERNELS = ("6.1", "7.2")
# No guest here needs a tenth of it.
TIME_LIMIT = 900
# What firn then has to end by itself, and the host to tell what it left.
GRACE = 60

# The hosts that the tests run on, by name. QEMU 7.2 has no CPU that kernel 7.2 runs well on as a host
# (docs in tools/host); so 7.2 comes with the newer QEMU, where that is installed.
HOSTS = {
    "6.1": {"kernel": "6.1", "qemu": "7.2", "cpu": "neoverse-n1"},
    "7.2": {"kernel": "7.2", "qemu": "11", "cpu": "neoverse-n2"},
    "max": {"kernel": "6.1", "qemu": "7.2", "cpu": "max"},  # with SVE and PAuth
}


class HostPool:
    """Hosts that have booted, for one test at a time each."""

    def __init__(self):
        self._lock = threading.Lock()
        self._idle = {name: [] for name in HOSTS}
        self._all = []
        atexit.register(self.close)

    def take(self, name):
        with self._lock:
            if self._idle[name]:
                return self._idle[name].pop()
        files = {"firn": FIRN}
        for kernel in GUEST_KERNELS:
            files[f"vmlinuz-{kernel}"] = kernel_image(f"{kernel}-cloud")
            files[f"initrd-{kernel}"] = initrd(f"{kernel}-cloud")
        host = Host(files=files, memory="3G", **HOSTS[name])
        self._all.append(host)
        return host

    def give(self, name, host):
        if host.alive:
            with self._lock:
                self._idle[name].append(host)

    def close(self):
        for host in self._all:
            host.close()


POOL = HostPool()


class KvmTest(unittest.TestCase):
    """A test on a host of its own, by default one with kernel 6.1."""

    maxDiff = 2000
    host_name = "6.1"
    kernel_words = QUICK_BOOT

    def run(self, result=None):
        try:
            self.host = POOL.take(self.host_name)
        except Exception as error:  # pylint: disable=broad-exception-caught
            result.startTest(self)
            result.addError(self, (type(error), error, error.__traceback__))
            result.stopTest(self)
            return result
        try:
            return super().run(result)
        finally:
            POOL.give(self.host_name, self.host)

    def tearDown(self):
        """Whatever a test does, firn leaves nothing behind."""
        left = self.host.run("ls -l /proc/[0-9]*/exe 2> /dev/null | grep -w firn", timeout=60)
        self.assertEqual(left.text, "", "firn still runs")
        log = self.host.kernel_log
        self.assertNotRegex(log, r"BUG:|Oops|WARNING: CPU|Unable to handle")

    def sh(self, script, **options):
        """Runs a script in the host."""
        options.setdefault("timeout", TIME_LIMIT)
        return self.host.run(script, **options)

    def firn(self, *arguments, stdin=b"", **options):
        """Runs firn to its end; if that does not come, fails with all that firn and the host tell."""
        process = self.host.start(["firn", *arguments], **options)
        process.feed(stdin)
        hangs = threading.Event()

        def stop():
            hangs.set()
            process.signal(signal.SIGTERM)  # at which firn writes its --stats

        timer = threading.Timer(TIME_LIMIT, stop)
        timer.start()
        try:
            result = process.wait(TIME_LIMIT + GRACE)
        except CommandTimeout as error:
            result = error.result
        finally:
            timer.cancel()
        if hangs.is_set():
            stats = self.host.run("cat stats.json; rm -f stats.json", timeout=GRACE).text
            self.fail(f"firn {' '.join(arguments)} still ran after {TIME_LIMIT} s; told to end, it "
                      f"ended with status {result.status}:\n{result.error_text}\nstdout: "
                      f"{result.text}\nstats: {stats}{self.host.log_tail()}")
        return result

    def blank_disk(self, size_mib=16, name="disk.img"):
        """A disk in the host."""
        self.host.run(["truncate", "-s", f"{size_mib}M", name], check=True)
        self.addCleanup(lambda: self.host.run(["rm", "-f", name]))
        return name

    def ext4_disk(self, size_mib=64, name="disk.img"):
        with tempfile.TemporaryDirectory(prefix="firn-test-") as folder:
            make_disk(f"{folder}/{name}", size_mib, {})
            image = pathlib.Path(f"{folder}/{name}").read_bytes()
        self.host.put(f"{name}.gz", gzip.compress(image))
        self.host.run(["gunzip", "-f", f"{name}.gz"], check=True)
        self.addCleanup(lambda: self.host.run(["rm", "-f", name]))
        return name

    def guest_arguments(self, program, *arguments, kernel="6.1", words=(), console="ttyS0"):
        # quiet: a character of the serial console is an exit, and exits are slow where all is emulated.
        cmdline = " ".join([f"console={console}", "quiet", "panic=-1", f"firn.test={program}",
                            *self.kernel_words, *words])
        return ["run", "--hypervisor=kvm", "--kernel", f"vmlinuz-{kernel}",
                "--initrd", f"initrd-{kernel}", "--cmdline", cmdline, *arguments]

    def run_guest(self, program, *arguments, **options):
        """Runs tools/guest/programs/PROGRAM in a guest to its end."""
        stdin = options.pop("stdin", b"")
        result = self.firn(*self.guest_arguments(program, "--stats", "stats.json", *arguments,
                                                 **options), stdin=stdin)
        stats = self.sh("cat stats.json; rm -f stats.json")
        return Outcome(result.status, result.stdout, result.error_text,
                       json.loads(stats.stdout) if stats.stdout else None)

    def boot(self, program, *arguments, **options):
        """The same, and checks that it did well."""
        outcome = self.run_guest(program, *arguments, **options)
        self.assertEqual(outcome.lines(f"FIRN-TEST {program}:"), ["ok"], str(outcome))
        self.assertEqual(outcome.status, STATUS_POWER_OFF, str(outcome))
        # Not stalls: a busy machine under the host can starve a guest.
        self.assertNotRegex(outcome.console, r"Oops|BUG:|WARNING:|Unable to handle")
        return outcome

