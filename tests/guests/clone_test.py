# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Clones of one snapshot: who they are, what time it is for them, and that they do not meet."""

import re
import shutil
import signal
import time

import guest
from guest import GuestTest
from saved_once import saved_once

# The guest has booted and waits until it is a copy.
WAITS = 400_000_000
IDENTITY = re.compile(r"FIRN-IDENTITY generation ([0-9a-f]{16}) random ([0-9a-f-]{36})")
SEEN = re.compile(r"FIRN-IDENTITY-SEEN marker (\d+) vmgenid (\d+) vmclock (\d+) seconds (\d+)")
# 2026-01-01 00:00:00 UTC, when a deterministic guest begins, in TAI.
EPOCH = 1767225600 + 37


class CloneTest(GuestTest):
    def save_waiting(self, disk_mib=None):
        disk = () if disk_mib is None else ("--disk", "disk.img")
        run = saved_once(self, *self.guest_arguments("identity", "--save-at", f"{WAITS}:snapshot",
                                                     "--stop-at", str(WAITS), *disk),
                         disk_mib=disk_mib)
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))
        self.assertIn("FIRN-IDENTITY-WAITS 0000000000000000", run.console)
        self.assertNotIn("FIRN-IDENTITY generation", run.console, "nobody copied it")

    def identities(self, text, count):
        found = IDENTITY.findall(text)
        self.assertEqual(len(found), count, text)
        generations, randoms = zip(*found)
        self.assertEqual(len(set(generations)), count, text)
        self.assertEqual(len(set(randoms)), count, text)
        return found

    def test_each_is_another_one_and_knows(self):
        self.save_waiting()
        outcome = self.firn("restore", "snapshot", "--count", "3")
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
        self.identities(outcome.console, 3)
        seen = SEEN.findall(outcome.console)
        self.assertEqual(len(seen), 3, str(outcome))
        for marker, vmgenid, vmclock, seconds in seen:
            self.assertEqual((marker, vmgenid, vmclock), ("1", "1", "1"))
            # The reference time is that of the restore, where time stood still.
            self.assertIn(int(seconds) - EPOCH, range(0, 60))
        for number in (1, 2, 3):
            self.assertIn(f"[{number}] FIRN-TEST identity: ok", outcome.console)
            self.assertIn(f"[{number}] firn: the guest powered off", outcome.stderr)

    def test_a_seed_makes_a_copy_repeatable(self):
        self.save_waiting()
        runs = [self.firn("restore", "snapshot", "--seed", seed) for seed in ("5", "5", "6")]
        first, again, other = [self.identities(run.console, 1)[0] for run in runs]
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_who_keeps_its_identity_notices_nothing(self):
        self.save_waiting()
        outcome = self.firn("restore", "snapshot", "--identity", "keep", "--stop-at",
                            str(WAITS + 100_000_000))
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        self.assertNotIn("FIRN-IDENTITY generation", outcome.console)
        self.assertNotIn("virtual machine fork", outcome.console)

    def test_a_copy_of_a_copy_is_another_one_too(self):
        self.save_waiting()
        first = self.firn("restore", "snapshot", "--save-at", f"{WAITS + 1000}:second")
        second = self.firn("restore", "second")
        self.identities(first.console + second.console, 2)

    def test_files_that_all_would_write_are_refused(self):
        self.save_waiting(disk_mib=16)
        own_disks = ("--disk", "disk-%n.img")
        for arguments, named in (((*own_disks, "--stats", "s.json"), "stats"),
                                 ((*own_disks, "--api-sock", "vm.sock"), "api-sock"),
                                 ((*own_disks, "--console", "guest.log"), "console"),
                                 ((), "disk")):
            outcome = self.firn("restore", "snapshot", "--count", "2", *arguments)
            self.assertEqual(outcome.status, guest.STATUS_USAGE, str(outcome))
            self.assertRegex(outcome.stderr,
                             f"all clones would write .*: give --{named} a name with %n")
        for count in ("0", "-1", "x", "100000"):
            outcome = self.firn("restore", "snapshot", "--count", count)
            self.assertEqual(outcome.status, guest.STATUS_USAGE, str(outcome))
            self.assertIn("--count", outcome.stderr)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["disk.img", "snapshot"])

    def test_each_has_files_of_its_own(self):
        self.save_waiting(disk_mib=16)
        for number in (1, 2):
            shutil.copy(self.folder / "disk.img", self.folder / f"disk-{number}.img")
        outcome = self.firn("restore", "snapshot", "--count", "2", "--disk", "disk-%n.img",
                            "--console", "guest-%n.log", "--stats", "stats-%n.json")
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
        self.assertEqual(outcome.stdout, b"")
        logs = [(self.folder / f"guest-{number}.log").read_text() for number in (1, 2)]
        for log in logs:
            self.assertIn("FIRN-TEST identity: ok", log)
        self.identities("".join(logs), 2)
        self.assertTrue((self.folder / "stats-1.json").exists())
        self.assertTrue((self.folder / "stats-2.json").exists())

    def test_the_first_that_fails_gives_the_status(self):
        self.save_waiting(disk_mib=16)
        shutil.copy(self.folder / "disk.img", self.folder / "disk-1.img")
        outcome = self.firn("restore", "snapshot", "--count", "2", "--disk", "disk-%n.img")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertIn("[2] firn: restore, devices: open disk disk-2.img: No such file", outcome.stderr)
        self.assertIn("[1] FIRN-TEST identity: ok", outcome.console)

    def test_a_signal_ends_all(self):
        run = self.firn(*self.guest_arguments("forever", "--save-at", "400000000:snapshot",
                                              "--stop-at", "400000000"))
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))
        with self.firn_running("restore", "snapshot", "--count", "3", "--api-sock",
                               "clone-%n.sock") as firn:
            deadline = time.monotonic() + guest.TIME_LIMIT
            while len(list(self.folder.glob("clone-*.sock"))) < 3:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            firn.send_signal(signal.SIGTERM)
            stderr = firn.stderr.read().decode()
            self.assertEqual(firn.wait(), 128 + signal.SIGTERM, stderr)
        for number in (1, 2, 3):
            self.assertIn(f"[{number}] firn: ended by signal 15", stderr)
        self.assertEqual(list(self.folder.glob("clone-*.sock")), [])
