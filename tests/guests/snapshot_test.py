# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Save and restore. The oracle is the guest that was never interrupted: on the software hypervisor a
restored guest must have the same state, bit for bit, as the one that was saved and ran on."""

import json
import os
import random
import re
import shutil
import threading

import guest
import workload
from guest import GuestTest
from saved_once import saved_once

STATE = re.compile(r"guest state after (\d+) instructions: ([0-9a-f]{8}-[0-9a-f]{8})")


class SnapshotTest(GuestTest):
    def state_of(self, outcome):
        """(instructions, hash) at --stop-at."""
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        match = STATE.search(outcome.stderr)
        self.assertIsNotNone(match, str(outcome))
        return match[1], match[2]

    def saved_run(self, program, *arguments, saves, stop_at=None, **options):
        """`saves`: (instructions, folder), or (instructions, folder, "incremental")."""
        flags = self.save_flags(saves, stop_at)
        return self.firn(*self.guest_arguments(program, *flags, *arguments, **options))

    def saved_once(self, program, *arguments, saves, stop_at=None, disk_mib=None, **options):
        """As saved_run, for what several tests begin with."""
        flags = self.save_flags(saves, stop_at)
        return saved_once(self, *self.guest_arguments(program, *flags, *arguments, **options),
                          disk_mib=disk_mib)

    @staticmethod
    def save_flags(saves, stop_at):
        flags = [word for save in saves for word in ("--save-at", ":".join(map(str, save)))]
        return flags if stop_at is None else [*flags, "--stop-at", str(stop_at)]

    def restore(self, name, *arguments):
        return self.firn("restore", name, *arguments)

    def check_oracle(self, program, *arguments, saves, stop_at, options=((),), **guest_options):
        """A guest that is saved at one of the moments, restored with each of `options`, goes on as the
        saved one itself did."""
        for save in saves:
            run = self.saved_run(program, *arguments, saves=[save], stop_at=stop_at,
                                 **guest_options)
            expected = self.state_of(run)
            for option in options:
                restored = self.restore(save[1], "--identity", "keep", "--stop-at", str(stop_at),
                                        *option)
                self.assertEqual(self.state_of(restored), expected, f"{save} {option}\n{restored}")
                self.assertTrue(run.stdout.endswith(restored.stdout), save)


class OracleTest(SnapshotTest):
    def moments(self, first, last, count, seed):
        moments = sorted(random.Random(seed).sample(range(first, last), count))
        return [(moment, f"s{moment}") for moment in moments]

    def test_early_boot(self):
        self.check_oracle("spin", saves=self.moments(1_000, 340_000_000, 4, seed=1),
                          stop_at=380_000_000)

    def test_one_vcpu(self):
        saves = self.moments(370_000_000, 500_000_000, 1, seed=2)
        self.check_oracle("processes", saves=saves, stop_at=530_000_000,
                          options=((), ("--memory-load", "eager")))

    def test_two_vcpus(self):
        for seed in (3, 4):
            self.check_oracle("checksum", "--cpus", "2",
                              saves=self.moments(370_000_000, 900_000_000, 1, seed),
                              stop_at=950_000_000, words=("firn.seed=7",))

    def test_four_vcpus_of_the_posted_series(self):
        self.check_oracle("checksum", "--cpus", "4", "--dialect", "b",
                          saves=self.moments(400_000_000, 1_000_000_000, 1, seed=5),
                          stop_at=1_100_000_000, words=("firn.seed=7",))

    def test_two_vcpus_of_the_first_posting(self):
        self.check_oracle("checksum", "--cpus", "2", "--dialect", "b1",
                          saves=self.moments(400_000_000, 900_000_000, 1, seed=6),
                          stop_at=950_000_000, words=("firn.seed=7",))

    def test_in_the_middle_of_disk_requests(self):
        disk = self.blank_disk(size_mib=64)
        self.check_oracle("blockread", "--disk", f"{disk},ro",
                          saves=self.moments(370_000_000, 395_000_000, 1, seed=8),
                          stop_at=402_000_000)

    def test_ten_times_over(self):
        """A snapshot of a restored guest, and so on: as if it had been saved ten times itself."""
        moments = [400_000_000 + 30_000_000 * i for i in range(10)]
        stop_at = 750_000_000
        run = self.saved_run("checksum", "--cpus", "2", saves=[(m, f"r{m}") for m in moments],
                             stop_at=stop_at, words=("firn.seed=7",))
        expected = self.state_of(run)
        last = f"r{moments[0]}"
        for moment in moments[1:]:
            following = f"c{moment}"
            outcome = self.restore(last, "--identity", "keep", "--save-at", f"{moment}:{following}",
                                   "--stop-at", str(moment + 1))
            self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
            shutil.rmtree(self.folder / last)
            last = following
        outcome = self.restore(last, "--identity", "keep", "--stop-at", str(stop_at))
        self.assertEqual(self.state_of(outcome), expected)


class MomentsTest(SnapshotTest):
    """Saves in the middle of what can go wrong: a guest whose CPUs interrupt each other and that reads a
    disk. It is booted and saved once; from there on each moment is one save, restored."""

    warm = 430_000_000
    # Each event comes within this, wherever a change to the guest's files has moved it, and several
    # times while a restored guest goes on.
    longest_search = 64_000_000
    goes_on = 6_000_000
    # What happens at a moment that is looked for: where --stats counts it.
    EVENTS = {
        "interrupt of the other CPU": lambda stats: stats["total"]["interrupts"]["lpi"],
        "timer interrupt": lambda stats: stats["total"]["interrupts"]["ppi"],
        "disk request": lambda stats: stats["devices"]["blk.disk0"]["requests"],
        "disk interrupt": lambda stats: stats["total"]["interrupts"]["spi"],
    }
    ICC_APR_EL1 = 3 << 14 | 1 << 11 | 12 << 7

    def boot_and_save(self, dialect):
        run = self.saved_run("busy", "--cpus", "2", "--memory", "192M", "--dialect", dialect,
                             "--track-dirty-pages", "--disk", f"{self.blank_disk(1)},ro",
                             saves=[(self.warm, "warm")], stop_at=self.warm + 1, words=("quiet",))
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))

    def run_on(self, name, stop_at, *arguments):
        return self.restore(name, "--identity", "keep", "--stop-at", str(stop_at), *arguments)

    def moment_of(self, count, before):
        """A moment within 8 instructions after it has happened once more since `before`, by bisection:
        runs repeat exactly."""
        def counted(moment):
            stats = self.folder / "stats.json"
            return count(self.run_on("warm", moment, "--stats", str(stats)).stats)

        start = counted(before)
        width = 4096
        while counted(before + width) == start:
            width *= 2
            self.assertLess(width, self.longest_search)
        after = before + width
        while after - before > 8:
            middle = (before + after) // 2
            if counted(middle) > start:
                after = middle
            else:
                before = middle
        return after

    def is_in_a_handler(self, name):
        """Whether a CPU has an active priority."""
        registers = self.firn("inspect", name, "--section", "gic/registers").console
        values = re.findall(rf"encoding: {self.ICC_APR_EL1}\n +value: (\d+)", registers)
        return any(int(value) != 0 for value in values)

    def check_moment(self, moment, index):
        """One save at `moment`, restored: both go on alike. Returns whether it was in a handler."""
        how = ":incremental" if index % 2 else ""
        load = ("mapped", "eager")[index // 2 % 2]
        stop_at = moment + self.goes_on
        saved = self.state_of(self.run_on("warm", stop_at, "--track-dirty-pages", "--save-at",
                                          f"{moment}:snapshot{how}"))
        restored = self.state_of(self.run_on("snapshot", stop_at, "--memory-load", load))
        self.assertEqual(restored, saved, f"{moment}{how}, {load}")
        in_a_handler = self.is_in_a_handler("snapshot")
        shutil.rmtree(self.folder / "snapshot")
        return in_a_handler

    def test_in_the_middle_of_interrupts_and_disk_requests(self):
        self.boot_and_save("c")
        in_handlers = set()
        index = 0
        moment = self.warm + 1000
        for event, count in self.EVENTS.items():
            moment = self.moment_of(count, moment)
            for distance in (-40, 0, 60):
                if self.check_moment(moment + distance, index):
                    in_handlers.add(event)
                index += 1
        # Else they were not the moments that they should be.
        self.assertEqual(in_handlers, {event for event in self.EVENTS if "interrupt" in event})

    def test_random_moments_of_the_posted_series(self):
        self.boot_and_save("b")
        moments = random.Random(2).sample(range(self.warm + 1000, self.warm + 10_000_000), 8)
        for index, moment in enumerate(moments):
            self.check_moment(moment, index)


class ChainTest(SnapshotTest):
    """Incremental saves, and what firn compact makes of them."""

    moments = [400_000_000 + 50_000_000 * i for i in range(4)]
    names = ["base", "layer1", "layer2", "layer3"]
    stop_at = 700_000_000

    def chain(self, *arguments, words=("firn.seed=7",)):
        """Saves a base and three layers, each on the last; returns the guest's state at the end."""
        saves = [(moment, name) if name == "base" else (moment, name, "incremental")
                 for moment, name in zip(self.moments, self.names)]
        run = self.saved_once("checksum", "--cpus", "2", "--track-dirty-pages", *arguments,
                              saves=saves, stop_at=self.stop_at, words=words)
        return self.state_of(run)

    def state_after(self, name, *arguments):
        return self.state_of(self.restore(name, "--identity", "keep", "--stop-at",
                                          str(self.stop_at), *arguments))

    def test_every_layer_goes_on_as_the_saved_guest(self):
        expected = self.chain()
        for index, name in enumerate(self.names):
            # A save is an event for the order of the vCPUs: it is made here too.
            saves = [word for moment in self.moments[index + 1:]
                     for word in ("--save-at", f"{moment}:later")]
            self.assertEqual(self.state_after(name, *saves), expected, name)
        self.assertEqual(self.state_after("layer3", "--memory-load", "eager"), expected)

    def test_layers_of_the_posted_series(self):
        expected = self.chain("--dialect", "b")
        self.assertEqual(self.state_after("layer3"), expected)

    def test_compacted(self):
        expected = self.chain()
        outcome = self.firn("compact", "layer3", "--into", "full")
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertIn("4 snapshots in one", outcome.console)
        self.assertEqual(self.firn("verify", "full").status, 0)
        self.assertEqual(self.state_after("full"), expected)
        # In place, only at the end of the chain.
        outcome = self.firn("compact", "layer2")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertRegex(outcome.stderr, "layer3/state lies on layer2/state")
        outcome = self.firn("compact", "layer3", "--into", "base")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertIn("is one of the files to be read", outcome.stderr)
        self.assertEqual(self.state_after("layer3"), expected)
        self.assertEqual(self.firn("compact", "layer3", "--quiet").stdout, b"")
        for name in ("base", "layer1", "layer2"):
            shutil.rmtree(self.folder / name)
        self.assertEqual(self.state_after("layer3", "--memory-load", "eager"), expected)
        self.assertEqual((self.folder / "layer3/memory").stat().st_blocks,
                         (self.folder / "full/memory").stat().st_blocks)
        # It is a base like any other.
        outcome = self.restore("layer3", "--track-dirty-pages", "--identity", "keep", "--save-at",
                               "650000000:again:incremental", "--stop-at", str(self.stop_at))
        self.assertEqual(self.state_after("again"), self.state_of(outcome))

    def test_compact_of_what_is_no_chain(self):
        self.saved_run("spin", saves=[(300_000_000, "good")], stop_at=300_000_001)
        outcome = self.firn("compact", "good")
        self.assertEqual(outcome.status, 0, str(outcome))
        self.assertIn("a full snapshot already", outcome.console)
        self.assertEqual(self.firn("compact", "good", "--into", "copy").status, 0)
        self.assertEqual(self.firn("verify", "copy").status, 0)
        outcome = self.firn("compact", "nowhere", "--into", "new")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertFalse((self.folder / "new").exists())
        self.assertEqual(self.firn("compact").status, guest.STATUS_USAGE)

    def test_layer_on_a_base_that_was_replaced(self):
        run = self.saved_run("spin", "--track-dirty-pages",
                             saves=[(300_000_000, "base"), (310_000_000, "layer", "incremental")],
                             stop_at=310_000_001)
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))
        self.firn("compact", "layer", "--into", "full")
        shutil.rmtree(self.folder / "base")
        (self.folder / "full").rename(self.folder / "base")
        outcome = self.restore("layer")
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertIn("it was replaced since", outcome.stderr)


