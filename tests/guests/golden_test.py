# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Snapshots that older firns wrote (testdata/golden), and such as newer ones may write."""

import pathlib
import tarfile

import guest
import state_file
from guest import GuestTest

GOLDEN = pathlib.Path(__file__).resolve().parent / "testdata/golden"
CONSOLE = "abcdefghST\nok\n"


class GoldenCase(GuestTest):
    def unpack(self, name):
        with tarfile.open(GOLDEN / f"{name}.tar.xz") as archive:
            archive.extractall(self.folder)

    def check_restored(self, *arguments):
        outcome = self.firn("restore", "snapshot", *arguments)
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
        self.assertEqual(outcome.console, CONSOLE)


class GoldenTest(GoldenCase):
    def check(self, name):
        self.unpack(name)
        outcome = self.firn("verify", "snapshot")
        self.assertEqual(outcome.status, 0, str(outcome))
        outcome = self.firn("inspect", "snapshot")
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertIn("format version 1", outcome.console)
        self.assertIn("interrupt_controller: \"GICv5\"", outcome.console)
        self.check_restored()
        self.check_restored("--memory-load", "eager", "--identity", "keep")

    def test_every_one_is_tested(self):
        self.assertEqual(sorted(path.name for path in GOLDEN.glob("*.tar.xz")),
                         ["v1-b.tar.xz", "v1-c-chain.tar.xz", "v1-c.tar.xz"])
        for path in GOLDEN.glob("*.tar.xz"):
            self.assertLess(path.stat().st_size, 100_000)

    def test_v1_dialect_b(self):
        self.check("v1-b")

    def test_v1_dialect_c(self):
        self.check("v1-c")

    def test_v1_chain(self):
        self.check("v1-c-chain")
        self.assertEqual(self.firn("compact", "snapshot").status, 0)
        self.check_restored()

    def test_saved_by_this_firn_from_an_older_one(self):
        self.unpack("v1-c")
        self.check_restored("--save-at", "60000:again")
        outcome = self.firn("restore", "again")
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))
        self.assertEqual(outcome.console, CONSOLE)


class NewerTest(GoldenCase):
    """What a newer firn may write: an old snapshot with more in it."""

    def change(self, change):
        self.unpack("v1-c")
        path = self.folder / "snapshot/state"
        data = path.read_bytes()
        version, sections = state_file.decode(data)
        self.assertEqual(state_file.encode(version, sections), data)
        path.write_bytes(state_file.encode(*change(version, sections)))

    def add(self, name, flags):
        self.change(lambda version, sections: (version, [*sections, [name, flags, b"\x08\x01\xff"]]))

    def refused(self, message, commands=("restore", "verify")):
        for command in commands:
            outcome = self.firn(command, "snapshot")
            self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
            self.assertIn(message, outcome.stderr)

    def test_optional_section(self):
        self.add("teleporter", 0)
        self.check_restored()
        self.assertEqual(self.firn("verify", "snapshot").status, 0)
        self.assertIn("teleporter  (3 bytes, optional)", self.firn("inspect", "snapshot").console)

    def test_mandatory_section(self):
        self.add("teleporter", state_file.MANDATORY)
        self.refused("teleporter")
        self.assertIn("teleporter  (3 bytes)", self.firn("inspect", "snapshot").console)

    def test_newer_format(self):
        self.change(lambda version, sections: (version + 1, sections))
        self.refused("use a newer firn")
        self.assertIn("format version 2", self.firn("inspect", "snapshot").console)

    def test_section_that_is_no_message(self):
        """Every checksum is right."""
        for name in ("vcpu/0", "gic/registers", "device/serial"):
            self.change(lambda version, sections, name=name: (version, [
                [section, flags, b"\xff nonsense" if section == name else content]
                for section, flags, content in sections]))
            self.refused(name, commands=["verify"])
            self.refused("", commands=["restore"])
