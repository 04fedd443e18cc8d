# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""tools/arm64-host: what it does not do, and says so."""

import os
import shutil
import subprocess

from arm64_host_cli import ROOT, STATUS_HOST, STATUS_USAGE, HostTest


class UsageTest(HostTest):
    def check(self, message, *arguments):
        outcome = self.tool(*arguments)
        self.assertEqual((outcome.status, outcome.stdout), (STATUS_USAGE, ""), outcome)
        self.assertRegex(outcome.stderr, message)
        self.assertNotIn("Traceback", outcome.stderr)

    def test_names(self):
        self.check("there is no kernel 5.4; there are 6.1, 7.2", "run", "--kernel", "5.4", "true")
        self.check("/no/such/kernel is not the folder of a kernel", "run", "--kernel",
                   "/no/such/kernel", "true")
        self.check("there is no QEMU 8; there are 7.2 and 11", "run", "--qemu", "8", "true")
        self.check("QEMU 7.2 has no CPU model z80; it has .*cortex-a57, .*neoverse-n1", "run", "--cpu",
                   "z80", "true")
        self.check("QEMU 11 has no CPU model z80; it has .*neoverse-v1", "run", "--qemu", "11", "--cpu",
                   "z80", "true")
        self.check("cortex-a15 is not a 64-bit CPU", "run", "--cpu", "cortex-a15", "true")
        self.check("refuses this machine: .*[Pp]roperty.*nothing", "run", "--cpu",
                   "neoverse-n1,nothing=on", "true")

    def test_numbers(self):
        self.check("1 to 64 CPUs, not 0", "run", "--cpus", "0", "true")
        self.check("invalid int value: 'two'", "run", "--cpus", "two", "true")
        self.check("memory is a number with M or G", "run", "--memory", "2000000", "true")
        self.check("--timeout is 0 or more", "run", "--timeout", "-1", "true")
        self.check("--timeout is 0 or more", "run", "--timeout", "nan", "true")
        self.check("invalid float value: 'soon'", "run", "--timeout", "soon", "true")

    def test_command_line(self):
        self.check("tools/arm64-host run .OPTION")
        self.check("there is no ; there are run and shell", "")
        self.check("there is no start; there are run and shell", "start")
        self.check("run needs a command", "run")
        self.check("run needs a command", "run", "--cpus", "2", "--")
        self.check("unrecognized arguments: --colour", "run", "--colour", "--", "true")
        self.check("--env takes NAME=VALUE, not HOME", "run", "--env", "HOME", "true")

    def test_files(self):
        self.check("missing does not exist", "run", "--with", "missing", "true")
        self.write("a/name", "1")
        self.write("b/name", "2")
        self.check("two files are called name: a/name and b/name", "run", "--with", "a/name", "--with",
                   "b/name", "true")
        os.mkfifo(self.folder / "a/pipe")
        self.check("a/pipe is neither a file nor a folder", "run", "--with", "a", "true")
        with open(self.folder / "large", "wb") as out:
            out.truncate(100 << 20)
        self.check("100 MiB of files are too much for a host with 256 MiB", "run", "--memory", "256M",
                   "--with", "large", "true")
        self.check("cannot read the disk image missing: No such file", "run", "--disk", "missing",
                   "true")
        self.check("large is not an ext4 image", "run", "--disk", "large", "true")
        self.check("cannot make the folder large: File exists", "run", "--out", "large", "true")

    def test_help(self):
        outcome = self.tool("--help")
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))
        self.assertIn("examples:", outcome.stdout)


class SetupTest(HostTest):
    """A checkout where tools/setup did not run, or not to its end."""

    PARTS = {"guest/busybox": "busybox for arm64", "guest/6.1-cloud": "kernel 6.1",
             "guest/7.2-cloud": "kernel 7.2", "host/qemu-11": "QEMU 11"}

    def test_missing_parts(self):
        shutil.copytree(ROOT / "tools", self.folder / "checkout/tools",
                        ignore=shutil.ignore_patterns("__pycache__"))
        for missing, name in self.PARTS.items():
            deps = self.folder / "checkout/.deps"
            shutil.rmtree(deps, ignore_errors=True)
            for part in self.PARTS:
                if part != missing:
                    (deps / part).parent.mkdir(parents=True, exist_ok=True)
                    (deps / part).symlink_to((ROOT / ".deps" / part).resolve())
            options = ["--kernel", "7.2"] if "7.2" in missing else []
            options += ["--qemu", "11"] if "qemu" in missing else []
            result = subprocess.run([self.folder / "checkout/tools/arm64-host", "run", *options, "true"],
                                    stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    check=False, env=self.environment())
            self.assertEqual((result.returncode, result.stdout), (STATUS_HOST, ""), result.stderr)
            self.assertRegex(result.stderr, f"^arm64-host: {name}.* is not there: run tools/setup\n$")