class RestoredGuestTest(SnapshotTest):
    def test_it_finishes_its_work(self):
        run = self.saved_once("checksum", "--cpus", "2", saves=[(500_000_000, "snapshot")],
                              words=("firn.seed=11",))
        self.assertEqual(run.status, guest.STATUS_POWER_OFF, str(run))
        for attempt in range(2):  # the snapshot stays as it is
            outcome = self.restore("snapshot")
            self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, f"{attempt}\n{outcome}")
            self.assertEqual(outcome.lines("FIRN-TEST checksum:"), ["ok"], str(outcome))
            for cpu in range(2):
                self.assertIn(f"FIRN-CHECKSUM {cpu} {' '.join(workload.checksums(11, cpu))}",
                              outcome.console)

    def test_disk_goes_on_where_it_was(self):
        data = guest.random_bytes(64 << 20, seed=64)
        disk = self.disk(size_mib=160, from_host=data)
        # Before the guest mounts it, so that the image is as it was.
        run = self.saved_run("disk", "--disk", disk, saves=[(330_000_000, "snapshot")],
                             stop_at=330_000_100)
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))
        copy = str(self.folder / "copy.img")
        shutil.copy(disk, copy)
        outcome = self.restore("snapshot", "--disk", copy)
        self.assertEqual(outcome.lines("FIRN-TEST disk:"), ["ok"], str(outcome))
        self.check_file_system(copy)
        self.assertEqual(self.disk_file(copy, "from-guest"), data)


