# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""tools/arm64-host run: what goes in, what comes out, and how it ends."""

import os
import random
import signal
import subprocess

from arm64_host_cli import STATUS_HOST, STATUS_TIMEOUT, HostTest

WAIT = "echo ready; read -r line; echo got $line"


class StatusTest(HostTest):
    def test_status_and_both_outputs(self):
        outcome = self.tool("run", "--", "sh", "-c", "echo to stdout; echo to stderr >&2; exit 7")
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (7, "to stdout\n", "to stderr\n"))

    def test_signal(self):
        outcome = self.tool("run", "sh", "-c", "kill -SEGV $$")
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (128 + signal.SIGSEGV, "", ""))

    def test_command_that_is_not_there(self):
        outcome = self.tool("run", "no-such-command", "--help")
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (127, "", "no-such-command: No such file or directory\n"))

    def test_program_of_this_machine(self):
        program = os.path.realpath("/bin/true")
        outcome = self.tool("run", "--with", program, "./" + os.path.basename(program))
        self.assertEqual(outcome.status, 126, outcome)
        self.assertIn("neither an arm64 program nor a script", outcome.stderr)


class StreamTest(HostTest):
    def test_output_comes_while_the_command_runs(self):
        with self.tool_running("run", "sh", "-c", WAIT) as tool:
            self.assertEqual(tool.stdout.readline(), "ready\n")
            tool.stdin.write("an answer\n")
            tool.stdin.flush()
            self.assertEqual(tool.stdout.readline(), "got an answer\n")
            self.assertEqual(tool.wait(), 0)

    def test_two_at_once(self):
        with self.tool_running("run", "sh", "-c", WAIT) as one, \
             self.tool_running("run", "sh", "-c", WAIT + "; exit 3") as other:
            self.assertEqual(one.stdout.readline(), "ready\n")
            self.assertEqual(other.stdout.readline(), "ready\n")
            other_output, other_errors = other.communicate("other\n")
            one_output, one_errors = one.communicate("one\n")
        self.assertEqual((one_output, one_errors, one.returncode), ("got one\n", "", 0))
        self.assertEqual((other_output, other_errors, other.returncode), ("got other\n", "", 3))
        self.check_nothing_left()

    def test_without_stdin_home_or_environment(self):
        name, value = self.mark.split("=")
        outcome = self.tool("run", "--env", "GREETING=hello world", "sh", "-c",
                            'echo "$GREETING from $PWD"; wc -c',
                            environment={"PATH": "/usr/bin:/bin", name: value},
                            preexec_fn=lambda: os.close(0))
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (0, "hello world from /home\n0\n", ""))

    def test_reader_that_goes(self):
        with self.tool_running("run", "sh", "-c", "while :; do echo line; done") as tool:
            self.assertEqual(tool.stdout.readline(), "line\n")
            tool.stdout.close()
            self.assertEqual(tool.wait(), -signal.SIGPIPE)
        self.wait_until_gone()


class FilesTest(HostTest):
    def test_files_in_and_out(self):
        data = random.Random(1).randbytes(1 << 20)
        (self.folder / "data").write_bytes(data)
        self.write("say", "#!/bin/sh\necho \"$1\"\n", 0o755)
        self.write("tree/deep/note", "a note\n")
        (self.folder / "tree/link").symlink_to("deep/note")
        outcome = self.tool(
            "run", "--with", "data", "--with", "say", "--with", "tree", "--out", "results", "--",
            "sh", "-c", 'say "$(cat tree/link)" && ./say again && readlink tree/link && '
            'mkdir -p $OUT/a/b $OUT/empty && cp data $OUT/a/b && cp -p say $OUT && '
            'ln -s a/b/data $OUT/link && : > "$OUT/a file" && exit 9')
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (9, "a note\nagain\ndeep/note\n", ""))
        results = self.folder / "results"
        self.assertEqual(sorted(os.listdir(results)), ["a", "a file", "empty", "link", "say"])
        self.assertEqual((results / "a/b/data").read_bytes(), data)
        self.assertEqual((results / "a file").read_bytes(), b"")
        self.assertEqual(os.readlink(results / "link"), "a/b/data")
        self.assertTrue(os.access(results / "say", os.X_OK))

    def test_disk_image(self):
        self.write("tree/usr/share/text", "of the disk\n")
        self.write("tree/lib/program", "#!/bin/sh\necho runs\n", 0o755)
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "tree", "image", "8M"], check=True,
                       stdout=subprocess.DEVNULL, cwd=self.folder, env={"PATH": path})
        outcome = self.tool("run", "--disk", "image", "--disk", "image", "--", "sh", "-c",
                            "cat /disk0/usr/share/text /usr/share/text; /lib/program; ls /disk1; "
                            ": > /disk0/file")
        self.assertEqual((outcome.status, outcome.stdout),
                         (1, "of the disk\nof the disk\nruns\nlib\nlost+found\nusr\n"), outcome)
        self.assertIn("Read-only file system", outcome.stderr)

    def test_environment_of_commands(self):
        outcome = self.tool("run", "sh", "-c",
                            "cut -d ' ' -f 2,3 /proc/mounts; ls /sys/kernel/debug/kvm; ls /dev/kvm")
        self.assertEqual(outcome.status, 0, outcome)
        for mount in ("/proc proc", "/sys sysfs", "/dev devtmpfs", "/tmp tmpfs", "/dev/pts devpts",
                      "/sys/kernel/debug debugfs"):
            self.assertIn(mount + "\n", outcome.stdout)
        self.assertIn("\nexits\n", outcome.stdout)


