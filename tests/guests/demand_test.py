# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Restores whose memory comes on demand, working sets, and memory files that change underneath."""

import os
import shutil
import sys
import threading

import guest
from snapshot_test import SnapshotTest

DEMAND = ("--memory-load", "demand")
# Runs a command in which userfaultfd is not permitted.
WITHOUT_USERFAULTFD = guest.ROOT / "tests/lib/without_userfaultfd.py"


class DemandTest(SnapshotTest):
    needs_userfaultfd = True

    def setUp(self):
        if self.needs_userfaultfd:
            self.need_userfaultfd()

    def restored(self, name, *arguments):
        """A restore with its statistics' part on it."""
        outcome = self.restore(name, "--identity", "keep", "--stats", str(self.folder / "stats.json"),
                               *arguments)
        self.assertIsNotNone(outcome.stats, str(outcome))
        return outcome, outcome.stats["restore"]

    def spin(self, stop_at=350_000_000, save_at=250_000_000):
        """Saves a guest to "snapshot", and returns its state at `stop_at`."""
        run = self.saved_once("spin", saves=[(save_at, "snapshot")], stop_at=stop_at)
        return self.state_of(run)


class OracleTest(DemandTest):
    def test_one_vcpu(self):
        self.check_oracle("processes", saves=[(400_000_000, "snapshot")], stop_at=530_000_000,
                          options=(DEMAND, (*DEMAND, "--huge-pages"),
                                   ("--memory-load", "eager", "--huge-pages")))

    def test_four_vcpus(self):
        self.check_oracle("checksum", "--cpus", "4", saves=[(600_000_000, "snapshot")],
                          stop_at=1_100_000_000, words=("firn.seed=7",), options=(DEMAND,))

    def test_save_of_what_is_still_being_loaded(self):
        """It has pages that nobody has touched since the restore."""
        self.spin()
        stop_at = ("--identity", "keep", "--stop-at", "350000000")
        save_at = ("--save-at", "250000100:again")
        expected = self.state_of(self.restore("snapshot", *save_at, *stop_at))
        for load in (DEMAND, (*DEMAND, "--record-working-set", "ws")):
            shutil.rmtree(self.folder / "again")
            outcome = self.restore("snapshot", *load, *save_at, *stop_at)
            self.assertEqual(self.state_of(outcome), expected)
            self.assertEqual(self.firn("verify", "again").status, 0)
            self.assertEqual(self.state_of(self.restore("again", *stop_at)), expected)

    def test_chain(self):
        """Layers saved by a guest that runs, and by one that was restored on demand."""
        self.spin()
        save = ("--track-dirty-pages", "--paused", "--api-sock", "vm.sock")
        with self.firn_running("restore", "snapshot", "--identity", "keep", *DEMAND,
                               *save) as process:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            self.wait_for(self.folder / "vm.sock")
            for arguments in (("save", "vm.sock", "base"), ("resume", "vm.sock"),
                              ("save", "vm.sock", "layer", "--incremental"),
                              ("save", "vm.sock", "top", "--incremental")):
                outcome = self.firn(*arguments)
                self.assertEqual(outcome.status, 0, str(outcome))
        stop_at = ("--identity", "keep", "--stop-at", str(15 * 10 ** 8))
        expected = self.state_of(self.restore("top", "--memory-load", "eager", *stop_at))
        self.assertEqual(self.state_of(self.restore("top", *DEMAND, *stop_at)), expected)


class FinishedTest(DemandTest):
    def test_it_finishes_its_work(self):
        run = self.saved_once("checksum", "--cpus", "2", saves=[(500_000_000, "snapshot")],
                              words=("firn.seed=11",))
        self.assertEqual(run.status, guest.STATUS_POWER_OFF, str(run))
        for load in (DEMAND, (*DEMAND, "--record-working-set", "snapshot/working-set"), DEMAND):
            outcome, restore = self.restored("snapshot", *load)
            self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
            self.assertEqual(outcome.lines("FIRN-TEST checksum:"), ["ok"], str(outcome))
            self.assertEqual((restore["memory_load"], restore["fell_back"]), ("demand", False))


