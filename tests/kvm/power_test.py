# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""How a guest on KVM ends, and firn with it; CPUs that come and go."""

import random
import shlex
import signal

from kvm_guest import KvmTest  # first: it finds the folders of the others
import guest


class PowerTest(KvmTest):
    def test_reboot_builds_a_fresh_machine(self):
        outcome = self.boot("reboot-once", "--cpus", "2", "--disk", self.blank_disk())
        self.assertEqual(outcome.lines("FIRN-REBOOT"), ["first", "second"])
        self.assertEqual([line.split()[1] for line in outcome.lines("FIRN-INIT")], ["0-1", "0-1"])

    def test_exit_on_reboot(self):
        outcome = self.run_guest("reboot-once", "--disk", self.blank_disk(), "--on-reboot=exit",
                                 kernel="7.2")
        self.assertEqual(outcome.status, guest.STATUS_REBOOT, str(outcome))

    def test_panic(self):
        for kernel in ("6.1", "7.2"):
            with self.subTest(kernel):
                outcome = self.run_guest("panic", kernel=kernel)
                self.assertEqual(outcome.status, guest.STATUS_PANIC, str(outcome))
                self.assertIn("sysrq triggered crash", outcome.console)

    def check_hotplug(self, kernel, cpus):
        outcome = self.boot("hotplug", "--cpus", str(cpus), kernel=kernel)
        seen = [tuple(map(int, line.split())) for line in outcome.lines("FIRN-HOTPLUG")]
        expected = [(turn, cpu) for turn in (1, 2, 3) for cpu in range(1, cpus)]
        self.assertEqual([pair for pair in seen if pair[1] != 0], expected)

    def test_hotplug_6_1(self):
        self.check_hotplug("6.1", 2)

    def test_hotplug_7_2(self):
        self.check_hotplug("7.2", 4)


class SignalTest(KvmTest):
    def start(self, program, *arguments, **options):
        return self.host.start(["firn", *self.guest_arguments(program, *arguments, **options)])

    def test_terminate(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number), self.start("forever", "--cpus", "2") as firn:
                firn.read_until(b"FIRN-FOREVER running")
                firn.signal(number)
                self.assertEqual(firn.wait(60).status, 128 + number)

    def test_a_guest_that_hangs(self):
        """All of its CPUs have stopped for good, in WFI inside KVM."""
        with self.start("hello", "--cpus", "2", words=["firn.then=halt"]) as firn:
            firn.read_until(b"reboot: System halted")
            firn.signal(signal.SIGTERM)
            self.assertEqual(firn.wait(60).status, 128 + signal.SIGTERM)

    def test_a_guest_that_spins(self):
        """One vCPU never leaves the guest by itself."""
        with self.start("spin", "--cpus", "2") as firn:
            firn.read_until(b"FIRN-SPIN")
            firn.signal(signal.SIGTERM)
            self.assertEqual(firn.wait(60).status, 128 + signal.SIGTERM)

    def test_at_random_times(self):
        """In a boot, which takes some seconds, and before it. The moments differ from run to run."""
        delays = [random.uniform(0, 2.5) for _ in range(12)]
        guest_run = shlex.join(["firn", *self.guest_arguments("hello", "--cpus", "2")])
        script = "".join(f"{guest_run} > /dev/null 2>&1 & sleep {delay:.3f}\n"
                         f"kill -TERM $!; wait $!; echo {delay:.3f} $?\n" for delay in delays)
        lines = self.sh(script).text.split("\n")[:-1]
        self.assertEqual(len(lines), len(delays))
        for line in lines:
            # A guest that was faster is no error.
            self.assertIn(line.split()[1], (str(128 + signal.SIGTERM), "0"), line)