class EndTest(HostTest):
    def test_time_limit(self):
        outcome = self.tool("run", "--timeout", "15", "--out", "results", "--", "sh", "-c",
                            "echo here > $OUT/file; sleep 10000")
        self.assertEqual(outcome.status, STATUS_TIMEOUT, outcome)
        self.assertRegex(outcome.stderr, "arm64-host: the command was still running .* 15 s|did not boot")
        if "did not boot" not in outcome.stderr:
            self.assertEqual((self.folder / "results/file").read_text(), "here\n")

    def test_time_limit_while_booting(self):
        outcome = self.tool("run", "--timeout", "0.2", "true")
        self.assertEqual(outcome.status, STATUS_TIMEOUT, outcome)
        self.assertRegex(outcome.stderr, r"^arm64-host: the host did not boot within 0\.\d+ s")

    def check_signal(self, number):
        with self.tool_running("run", "sh", "-c", WAIT) as tool:
            self.assertEqual(tool.stdout.readline(), "ready\n")
            self.assertIn("qemu-system-aar", [name for _, name in self.processes()])
            tool.send_signal(number)
            self.assertEqual(tool.wait(), -number)
        self.wait_until_gone()

    def test_terminate(self):
        self.check_signal(signal.SIGTERM)

    def test_interrupt(self):
        self.check_signal(signal.SIGINT)

    def test_kill(self):
        self.check_signal(signal.SIGKILL)

    def test_kill_while_booting(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.tool_running("run", "true") as tool:
                self.wait_until(lambda: "qemu-system-aar" in [name for _, name in self.processes()],
                                "QEMU does not start")
                tool.send_signal(number)
                self.assertEqual(tool.wait(), -number)
            self.wait_until_gone()

    def test_qemu_that_is_killed(self):
        with self.tool_running("run", "sh", "-c", WAIT) as tool:
            self.assertEqual(tool.stdout.readline(), "ready\n")
            qemu = [pid for pid, name in self.processes() if name == "qemu-system-aar"]
            self.assertEqual(len(qemu), 1)
            os.kill(qemu[0], signal.SIGKILL)
            self.assertEqual(tool.wait(), STATUS_HOST)
            self.assertRegex(tool.stderr.read(), "^arm64-host: the host ended before the command: ")
        self.check_nothing_left()


class HostFailureTest(HostTest):
    def check(self, outcome, message):
        self.assertEqual(outcome.status, STATUS_HOST, outcome)
        self.assertRegex(outcome.stderr, f"^arm64-host: {message}")

    def test_panic_at_boot(self):
        outcome = self.tool("run", "--append", "rdinit=/no/such/program", "true")
        self.check(outcome, "the host did not boot: its kernel panicked\n")
        self.assertIn("Kernel panic - not syncing", outcome.stderr)

    def test_panic_later(self):
        outcome = self.tool("run", "--log", "log", "sh", "-c",
                            "echo before; echo c > /proc/sysrq-trigger; echo after")
        self.check(outcome, "the host ended before the command: its kernel panicked\n")
        self.assertIn("Kernel panic - not syncing: sysrq triggered crash", outcome.stderr)
        self.assertEqual(outcome.stdout, "before\n")
        self.assertIn("sysrq triggered crash", (self.folder / "log").read_text())

    def test_power_off(self):
        self.check(self.tool("run", "poweroff", "-f"),
                   "the host ended before the command: it powered off")

    def test_no_kvm(self):
        outcome = self.tool("run", "--append", "kvm-arm.mode=none", "true")
        self.check(outcome, "the host has no usable /dev/kvm: No such file or directory\n")
        self.assertIn("KVM disabled from command line", outcome.stderr)