class ControlTest(SnapshotTest):
    def save_running(self, *saves, track=False):
        """Boots a guest that works for long and saves it, through the control API, while it runs."""
        config = {"boot-source": {"kernel_image_path": guest.kernel_image(),
                                  "initrd_path": guest.initrd(),
                                  "boot_args": " ".join(["console=ttyS0 panic=-1 quiet firn.test=spin",
                                                         *guest.QUICK_BOOT])},
                  "machine-config": {"vcpu_count": 1, "mem_size_mib": 192,
                                     "track_dirty_pages": track}}
        (self.folder / "vm.json").write_text(json.dumps(config))
        with self.firn_running("run", "--config", "vm.json", "--hypervisor=software", "--api-sock",
                               "vm.sock") as process:
            self.read_until(process, "FIRN-SPIN")
            # Its console must be read, or it stands still.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            for arguments in saves:
                outcome = self.firn("save", "vm.sock", *arguments)
                self.assertEqual(outcome.status, 0, str(outcome))
            self.assertIsNone(process.poll())

    def runs_on(self, name):
        stop_at = 3_000_000_000
        outcome = self.restore(name, "--stop-at", str(stop_at))
        self.assertIn(outcome.status, (guest.STATUS_STOP_AT,), str(outcome))

    def test_save_of_a_running_guest(self):
        self.save_running(["one"], ["two"])
        for name in ("one", "two"):
            self.assertEqual(sorted(os.listdir(self.folder / name)), ["memory", "state"])

    def test_incremental(self):
        self.save_running(["base"], ["layer", "--incremental"], ["top", "--incremental"], track=True)
        base = (self.folder / "base/memory").stat()
        layer = (self.folder / "layer/memory").stat()
        self.assertEqual(base.st_size, layer.st_size)
        self.assertLess(layer.st_blocks, base.st_blocks / 4)
        stop_at = str(10 ** 9)
        self.assertEqual(self.state_of(self.restore("top", "--identity", "keep", "--stop-at", stop_at)),
                         self.state_of(self.restore("top", "--identity", "keep", "--stop-at", stop_at,
                                                    "--memory-load", "eager")))

    def test_incremental_over_its_own_base(self):
        with self.assertRaisesRegex(AssertionError, "give it another name"):
            self.save_running(["base"], ["base", "--incremental"], track=True)
        self.assertEqual(self.firn("verify", "base").status, 0)

    def test_incremental_needs_a_base_and_tracking(self):
        with self.assertRaisesRegex(AssertionError, "track_dirty_pages"):
            self.save_running(["layer", "--incremental"])
        with self.assertRaisesRegex(AssertionError, "make a full one first"):
            self.save_running(["layer", "--incremental"], track=True)


