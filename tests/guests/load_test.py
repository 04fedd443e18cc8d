# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""PUT /snapshot/load: a firn that waits for a snapshot on its control API."""

import contextlib
import json
import os
import shutil
import signal

import guest
from api_test import ApiTest
from saved_once import saved_once


class LoadingTest(ApiTest):
    """firn run --api-sock without a kernel, as a platform that drives Firecracker starts clones."""

    def save(self):
        run = saved_once(self, *self.guest_arguments("checksum", "--save-at", "400000000:snapshot",
                                                     "--stop-at", "400000001",
                                                     words=("firn.seed=3",)))
        self.assertEqual(run.status, guest.STATUS_STOP_AT, str(run))

    @contextlib.contextmanager
    def waiting(self, *arguments):
        with self.firn_running("run", "--api-sock", self.sock, *arguments) as firn:
            self.read_stderr_until(firn, "waiting for PUT /snapshot/load")
            yield firn

    def read_stderr_until(self, firn, marker):
        line = b""
        while marker.encode() not in line:
            line = firn.stderr.readline()
            self.assertNotEqual(line, b"", "it ended")

    def body(self, **more):
        return {"snapshot_path": str(self.folder / "snapshot/state"),
                "mem_backend": {"backend_type": "File",
                                "backend_path": str(self.folder / "snapshot/memory")}, **more}


class LoadTest(LoadingTest):
    def test_loads_and_resumes(self):
        self.save()
        with self.waiting() as firn:
            self.assertEqual(self.state(), "Not started")
            self.assertIn("not started", self.fault("PATCH", "/vm", {"state": "Resumed"}))
            self.assertEqual(self.request("PUT", "/snapshot/load", self.body(resume_vm=True)),
                             (204, None))
            console, _ = firn.communicate(timeout=guest.TIME_LIMIT)
            self.assertEqual(firn.returncode, guest.STATUS_POWER_OFF)
            self.assertIn(b"FIRN-TEST checksum: ok", console)

    def test_loads_and_waits(self):
        self.save()
        with self.waiting("--console", "guest.log") as firn:
            self.assertEqual(self.request("PUT", "/snapshot/load",
                                          self.body(track_dirty_pages=True))[0], 204)
            self.assertEqual(self.state(), "Paused")
            _, machine = self.request("GET", "/machine-config")
            self.assertTrue(machine["track_dirty_pages"])
            self.assertIn("there already", self.fault("PUT", "/snapshot/load", self.body()))
            self.ok("save", self.sock, "again")
            self.ok("save", self.sock, "more", "--incremental")
            self.ok("resume", self.sock)
            self.assertEqual(firn.wait(guest.TIME_LIMIT), guest.STATUS_POWER_OFF)
            self.assertIn("FIRN-TEST checksum: ok", (self.folder / "guest.log").read_text())

    def test_a_load_that_fails_can_be_tried_again(self):
        self.save()
        with self.waiting() as firn:
            body = self.body()
            self.assertIn("No such file", self.fault("PUT", "/snapshot/load",
                                                     {**body, "snapshot_path": "nowhere"}))
            self.assertIn("not a memory file", self.fault(
                "PUT", "/snapshot/load",
                {**body, "mem_backend": {"backend_type": "File",
                                         "backend_path": body["snapshot_path"]}}))
            self.assertRegex(
                self.fault("PUT", "/snapshot/load",
                           {**body, "mem_backend": {"backend_type": "Uffd",
                                                    "backend_path": "u.sock"}}),
                "page fault handler u.sock: No such file.*must listen|userfaultfd")
            self.assertEqual(self.state(), "Not started")
            self.assertEqual(self.request("PUT", "/snapshot/load", self.body(resume_vm=True))[0],
                             204)
            console, _ = firn.communicate(timeout=guest.TIME_LIMIT)
            self.assertIn(b"FIRN-TEST checksum: ok", console)

    def loaded_with(self, **fields):
        """What a guest's statistics say of its memory, which was loaded as `fields` of mem_backend ask."""
        body = self.body(resume_vm=True)
        body["mem_backend"].update(fields)
        with self.waiting("--stats", "stats.json") as firn:
            self.assertEqual(self.request("PUT", "/snapshot/load", body), (204, None))
            console, _ = firn.communicate(timeout=guest.TIME_LIMIT)
            self.assertEqual(firn.returncode, guest.STATUS_POWER_OFF)
            self.assertIn(b"FIRN-TEST checksum: ok", console)
        return json.loads((self.folder / "stats.json").read_text())["restore"]

    def test_ways_to_load_memory(self):
        self.save()
        self.need_userfaultfd()
        self.assertEqual(self.loaded_with(memory_load="eager", huge_pages=True)["memory_load"],
                         "eager")
        recorded = self.loaded_with(memory_load="demand", record_working_set="ws")
        self.assertEqual((recorded["memory_load"], recorded["pages_prefetched"]), ("demand", 0))
        ahead = self.loaded_with(memory_load="demand", working_set="ws")
        self.assertGreater(ahead["pages_prefetched"], 0)
        self.assertLess(ahead["faults"], recorded["faults"])
        # The one beside the state file is found.
        shutil.move(self.folder / "ws", self.folder / "snapshot/working-set")
        mapped = self.loaded_with()
        self.assertEqual(mapped["memory_load"], "mapped")
        self.assertGreater(mapped["pages_prefetched"], 0)

    def test_ways_to_load_memory_that_do_not_work(self):
        self.save()
        with self.waiting():
            for fields, expected in (
                    ({"working_set": "no/ws"}, "`mem_backend.working_set`: .*no/ws: No such file"),
                    ({"memory_load": "demand", "record_working_set": "no/ws"},
                     "`mem_backend.record_working_set`: .*no.*No such file"),
                    ({"memory_load": "lazy"}, "`mem_backend.memory_load` must be"),
                    ({"huge_pages": True}, "needs `mem_backend.memory_load` demand or eager")):
                body = self.body()
                body["mem_backend"].update(fields)
                self.assertRegex(self.fault("PUT", "/snapshot/load", body), expected)
            self.assertEqual(self.request("PUT", "/snapshot/load", self.body())[0], 204)

    def test_the_deprecated_body(self):
        self.save()
        with self.waiting():
            body = {"snapshot_path": "snapshot/state", "mem_file_path": "snapshot/memory",
                    "enable_diff_snapshots": True}
            self.assertEqual(self.request("PUT", "/snapshot/load", body)[0], 204)
            self.assertEqual(self.state(), "Paused")

    def test_it_can_be_ended_without_a_machine(self):
        with self.waiting() as firn:
            firn.send_signal(signal.SIGTERM)
            self.assertEqual(firn.wait(guest.TIME_LIMIT), 128 + signal.SIGTERM)
        self.assertFalse(os.path.exists(self.sock))

    def test_flags_of_a_machine_that_boots_are_refused(self):
        self.refused("--cpus is for a machine that boots", "run", "--api-sock", self.sock, "--cpus",
                     "2", status=guest.STATUS_USAGE)
