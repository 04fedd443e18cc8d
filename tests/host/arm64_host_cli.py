# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs tools/arm64-host for the tests of this folder, and sees what it leaves behind."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/host"))

TOOL = str(ROOT / "tools/arm64-host")
CACHE = ROOT / "out/host"
# Far beyond what any test needs, on a busy machine too.
TIME_LIMIT = 300
# How long a process that was told to go may take.
GONE_LIMIT = 60

# tools/arm64-host --help
STATUS_USAGE = 2
STATUS_TIMEOUT = 124
STATUS_HOST = 125


@dataclasses.dataclass
class Outcome:
    status: int
    stdout: str
    stderr: str


class HostTest(unittest.TestCase):
    """A test with a folder of its own. At its end, no process that it started may be there, nor any
    temporary file."""

    maxDiff = 4000

    def run(self, result=None):
        with tempfile.TemporaryDirectory(prefix="firn-host-test-") as folder:
            self.folder = pathlib.Path(folder)
            self.scratch = self.folder / "scratch"
            self.scratch.mkdir()
            # Inherited by every process that the tool starts.
            self.mark = f"FIRN_TEST_MARK={uuid.uuid4()}"
            return super().run(result)

    def environment(self):
        name, value = self.mark.split("=")
        return {**os.environ, "TMPDIR": str(self.scratch), name: value}

    def tool(self, *arguments, stdin="", environment=None, **options):
        """Runs the tool to its end; the status of one that a signal ended is negative."""
        process = subprocess.run([TOOL, *map(str, arguments)], input=stdin, capture_output=True,
                                 check=False, text=True, timeout=TIME_LIMIT, cwd=self.folder,
                                 env=environment or self.environment(), **options)
        self.check_nothing_left()
        return Outcome(process.returncode, process.stdout, process.stderr)

    @contextlib.contextmanager
    def tool_running(self, *arguments):
        """A tool that is still running, with pipes."""
        with subprocess.Popen([TOOL, *map(str, arguments)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              cwd=self.folder, env=self.environment()) as process:
            timer = threading.Timer(TIME_LIMIT, process.kill)
            timer.start()
            try:
                yield process
            finally:
                timer.cancel()
                process.kill()

    def processes(self):
        """[(id, name)] of the processes that this test started, and that are alive."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append((int(folder.name), (folder / "comm").read_text().strip()))
        return found

    def wait_until(self, condition, what):
        deadline = time.monotonic() + GONE_LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"{what}: {self.processes()}")
            time.sleep(0.02)

    def wait_until_gone(self):
        self.wait_until(lambda: not self.processes(), "processes are left")
        self.check_nothing_left()

    def check_nothing_left(self):
        self.assertEqual(self.processes(), [], "processes are left")
        self.assertEqual(os.listdir(self.scratch), [], "temporary files are left")
        names = os.listdir(CACHE) if CACHE.is_dir() else []
        odd = [name for name in names if
               not re.fullmatch(r"initramfs-.*-[0-9a-f]{16}\.cpio", name)]
        self.assertEqual(odd, [], "the cache has unfinished files")

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path
