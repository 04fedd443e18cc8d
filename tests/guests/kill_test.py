# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""kill -9 at random moments of saves: there is always a whole snapshot, and the guest in it is whole."""

import http.client
import json
import os
import random
import shutil
import subprocess
import threading
import time

import guest
from api_test import UnixConnection
from guest import GuestTest

# Of full saves, and as many of incremental ones.
KILLS = int(os.environ.get("FIRN_KILL_SAVES", "40")) // 2
# A chain of more is folded.
LAYERS = 6

# Counts, into 1024 pages in turn, and ends as soon as a page has not the count of its last turn: so when
# memory, or registers and memory, are not of one moment.
KERNEL = """
head:
    b 1f
    .long 0
    .quad 0, end - head, 0x0a, 0, 0, 0
    .ascii "ARM\\x64"
    .long 0
1:  mov x1, #0x40200000
    mov x0, #0
2:  add x3, x1, x0, lsl #12
    str x0, [x3]
    add x0, x0, #1
    cmp x0, #1024
    b.ne 2b
3:  and x2, x0, #1023
    add x3, x1, x2, lsl #12
    ldr x4, [x3]
    add x4, x4, #1024
    cmp x4, x0
    b.ne 4f
    str x0, [x3]
    add x0, x0, #1
    b 3b
4:  movz w0, #0x0008
    movk w0, #0x8400, lsl #16   // PSCI SYSTEM_OFF
    hvc #0
    b .
end:
"""


