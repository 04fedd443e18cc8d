# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Memory from a page fault handler: one that does well, and those that do not."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import termios
import threading

import guest
from fault_handler import FaultHandler
from load_test import LoadingTest

GONE = re.compile(r"the page fault handler at \S*handler.sock is gone \(it closed its socket\), and "
                  r"\d+ of 65536 pages .*: see why it ended")


class HandlerTest(LoadingTest):
    def setUp(self):
        self.need_userfaultfd()

    def handler(self, **options):
        path = str(self.folder / "handler.sock")
        if os.path.exists(path):
            os.unlink(path)
        return FaultHandler(path, self.folder / "snapshot/memory", **options)

    def load(self, **more):
        """(status, answer) of a load with the handler"""
        body = self.body(**more)
        body["mem_backend"] = {"backend_type": "Uffd",
                               "backend_path": str(self.folder / "handler.sock")}
        return self.request("PUT", "/snapshot/load", body)

    def ended(self, firn, status):
        """It ends in order; what it says."""
        _, stderr = firn.communicate(timeout=guest.TIME_LIMIT)
        self.assertEqual(firn.returncode, status, stderr)
        self.assertFalse(os.path.exists(self.sock))
        stats = json.loads((self.folder / "stats.json").read_text())
        self.assertEqual(stats["exit_status"], status)
        return stderr.decode(), stats

    @contextlib.contextmanager
    def on_terminal(self, *arguments):
        """A firn with a terminal, and what stands for its keyboard."""
        keyboard, terminal = pty.openpty()
        with subprocess.Popen([guest.FIRN, *arguments], stdin=terminal, stdout=terminal,
                              stderr=subprocess.PIPE, cwd=self.folder, start_new_session=True,
                              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as process:
            os.close(terminal)
            try:
                yield process, keyboard
            finally:
                process.kill()
                os.close(keyboard)

    def test_it_loads_memory(self):
        self.save()
        handler = self.handler()
        with self.waiting("--stats", "stats.json") as firn:
            self.assertEqual(self.load(resume_vm=True), (204, None))
            console, _ = firn.communicate(timeout=guest.TIME_LIMIT)
            self.assertEqual(firn.returncode, guest.STATUS_POWER_OFF)
            self.assertIn(b"FIRN-TEST checksum: ok", console)
        handler.join(guest.TIME_LIMIT)
        self.assertEqual([(region["size"], region["offset"], region["page_size"])
                          for region in handler.regions], [(256 << 20, 0, 4096)])
        self.assertGreater(handler.faults, 100)
        stats = json.loads((self.folder / "stats.json").read_text())
        self.assertEqual(stats["restore"]["memory_load"], "handler")

    def test_it_dies_at_once(self):
        self.save()
        self.handler(pages=0)
        with self.waiting("--stats", "stats.json") as firn:
            status, answer = self.load()
            if status == 204:
                message, _ = self.ended(firn, guest.STATUS_ERROR)
                self.assertRegex(message, GONE)
            else:  # firn noticed while it loaded: another load may do better
                self.assertEqual(status, 400)
                self.assertRegex(answer["fault_message"], GONE)
                self.assertEqual(self.state(), "Not started")
                self.handler()
                self.assertEqual(self.load(resume_vm=True), (204, None))
                self.ended(firn, guest.STATUS_POWER_OFF)

    def test_it_dies_when_the_guest_has_run(self):
        self.save()
        for pages in (1, 2, 40, 400):
            handler = self.handler(pages=pages)
            with self.waiting("--stats", "stats.json", "--console", "guest.log") as firn:
                self.assertEqual(self.load(resume_vm=True), (204, None))
                message, stats = self.ended(firn, guest.STATUS_ERROR)
                self.assertRegex(message, GONE)
                self.assertEqual(stats["outcome"], "error")
                self.assertNotIn(b"\0", (self.folder / "guest.log").read_bytes())
            handler.join(guest.TIME_LIMIT)

    def test_it_never_answers(self):
        self.save()
        handler = self.handler(answers=False)
        with self.waiting("--stats", "stats.json") as firn:
            load = threading.Thread(target=self.load, kwargs={"resume_vm": True}, daemon=True)
            load.start()
            self.assertTrue(handler.asked.wait(guest.TIME_LIMIT))
            load.join(guest.TIME_LIMIT)
            self.assertIn("or for memory", self.fault("PATCH", "/vm", {"state": "Paused"}))
            self.assertEqual(self.state(), "Running")
            firn.send_signal(signal.SIGTERM)
            message, stats = self.ended(firn, 128 + signal.SIGTERM)
            self.assertEqual(stats["outcome"], "signal")
            self.assertNotIn("error", message)

    def test_it_never_answers_and_the_user_quits(self):
        self.save()
        handler = self.handler(answers=False)
        with self.on_terminal("run", "--api-sock", self.sock, "--stats", "stats.json") as (
                firn, keyboard):
            self.read_stderr_until(firn, "waiting for PUT /snapshot/load")
            self.assertEqual(self.load(resume_vm=True), (204, None))
            self.assertTrue(handler.asked.wait(guest.TIME_LIMIT))
            self.read_stderr_until(firn, "Ctrl-A x quits")
            os.write(keyboard, b"\x01x")
            self.ended(firn, 128 + signal.SIGINT)