class WorkingSetTest(DemandTest):
    def test_recorded_and_loaded_ahead(self):
        expected = self.spin()
        stop_at = ("--stop-at", "350000000")
        outcome, first = self.restored("snapshot", *DEMAND, *stop_at, "--record-working-set",
                                       "snapshot/working-set")
        self.assertEqual(self.state_of(outcome), expected)
        self.assertGreater(first["faults"], 20)
        # Again with what was recorded, which lies where it is looked for; and recording, so that
        # nothing else is loaded.
        shutil.copy(self.folder / "snapshot/working-set", self.folder / "ws")
        outcome, second = self.restored("snapshot", *DEMAND, *stop_at)
        self.assertEqual(self.state_of(outcome), expected)
        self.assertLessEqual(second["faults"] * 10, first["faults"], str(second))
        self.assertGreater(second["pages_prefetched"], 0)
        os.unlink(self.folder / "snapshot/working-set")
        for load in (DEMAND, ()):
            outcome, third = self.restored("snapshot", *load, *stop_at, "--working-set", "ws")
            self.assertEqual(self.state_of(outcome), expected)
            self.assertGreater(third["pages_prefetched"], 0)
        self.assertEqual(third["memory_load"], "mapped")

    def test_what_does_not_fit(self):
        self.spin()
        (self.folder / "snapshot/working-set").write_bytes(b"FIRNWSET" + bytes(100))
        outcome, restore = self.restored("snapshot", "--stop-at", "250000100")
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        self.assertRegex(outcome.stderr, "no pages are loaded ahead: .*working-set: .*damaged")
        self.assertEqual(restore["pages_prefetched"], 0)
        outcome = self.restore("snapshot", "--working-set", "snapshot/working-set")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        os.unlink(self.folder / "snapshot/working-set")
        outcome = self.restore("snapshot", *DEMAND, "--record-working-set", "ws", "--save-at",
                               "250000050:other", "--stop-at", "250000100")
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        outcome = self.restore("other", "--working-set", "ws")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertRegex(outcome.stderr, "ws: the working set is of another snapshot")

    def test_flags_that_do_not_go_together(self):
        self.spin()
        for arguments, message in (
                (("--huge-pages",), "--memory-load demand or eager"),
                (("--record-working-set", "ws"), "--memory-load demand"),
                ((*DEMAND, "--record-working-set", "ws", "--working-set", "ws"), "do not go"),
                ((*DEMAND, "--record-working-set", "no/ws"), "no/ws"),
                ((*DEMAND, "--record-working-set", "ws", "--count", "2"), "one machine"),
                (("--memory-load", "eager", "--working-set", "ws"), "mapped and demand"),
                (("--memory-load", "some"), "mapped, demand or eager")):
            outcome = self.restore("snapshot", *arguments)
            self.assertEqual(outcome.status, guest.STATUS_USAGE, str(outcome))
            self.assertIn(message, outcome.stderr)


class LostMemoryTest(DemandTest):
    def cut_short(self, *arguments):
        """The outcome of a guest that goes on after its memory file was cut short."""
        self.spin()
        process = None
        with self.firn_running("restore", "snapshot", "--paused", "--api-sock", "vm.sock",
                               *arguments) as process:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            self.wait_for(self.folder / "vm.sock")
            os.truncate(self.folder / "snapshot/memory", 4096)
            self.firn("resume", "vm.sock")
            message = process.stderr.read().decode()
            return process.wait(timeout=60), message

    def test_mapped(self):
        status, message = self.cut_short()
        self.assertEqual(status, guest.STATUS_ERROR, message)
        self.assertRegex(message, "error: the memory file snapshot/memory was cut short while the "
                                  "guest ran.*restore it again from a whole copy")

    def test_on_demand(self):
        # While it is recorded nothing is loaded before the file is cut short.
        status, message = self.cut_short(*DEMAND, "--record-working-set", "ws", "--stats",
                                         "stats.json")
        self.assertEqual(status, guest.STATUS_ERROR, message)
        self.assertRegex(message, "loading the guest's memory: snapshot/memory ends at byte.*"
                                  "restore it again from a whole copy")
        self.assertTrue((self.folder / "stats.json").exists())

    def test_flipped_bit(self):
        self.spin()
        with open(self.folder / "snapshot/memory", "r+b") as memory:
            start = os.lseek(memory.fileno(), 0, os.SEEK_DATA)
            memory.seek(start + 100)
            byte = memory.read(1)[0]
            memory.seek(start + 100)
            memory.write(bytes([byte ^ 4]))
        outcome = self.restore("snapshot", *DEMAND, "--stop-at", "1500000000")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertRegex(outcome.stderr, "snapshot/memory is damaged: checksum of bytes")


class WithoutUserfaultfdTest(DemandTest):
    needs_userfaultfd = False

    def without(self, *arguments):
        return self.command(sys.executable, WITHOUT_USERFAULTFD, guest.FIRN, "restore", "snapshot",
                            *DEMAND, *arguments)

    def test_it_is_mapped_and_firn_says_so(self):
        expected = self.spin()
        outcome = self.without("--identity", "keep", "--stop-at", "350000000")
        self.assertEqual(self.state_of(outcome), expected)
        self.assertRegex(outcome.stderr, "memory is mapped, not loaded on demand: userfaultfd: .*"
                                         r"\(EPERM\): .*vm.unprivileged_userfaultfd=1")
        outcome = self.without("--stop-at", "250000100", "--quiet")
        self.assertEqual(outcome.stderr, "")
        outcome = self.without("--record-working-set", "ws")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertRegex(outcome.stderr, "recording: userfaultfd")
