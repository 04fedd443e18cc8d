# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""How a guest ends, and firn with it; CPUs that come and go."""

import os
import re
import signal

import guest
from guest import GuestTest


class PowerTest(GuestTest):
    def test_power_off(self):
        outcome = self.boot("hello")
        self.assertIn("reboot: Power down", outcome.console)

    def test_reboot_builds_a_fresh_machine(self):
        outcome = self.boot("reboot-once", "--cpus", "2", "--disk", self.blank_disk())
        self.assertEqual(outcome.lines("FIRN-REBOOT"), ["first", "second"])
        self.assertEqual(outcome.console.count("Booting Linux on physical CPU"), 2)
        self.assertEqual(len(re.findall("smp: Brought up 1 node, 2 CPUs", outcome.console)), 2)

    def check_many_reboots(self, *arguments):
        """Machines that come and go leave nothing behind in firn."""
        boots = 3
        files, resident = [], []
        with self.firn_running(*self.guest_arguments("hello", *arguments,
                                                     words=["firn.then=reboot"])) as firn:
            for _ in range(boots):
                self.read_until(firn, "FIRN-TEST hello: ok")
                files.append(len(os.listdir(f"/proc/{firn.pid}/fd")))
                with open(f"/proc/{firn.pid}/status", encoding="ascii") as status:
                    resident += [int(line.split()[1]) >> 10 for line in status
                                 if line.startswith("VmRSS:")]
            firn.terminate()
            _, stderr = firn.communicate(timeout=60)
            self.assertEqual(firn.returncode, 128 + signal.SIGTERM, stderr)
        self.assertEqual(files, files[:1] * boots)
        # A machine that stayed would be a guest's memory more each time, some 100 MiB.
        self.assertLess(resident[-1] - resident[0], 48, f"MiB after each boot: {resident}")

    def test_many_reboots(self):
        self.check_many_reboots("--cpus", "2")

    def test_many_reboots_in_real_time(self):
        self.check_many_reboots("--clock=real")

    def test_exit_on_reboot(self):
        outcome = self.run_guest("reboot-once", "--disk", self.blank_disk(), "--on-reboot=exit")
        self.assertEqual(outcome.lines("FIRN-REBOOT"), ["first"], str(outcome))
        self.assertEqual(outcome.status, guest.STATUS_REBOOT, str(outcome))

    def test_panic(self):
        outcome = self.run_guest("panic")
        self.assertEqual(outcome.status, guest.STATUS_PANIC, str(outcome))
        self.assertRegex(outcome.console, "Kernel panic - not syncing: sysrq triggered crash")
        self.assertRegex(outcome.stderr, "panic")

    def test_panic_through_pvpanic(self):
        outcome = self.run_guest("pvpanic")
        self.assertEqual(outcome.status, guest.STATUS_PANIC, str(outcome))
        self.assertEqual(outcome.lines("FIRN-PVPANIC"), ["knows 0x03", "goes on"])
        self.assertRegex(outcome.stderr, "pvpanic: the guest reports a panic")
        pvpanic = outcome.stats["devices"]["pvpanic"]
        self.assertEqual((pvpanic["requests"], pvpanic["errors"]), (3, 0))

    def test_panic_without_restart(self):
        arguments = self.guest_arguments("panic")
        index = arguments.index("--cmdline") + 1
        arguments[index] = arguments[index].replace("panic=-1", "panic=0")
        outcome = self.firn(*arguments)
        self.assertEqual(outcome.status, guest.STATUS_PANIC, str(outcome))

    def test_panic_without_init(self):
        arguments = self.guest_arguments("hello", words=["rdinit=/no/such/program"])
        outcome = self.firn(*arguments)
        self.assertEqual(outcome.status, guest.STATUS_PANIC, str(outcome))

    def check_signal(self, number):
        with self.firn_running(*self.guest_arguments("forever", "--cpus", "2")) as firn:
            self.read_until(firn, "FIRN-FOREVER running")
            firn.send_signal(number)
            _, stderr = firn.communicate(timeout=20)
            self.assertEqual(firn.returncode, 128 + number, stderr)

    def test_terminate(self):
        self.check_signal(signal.SIGTERM)

    def test_interrupt(self):
        self.check_signal(signal.SIGINT)

    def test_stop_at(self):
        outcome = self.run_guest("hello", "--stop-at", "50000000")
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        self.assertGreaterEqual(outcome.stats["total"]["instructions"], 50_000_000)
        self.assertLess(outcome.stats["total"]["instructions"], 50_200_000)


class HotplugTest(GuestTest):
    def check(self, cpus):
        outcome = self.boot("hotplug", "--cpus", str(cpus))
        seen = [tuple(map(int, line.split())) for line in outcome.lines("FIRN-HOTPLUG")]
        expected = [(turn, cpu) for turn in (1, 2, 3) for cpu in range(1, cpus)]
        # CPU 0 takes part where the kernel lets it.
        self.assertEqual([pair for pair in seen if pair[1] != 0], expected)
        self.assertNotRegex(outcome.console, "Oops|BUG:|WARNING:|stack overflow|rcu.*stall")

    def test_two_cpus(self):
        self.check(2)

    def test_four_cpus(self):
        self.check(4)


class DeterminismTest(GuestTest):
    def check(self, cpus, program):
        runs = []
        for name in ("first", "second"):
            # A load on the host that differs between the two runs, and a disk that does not.
            disk = self.disk(size_mib=32, name=f"{name}.img", hello=b"hello\n")
            outcome = self.boot(program, "--cpus", str(cpus), "--disk", disk)
            with open(disk, "rb") as image:
                runs.append((outcome.stdout, outcome.stats["total"]["instructions"], image.read()))
            os.remove(disk)
        for what, first, second in zip(("console", "instructions", "disk"), *runs):
            self.assertEqual(first, second, f"the {what} of two runs differ")

    def test_one_cpu(self):
        self.check(1, "checksum")

    def test_four_cpus(self):
        self.check(4, "interrupts")

    def test_one_cpu_and_an_alarm(self):
        self.check(1, "alarm")

    def test_two_cpus_and_a_disk(self):
        self.check(2, "demo")
