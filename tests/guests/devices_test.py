# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Disk, random numbers, clock and console, as the guest's drivers see them."""

import hashlib
import os
import pty
import select
import time

import guest
from guest import GuestTest
from workload import REGISTERS, REGISTERS_ERRORS


class DiskTest(GuestTest):
    def test_64_mib_written_and_read(self):
        data = guest.random_bytes(64 << 20, seed=64)
        disk = self.disk(size_mib=160, from_host=data)
        outcome = self.boot("disk", "--cpus", "2", "--disk", disk)
        self.assertEqual(outcome.lines("FIRN-DISK"), [hashlib.sha256(data).hexdigest()])
        self.check_file_system(disk)
        self.assertEqual(self.disk_file(disk, "from-guest"), data)

    def test_read_only(self):
        disk = self.disk(size_mib=16, hello=b"hello from the host\n")
        with open(disk, "rb") as image:
            before = image.read()
        outcome = self.boot("readonly", "--disk", f"{disk},ro")
        self.assertIn("hello from the host", outcome.console)
        with open(disk, "rb") as image:
            self.assertEqual(image.read(), before)

    def test_read_only_file_without_permission_to_write(self):
        disk = self.disk(size_mib=16, hello=b"hello\n")
        os.chmod(disk, 0o444)
        self.boot("readonly", "--disk", f"{disk},ro")

    def test_discard(self):
        disk = self.blank_disk(size_mib=8)
        self.boot("discard", "--disk", disk)
        mib = 1 << 20
        with open(disk, "rb") as image:
            data = image.read()
        self.assertEqual(data, b"x" * mib + bytes(mib) + b"x" * 2 * mib + bytes(4 * mib))
        self.assertLess(os.stat(disk).st_blocks * 512, 3 * mib + mib // 2)

    def test_large_reads_cost_one_notification_and_interrupt_each(self):
        disk = self.blank_disk(size_mib=64)
        outcome = self.boot("blockread", "--disk", disk)
        counters = outcome.stats["devices"]["blk.disk0"]
        self.assertGreaterEqual(counters["bytes_read"], 64 << 20)
        requests = counters["requests"]
        self.assertLessEqual(counters["notifications"], 1.05 * requests, counters)
        self.assertLessEqual(counters["interrupts"], 1.05 * requests, counters)

    def test_no_register_access_leaves_the_guest_once_the_driver_is_set_up(self):
        disk = self.blank_disk(size_mib=64)
        accesses = []
        for program in ("hello", "blockread"):
            outcome = self.boot(program, "--disk", disk)
            devices = outcome.stats["mmio"]["devices"]
            for name in ("blk.disk0", "rng", "console"):
                self.assertEqual(devices[name]["reads"], 0, name)
            accesses.append(devices["blk.disk0"]["writes"])
        self.assertGreater(outcome.stats["devices"]["blk.disk0"]["interrupts"], 10)
        self.assertEqual(accesses[0], accesses[1])


class OtherDevicesTest(GuestTest):
    def test_virtio_registers(self):
        outcome = self.boot("registers")
        self.assertEqual(outcome.lines("FIRN-REGISTERS"), REGISTERS, str(outcome))
        self.assertEqual(outcome.stats["devices"]["rng"]["errors"], REGISTERS_ERRORS)
        self.assertEqual(outcome.stats["mmio"]["devices"]["rng"]["reads"], 0)

    def test_entropy(self):
        self.boot("entropy")

    def test_real_time_clock_and_an_hour_of_sleep(self):
        started = time.monotonic()
        outcome = self.boot("clock")
        self.assertLess(time.monotonic() - started, 60)
        _, rtc, uptime = outcome.lines("FIRN-CLOCK")[0].split()
        self.assertAlmostEqual(int(rtc), 3600, delta=2)
        self.assertAlmostEqual(int(uptime), 3600, delta=2)


    def check_alarm(self, *arguments):
        outcome = self.boot("alarm", *arguments)
        event, seconds = outcome.lines("FIRN-ALARM")[0].split()[::2]
        self.assertEqual(int(event, 16), 0x1a0, "one interrupt: RTC_IRQF | RTC_AF")
        self.assertEqual(guest.interrupt_rows(outcome)["rtc-pl031"], ("GICv5-SPI", [1]))
        self.assertEqual(outcome.stats["devices"]["rtc"]["interrupts"], 1)
        return int(seconds)

    def test_alarm(self):
        self.assertEqual(self.check_alarm(), 3)

    def test_alarm_in_real_time(self):
        self.assertGreaterEqual(self.check_alarm("--clock=real"), 3)


class ConsoleTest(GuestTest):
    def test_input_from_a_pipe(self):
        with self.firn_running(*self.guest_arguments("input", "--clock=real")) as firn:
            self.read_until(firn, "FIRN-INPUT ready")
            for text in ("one", "two words", "x" * 200):
                firn.stdin.write(text.encode() + b"\n")
                firn.stdin.flush()
                self.read_until(firn, f"FIRN-INPUT got [{text}]")
            firn.stdin.write(b"end\n")
            firn.stdin.flush()
            self.read_until(firn, "FIRN-TEST input: ok")
            self.assertEqual(firn.wait(), 0)

    def test_virtio_console(self):
        arguments = self.guest_arguments("input", "--console-device=virtio")
        index = arguments.index("--cmdline") + 1
        arguments[index] = arguments[index].replace("console=ttyS0", "console=hvc0")
        outcome = self.firn(*arguments, stdin=b"early bird\nend\n")
        self.assertEqual(outcome.lines("FIRN-INPUT got"), ["[early bird]", "[end]"], str(outcome))
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF)

    def test_input_that_comes_before_the_guest_listens(self):
        outcome = self.boot("input", stdin=b"early bird\nend\n")
        self.assertEqual(outcome.lines("FIRN-INPUT got"), ["[early bird]", "[end]"])

    def test_commands_for_a_shell_from_a_pipe(self):
        arguments = self.guest_arguments("none")
        index = arguments.index("--cmdline") + 1
        arguments[index] = "console=ttyS0 panic=-1"
        outcome = self.firn(*arguments, stdin=b"echo $((6 * 7)) is the answer\nexit\n")
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
        self.assertIn("\n42 is the answer\n", outcome.console)

    def test_input_that_ends_at_once(self):
        outcome = self.boot("hello")
        self.assertIn("Hello from process", outcome.console)

    def test_input_closed(self):
        arguments = self.guest_arguments("hello")
        status = os.spawnv(os.P_WAIT, "/bin/sh", [
            "sh", "-c", 'exec "$@" <&- >/dev/null 2>&1', "sh", guest.FIRN, *arguments])
        self.assertEqual(status, 0)

    def test_output_to_a_file(self):
        console = self.folder / "console.txt"
        outcome = self.run_guest("hello", "--console", str(console))
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertEqual(outcome.stdout, b"")
        self.assertIn(b"FIRN-TEST hello: ok", console.read_bytes())

    def test_output_off(self):
        outcome = self.run_guest("hello", "--console", "off")
        self.assertEqual((outcome.status, outcome.stdout), (0, b""), str(outcome))

    def test_terminal_is_restored(self):
        """On a terminal: raw while the guest runs, Ctrl-A x ends firn, and then as before."""
        # A child in its own session, with the terminal as its stdin and stdout.
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            script = 'stty -a > before; "$@"; echo $? > status; stty -a > after'
            os.execv("/bin/sh", ["sh", "-c", script, "sh", guest.FIRN,
                                 *self.guest_arguments("forever", "--clock=real")])
        console = b""
        deadline = time.monotonic() + guest.TIME_LIMIT
        asked = False
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 1)[0]:
                    continue
                data = os.read(master, 65536)
                console += data
                if not asked and b"FIRN-FOREVER running" in console:
                    asked = True
                    os.write(master, b"\x01x")
        except OSError:  # the terminal's other side is closed
            pass
        finally:
            os.close(master)
            os.waitpid(pid, 0)
        self.assertTrue(asked, console[-2000:])
        before, after = ((self.folder / name).read_text() for name in ("before", "after"))
        self.assertIn(" icanon", before)
        self.assertEqual(before, after)