class TraceTest(SnapshotTest):
    PHASE = re.compile(r"firn: (save|restore): ([a-zA-Z ]+) \(\d+\.\d ms\)$", re.MULTILINE)

    def test_phases_in_their_order(self):
        run = self.saved_run("spin", "--trace", saves=[(300_000_000, "good")], stop_at=300_000_001)
        self.assertEqual(self.PHASE.findall(run.stderr),
                         [("save", phase) for phase in
                          ("memory of the running guest", "pausing vCPUs", "draining devices",
                           "interrupt tables", "registers", "memory", "resuming", "publishing")])
        restored = self.restore("good", "--trace", "--quiet", "--stop-at", "300001000")
        self.assertEqual(self.PHASE.findall(restored.stderr),
                         [("restore", phase) for phase in
                          ("memory", "registers", "interrupt tables", "enabling interrupts",
                           "devices", "time")])
        self.assertNotIn("restore:", self.restore("good", "--stop-at", "300001000").stderr)


class BadSnapshotTest(SnapshotTest):
    def snapshot(self):
        run = self.saved_once("spin", "--cpus", "2", "--disk", "disk.img,ro", disk_mib=1,
                              saves=[(300_000_000, "good")], stop_at=300_000_001)
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))

    def refused(self, name, message, *arguments):
        outcome = self.restore(name, *arguments)
        self.assertEqual(outcome.status, guest.STATUS_ERROR, str(outcome))
        self.assertRegex(outcome.stderr, message)

    def test_damaged_files(self):
        self.snapshot()
        state = (self.folder / "good/state").read_bytes()
        generator = random.Random(9)
        for _ in range(40):
            damaged = bytearray(state)
            bit = generator.randrange(len(state) * 8)
            damaged[bit // 8] ^= 1 << bit % 8
            (self.folder / "good/state").write_bytes(damaged)
            self.refused("good", "damaged|not a state file|newer firn")
        for size in (0, 1, 31, 32, 100, len(state) - 1):
            (self.folder / "good/state").write_bytes(state[:size])
            self.refused("good", "damaged|not a state file")
        (self.folder / "good/state").write_bytes(state)
        memory = self.folder / "good/memory"
        os.truncate(memory, memory.stat().st_size - 4096)
        self.refused("good", "not a memory file of a snapshot, or not whole")

    def test_flipped_bit_in_memory(self):
        self.snapshot()
        with open(self.folder / "good/memory", "r+b") as memory:
            start = os.lseek(memory.fileno(), 0, os.SEEK_DATA)
            memory.seek(start + 100)
            byte = memory.read(1)[0]
            memory.seek(start + 100)
            memory.write(bytes([byte ^ 4]))
        self.refused("good", "damaged: checksum", "--memory-load", "eager")

    def test_what_is_not_there(self):
        self.refused("nowhere", "nowhere.*No such file")
        (self.folder / "empty").mkdir()
        self.refused("empty", "empty/state.*No such file")
        self.snapshot()
        os.unlink(self.folder / "good/memory")
        self.refused("good", "memory.*No such file")

    def test_memory_of_another_snapshot(self):
        self.snapshot()
        self.restore("good", "--save-at", "300001000:other", "--stop-at", "300001001")
        self.refused("good", "memory of another snapshot", "--memory-file", "other/memory")

    def test_disks(self):
        self.snapshot()
        self.refused("good", "disk|bytes", "--disk", self.blank_disk(2, name="larger.img"))
        self.refused("good", "gone.img", "--disk", "gone.img")
        outcome = self.restore("good", "--disk", "a", "--disk", "b")
        self.assertEqual(outcome.status, guest.STATUS_USAGE, str(outcome))
