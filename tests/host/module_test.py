# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The Python module arm64_host: several commands in one host."""

import io
import random
import signal
import threading

from arm64_host_cli import HostTest
from arm64_host import CommandTimeout, Host, HostError, UsageError, run


class HostModuleTest(HostTest):
    def test_many_commands(self):
        with Host() as host:
            for status in (0, 1, 255):
                self.assertEqual(host.run(["sh", "-c", f"exit {status}"]).status, status)
            result = host.run("echo $A; echo $B >&2; pwd", env={"A": "1 2", "B": "3"}, folder="/tmp")
            self.assertEqual((result.status, result.text, result.error_text), (0, "1 2\n/tmp\n", "3\n"))
            arguments = ["'", '"', "$HOME", "a b", "", "\n", "ü"]
            self.assertEqual(host.run(["printf", "<%s>", *arguments]).text,
                             "".join(f"<{argument}>" for argument in arguments))
            with self.assertRaisesRegex(HostError, "ended with status 1: cat: .*No such file"):
                host.get("/no/such/file")
            with self.assertRaises(UsageError):
                host.run(["nul\0"])

            # Both ways at once, more than any buffer holds; and a command that reads nothing of it.
            data = random.Random(2).randbytes((1 << 20) + 1)
            self.assertEqual(host.run(["cat"], stdin=data).stdout, data)
            self.assertEqual(host.run(["true"], stdin=data).status, 0)
            self.assertEqual(host.run(["md5sum"], stdin=io.BytesIO(b"abc")).text.split()[0],
                             "900150983cd24fb0d6963f7d28e17f72")
            host.put("data", data, 0o750)
            self.assertEqual(host.get("data"), data)
            self.assertTrue(host.run(["ls", "-l", "/home/data"]).text.startswith("-rwxr-x---"))

            # All output is there at the end, of children too; what goes on does not hold it up.
            result = host.run("for i in $(seq 2000); do echo $i; done & wait; sleep 10000 & echo end")
            self.assertEqual(result.text.split(), [*map(str, range(1, 2001)), "end"])

            self.assertEqual(host.run("yes & exit 4").status, 4)

            self.check_time_limit(host)
            self.check_signals(host)
            host.run("mkdir $OUT/x; echo result > $OUT/x/y; mknod $OUT/pipe p", check=True)
            host.fetch("/out", self.folder / "fetched")
            self.assertEqual((self.folder / "fetched/x/y").read_text(), "result\n")
            with self.assertRaisesRegex(HostError, "cannot copy /none of the host"):
                host.fetch("/none", self.folder / "fetched")
            self.assertTrue(host.alive)
        self.assertFalse(host.alive)

    def check_time_limit(self, host):
        with self.assertRaisesRegex(CommandTimeout, "after 1 s") as caught:
            host.run("echo begun; trap '' TERM INT; sleep 10000 & sleep 10000", timeout=1)
        self.assertEqual(caught.exception.result.text, "begun\n")
        self.assertEqual(caught.exception.result.status, 128 + signal.SIGKILL)
        # Nothing of it is left, and the host goes on.
        self.assertNotIn("sleep", host.run(["ps"]).text)

    def check_signals(self, host):
        script = "trap 'echo caught; exit 6' TERM; echo ready; while :; do sleep 0.1; done"
        with host.start(script) as command:
            self.assertEqual(command.read_until(b"ready\n"), b"ready\n")
            with self.assertRaises(RuntimeError):
                host.run(["true"])
            command.signal(signal.SIGTERM)
            self.assertEqual(command.read_until(b"caught"), b"caught")
            self.assertEqual(command.wait(timeout=60).status, 6)
        with host.start(["cat"]) as command:
            command.write(b"some\n")
            command.read_until(b"some\n")
        self.assertNotIn("cat", host.run(["ps"]).text)
        with host.start(["cat"]) as command, self.assertRaisesRegex(HostError, "ended without"):
            command.end_input()
            command.read_until(b"nothing")

    def test_thread_that_ends(self):
        hosts = []
        thread = threading.Thread(target=lambda: hosts.append(Host()))
        thread.start()
        thread.join()
        with hosts[0] as host:
            self.assertEqual(host.run(["echo", "alive"]).text, "alive\n")
            with self.assertRaisesRegex(HostError, "the host ended before the command"):
                host.run(["reboot", "-f"])
            self.assertFalse(host.alive)

    def test_sink_that_fails(self):
        def sink(_):
            raise OSError("disk full")

        with Host() as host:
            with self.assertRaisesRegex(OSError, "disk full"):
                host.run(["echo", "text"], stdout=sink)
            self.assertFalse(host.alive)

    def test_run(self):
        script = self.write("script", "#!/bin/sh\ncp other $OUT/copy\nexit 5\n", 0o755)
        other = self.write("a/file", "content")
        result = run(["script"], files={"script": script, "other": other}, out=self.folder / "out",
                     timeout=120)
        self.assertEqual((result.status, result.stderr), (5, b""))
        self.assertEqual((self.folder / "out/copy").read_text(), "content")