class KillTest(GuestTest):
    def build_kernel(self):
        path = self.folder / "kernel"
        subprocess.run(["aarch64-linux-gnu-as", "-o", path.with_suffix(".o"), "-"], check=True,
                       input=KERNEL.encode())
        subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", path.with_suffix(".o"), path],
                       check=True)

    def setUp(self):
        self.answers = []
        self.save_seconds = 0
        self.generator = random.Random(2026)

    def save(self, name="snapshot", kind="Full"):
        """Whether the save was answered; a firn that is killed does not answer."""
        connection = UnixConnection(str(self.folder / "vm.sock"))
        (self.folder / name).mkdir(exist_ok=True)
        body = {"snapshot_type": kind, "snapshot_path": str(self.folder / name / "state"),
                "mem_file_path": str(self.folder / name / "memory")}
        try:
            connection.request("PUT", "/snapshot/create", json.dumps(body))
            response = connection.getresponse()
            self.answers.append((response.status, response.read()))
            return True
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def save_for_ever(self):
        while self.save():
            pass

    def save_layers(self, number):
        """Layers from that of `number` on, each on the one before."""
        while self.save(f"layer-{number}", "Diff"):
            number += 1

    def time_of(self, *arguments):
        """Remembers how long a save takes."""
        begin = time.monotonic()
        self.assertTrue(self.save(*arguments))
        self.save_seconds = time.monotonic() - begin

    def wait_for_socket(self, process):
        deadline = time.monotonic() + guest.TIME_LIMIT
        while time.monotonic() < deadline:
            self.assertIsNone(process.poll(), "firn ended early")
            connection = UnixConnection(str(self.folder / "vm.sock"))
            try:
                connection.request("GET", "/")
                self.assertEqual(connection.getresponse().status, 200)
                return
            except OSError:
                time.sleep(0.002)
            finally:
                connection.close()
        self.fail("no control API")

    def kill_while_it_saves(self, save, *arguments):
        """Starts firn, which `save` makes save over and over, and kills it."""
        before = len(self.answers)
        with self.firn_running(*arguments, "--api-sock", "vm.sock") as process:
            self.wait_for_socket(process)
            saver = threading.Thread(target=save)
            saver.start()
            time.sleep(self.generator.random() * 3 * self.save_seconds)
            alive = process.poll() is None
            process.kill()
            saver.join()
        # So that about every other one is killed in its first save, and the rest in the next ones.
        self.save_seconds *= 1.25 if len(self.answers) == before else 0.8
        self.assertTrue(alive, "the guest ended: its memory and registers did not fit")
        self.assertEqual([answer for answer in self.answers if answer[0] != 204], [])

    def test_the_guest_notices(self):
        """What the other test relies on."""
        self.build_kernel()
        self.firn("run", "--hypervisor=software", "--kernel", "kernel", "--memory=16M",
                  "--save-at", "100000:snapshot", "--stop-at", "100000")
        outcome = self.firn("restore", "snapshot", "--stop-at", "200000")
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        with open(self.folder / "snapshot/memory", "r+b") as memory:
            memory.seek(0x200000 + 512 * 4096)
            count = int.from_bytes(memory.read(8), "little")
            self.assertEqual(count % 1024, 512)
            memory.seek(-8, os.SEEK_CUR)
            memory.write((count - 1024).to_bytes(8, "little"))
        outcome = self.firn("restore", "snapshot", "--stop-at", "200000")  # mapped: not checked
        self.assertEqual(outcome.status, guest.STATUS_POWER_OFF, str(outcome))

    def verify(self, name, kill):
        """Whether files of an unfinished save lie with the snapshot, which is whole."""
        names = os.listdir(self.folder / name)
        outcome = self.firn("verify", name)
        self.assertEqual(outcome.status, 0, f"kill {kill}: {name}: {names}\n{outcome}")
        return sorted(names) != ["memory", "state"]

    def tell(self, kills, in_the_middle):
        print(f"{kills} kills, {in_the_middle} of them with files of an unfinished save left, "
              f"{len(self.answers)} saves; one took about {self.save_seconds * 1000:.0f} ms")
        self.assertGreater(in_the_middle, kills // 4, "the kills did not hit the saves")

    def config(self):
        (self.folder / "vm.json").write_text(json.dumps({
            "boot-source": {"kernel_image_path": "kernel"},
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 16, "track_dirty_pages": True}}))
        return "vm.json"

    def test_there_is_always_a_whole_snapshot(self):
        self.build_kernel()
        # The first save is not killed; it tells how long one takes.
        with self.firn_running("run", "--hypervisor=software", "--kernel", "kernel", "--memory=16M",
                               "--api-sock", "vm.sock") as process:
            self.wait_for_socket(process)
            time.sleep(0.1)  # past the first turn
            self.time_of()
        in_the_middle = 0
        for kill in range(KILLS):
            self.kill_while_it_saves(self.save_for_ever, "restore", "snapshot")
            in_the_middle += self.verify("snapshot", kill)
        self.tell(KILLS, in_the_middle)
        # The last guest is whole too, and the next save leaves nothing of those before.
        outcome = self.firn("restore", "snapshot", "--save-at", "1:snapshot", "--stop-at", "1")
        self.assertEqual(outcome.status, guest.STATUS_STOP_AT, str(outcome))
        self.assertEqual(sorted(os.listdir(self.folder / "snapshot")), ["memory", "state"])

    def whole_layers(self, kill):
        """How many layers there are, each of them whole, and whether one was in the making."""
        count = 0
        in_the_middle = False
        while (self.folder / f"layer-{count}").exists():
            if not (self.folder / f"layer-{count}/state").exists():
                return count, True
            in_the_middle = self.verify(f"layer-{count}", kill)
            count += 1
        return count, in_the_middle

    def start_again(self, count):
        """The chain up to the topmost layer becomes a full snapshot."""
        top = f"layer-{count - 1}"
        outcome = self.firn("compact", top)
        self.assertEqual(outcome.status, 0, str(outcome))
        shutil.rmtree(self.folder / "snapshot")
        (self.folder / top).rename(self.folder / "snapshot")
        for folder in self.folder.glob("layer-*"):
            shutil.rmtree(folder)

    def test_there_is_always_a_whole_chain(self):
        self.build_kernel()
        with self.firn_running("run", "--hypervisor=software", "--config", self.config(),
                               "--api-sock", "vm.sock") as process:
            self.wait_for_socket(process)
            time.sleep(0.1)
            self.assertTrue(self.save())
            self.time_of("layer-0", "Diff")
        in_the_middle = 0
        count = 1
        for kill in range(KILLS):
            # On the topmost layer, or on the one below, so that saves replace the topmost.
            below = self.generator.choice((0, 1)) if count > 0 else 0
            number = count - below
            top = f"layer-{number - 1}" if number > 0 else "snapshot"
            self.kill_while_it_saves(lambda first=number: self.save_layers(first), "restore", top,
                                     "--track-dirty-pages")
            self.verify("snapshot", kill)
            count, hit = self.whole_layers(kill)
            in_the_middle += hit
            self.assertGreaterEqual(count, number, f"kill {kill}: layers are gone")
            if count > LAYERS:
                self.start_again(count)
                count = 0
        self.tell(KILLS, in_the_middle)
