# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The control API of a running guest, for clients that are not firn's and for those that are."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time

import guest
from guest import GuestTest


class UnixConnection(http.client.HTTPConnection):
    """Python's own HTTP client over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=guest.TIME_LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class ApiTest(GuestTest):
    @property
    def sock(self):
        return str(self.folder / "vm.sock")

    @contextlib.contextmanager
    def guest_running(self, program="forever", *arguments, words=()):
        """A guest whose kernel has said its first word."""
        with self.firn_running(*self.guest_arguments(program, "--api-sock", self.sock, *arguments,
                                                     words=["earlycon", *words])) as firn:
            self.read_until(firn, "Booting Linux")
            yield firn

    def request(self, method, path, body=None):
        """(status, JSON of the answer or None)"""
        connection = UnixConnection(self.sock)
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, path, text)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data) if data else None

    def state(self):
        status, info = self.request("GET", "/")
        self.assertEqual(status, 200)
        return info["state"]

    def fault(self, *arguments):
        status, answer = self.request(*arguments)
        self.assertEqual(status, 400, answer)
        self.assertEqual(list(answer), ["fault_message"])
        return answer["fault_message"]

    def ok(self, *arguments):
        outcome = self.firn(*arguments)
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr), (0, b"", ""))

    def refused(self, expected, *arguments, status=guest.STATUS_ERROR):
        outcome = self.firn(*arguments)
        self.assertEqual(outcome.status, status, str(outcome))
        self.assertRegex(outcome.stderr, expected)
        self.assertEqual(outcome.stdout, b"")


class RequestTest(ApiTest):
    def test_what_it_tells(self):
        arguments = ["--cpus", "2", "--memory", "192M", "--disk", self.blank_disk()]
        with self.guest_running("forever", *arguments):
            status, info = self.request("GET", "/")
            self.assertEqual(status, 200)
            self.assertEqual(sorted(info), ["app_name", "id", "state", "vmm_version"])
            self.assertEqual(info["state"], "Running")
            version = self.firn("--version").console.split()[1]
            self.assertEqual(self.request("GET", "/version"),
                             (200, {"firecracker_version": version}))
            self.assertEqual(info["vmm_version"], version)
            status, config = self.request("GET", "/vm/config")
            self.assertEqual(status, 200)
            self.assertEqual(config["boot-source"]["kernel_image_path"], guest.kernel_image())
            self.assertEqual([drive["path_on_host"] for drive in config["drives"]], [arguments[-1]])
            self.assertEqual(self.request("GET", "/machine-config"),
                             (200, config["machine-config"]))
            self.assertEqual(config["machine-config"]["vcpu_count"], 2)
            self.assertEqual(config["machine-config"]["mem_size_mib"], 192)
            # It is a configuration: the device tree of both is the same.
            (self.folder / "vm.json").write_text(json.dumps(config))
            tree = self.firn("fdt", "--config", "vm.json")
            self.assertEqual(tree.status, 0, str(tree))
            self.assertEqual(tree.stdout,
                             self.firn("fdt", "--cmdline", config["boot-source"]["boot_args"],
                                       *arguments).stdout)

    def test_faults(self):
        with self.guest_running() as firn:
            self.assertIn("there is no GET /nope", self.fault("GET", "/nope"))
            self.assertIn("there is no PUT /vm", self.fault("PUT", "/vm", {"state": "Paused"}))
            self.assertIn("`stat` is no key", self.fault("PATCH", "/vm", {"stat": "Paused"}))
            self.assertIn("must be a string", self.fault("PATCH", "/vm", {"state": 1}))
            self.assertIn("not JSON", self.fault("PATCH", "/vm", "{"))
            self.assertIn("must have a body", self.fault("PATCH", "/vm"))
            self.assertEqual(self.request("PUT", "/snapshot/create", " " * 51201)[0], 413)
            self.assertEqual(self.state(), "Running")
            self.assertIsNone(firn.poll())

    def test_one_connection_for_many_requests(self):
        with self.guest_running():
            connection = UnixConnection(self.sock)
            for state in ("Paused", "Resumed") * 3:
                connection.request("PATCH", "/vm", json.dumps({"state": state}))
                response = connection.getresponse()
                self.assertEqual((response.status, response.read()), (204, b""))
                used = connection.sock
                connection.request("GET", "/")
                answer = json.loads(connection.getresponse().read())
                self.assertEqual(answer["state"], {"Resumed": "Running"}.get(state, state))
                self.assertIs(connection.sock, used, "the connection was closed")
            connection.close()

    def test_curl(self):
        curl = shutil.which("curl")
        self.assertIsNotNone(curl, "curl is not there: tools/setup")

        def call(*arguments):
            result = subprocess.run(
                [curl, "-sS", "-w", " %{http_code}", "--unix-socket", self.sock, *arguments],
                stdout=subprocess.PIPE, timeout=guest.TIME_LIMIT, check=True, text=True)
            return result.stdout

        with self.guest_running():
            self.assertRegex(call("http://localhost/version"), r'^\{"firecracker_version":.*\} 200$')
            self.assertEqual(call("-X", "PATCH", "-d", '{"state": "Paused"}',
                                  "http://localhost/vm"), " 204")
            self.assertEqual(self.state(), "Paused")
            self.assertEqual(call("-X", "PATCH", "-H", "Transfer-Encoding: chunked", "-d",
                                  '{"state": "Resumed"}', "http://localhost/vm"), " 204")
            self.assertEqual(self.state(), "Running")
            # One body that curl sends only when told to continue, and one too large for any answer.
            (self.folder / "large").write_text('{"state": "Paused"' + " " * 50_000 + "}")
            self.assertEqual(call("-X", "PATCH", "-H", "Expect: 100-continue", "-d", "@"
                                  + str(self.folder / "large"), "http://localhost/vm"), " 204")
            self.assertEqual(self.state(), "Paused")
            (self.folder / "larger").write_text(" " * 500_000)
            self.assertRegex(call("-X", "PATCH", "-H", "Expect:", "--data-binary", "@"
                                  + str(self.folder / "larger"), "http://localhost/vm"),
                             "fault_message.* 413$")

    def test_it_outlives_a_reboot(self):
        with self.guest_running("hello", words=["firn.then=reboot"]) as firn:
            self.read_until(firn, "Booting Linux")
            self.ok("pause", self.sock)
            self.assertEqual(self.state(), "Paused")
            self.ok("resume", self.sock)
            self.assertEqual(self.state(), "Running")
            self.read_until(firn, "FIRN-TEST hello: ok")


class PauseTest(ApiTest):
    def test_commands(self):
        with self.guest_running("forever", "--cpus", "2"):
            self.ok("resume", self.sock)
            self.ok("pause", self.sock)
            self.assertEqual(self.state(), "Paused")
            self.ok("pause", self.sock)
            self.assertEqual(self.state(), "Paused")
            self.ok("resume", self.sock)
            self.assertEqual(self.state(), "Running")

    def test_a_paused_guest_executes_nothing(self):
        def cpu_ticks(firn):
            # utime and stime; a guest that runs spends them: its idle time is skipped.
            fields = pathlib.Path(f"/proc/{firn.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        with self.guest_running() as firn:
            self.ok("pause", self.sock)
            before = cpu_ticks(firn)
            time.sleep(1)
            self.assertLessEqual(cpu_ticks(firn) - before, 2)
            self.ok("resume", self.sock)
            while cpu_ticks(firn) - before <= 2:
                time.sleep(0.01)

    def test_pauses_change_nothing_for_the_guest(self):
        undisturbed = self.boot("checksum", "--cpus", "2", words=["earlycon"])
        stats = self.folder / "stats.json"
        with self.guest_running("checksum", "--cpus", "2", "--stats", str(stats)) as firn:
            pauses = 0
            # Until it has powered off.
            with contextlib.suppress(FileNotFoundError, ConnectionError):
                while True:
                    for state in ("Paused", "Resumed"):
                        status, answer = self.request("PATCH", "/vm", {"state": state})
                        self.assertEqual(status, 204, answer)
                    pauses += 1
                    time.sleep(0.02)
            console, stderr = firn.communicate(timeout=guest.TIME_LIMIT)
            self.assertEqual(firn.returncode, guest.STATUS_POWER_OFF, stderr)
        self.assertGreater(pauses, 3)
        self.assertTrue(undisturbed.stdout.endswith(console))
        self.assertIn(b"FIRN-TEST checksum: ok", console)
        self.assertEqual(json.loads(stats.read_text())["total"]["instructions"],
                         undisturbed.stats["total"]["instructions"])

    def test_a_paused_guest_can_be_ended(self):
        with self.guest_running() as firn:
            self.ok("pause", self.sock)
            firn.terminate()
            firn.communicate(timeout=60)
            self.assertEqual(firn.returncode, 128 + signal.SIGTERM)


class SocketTest(ApiTest):
    def run_refused(self, expected, path):
        self.refused(expected, *self.guest_arguments("forever", "--api-sock", path))

    def test_it_is_the_owners_and_goes_at_the_end(self):
        with self.guest_running() as firn:
            mode = os.stat(self.sock).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o600)
            firn.terminate()
            firn.communicate(timeout=60)
        self.assertFalse(os.path.lexists(self.sock))

    def test_it_goes_when_the_guest_powers_off(self):
        self.boot("hello", "--api-sock", self.sock)
        self.assertFalse(os.path.lexists(self.sock))

    def test_one_in_use_is_refused(self):
        with self.guest_running():
            self.run_refused("api-sock.*vm.sock.*running process listens", self.sock)
            self.assertEqual(self.state(), "Running")

    def test_one_of_a_killed_firn_is_replaced(self):
        with self.guest_running() as firn:
            firn.kill()
            firn.wait()
        self.assertTrue(os.path.lexists(self.sock))
        self.refused("nobody listens", "pause", self.sock)
        with self.guest_running():
            self.assertEqual(self.state(), "Running")

    def test_bad_paths(self):
        self.run_refused("No such file or directory.*its folder is not there", "none/vm.sock")
        self.run_refused("the path has 120 bytes.*107", "x" * 120)
        self.run_refused("path, and this one is empty", "")
        (self.folder / "file").write_text("precious")
        self.run_refused("a file of this name that is no socket", "file")
        self.assertEqual((self.folder / "file").read_text(), "precious")


class CommandTest(ApiTest):
    def test_without_a_machine(self):
        (self.folder / "file").write_text("x")
        for command in (["pause"], ["resume"], ["save"]):
            more = ["snapshot"] if command == ["save"] else []
            self.refused("connect to vm.sock: No such file.*--api-sock", *command, "vm.sock", *more)
            self.refused("it is no socket", *command, "file", *more)
        self.assertFalse((self.folder / "snapshot").exists())

    def test_wrong_usage(self):
        usage = guest.STATUS_USAGE
        self.refused("SOCK is missing", "pause", status=usage)
        self.refused("SOCK is missing", "resume", status=usage)
        self.refused("DIR is missing", "save", "vm.sock", status=usage)
        self.refused("unexpected argument `more`", "pause", "vm.sock", "more", status=usage)
        self.refused("unknown flag --increment.*--incremental", "save", "a", "b", "--increment",
                     status=usage)

    def test_save_needs_a_folder(self):
        (self.folder / "file").write_text("x")
        self.refused("file: a file of this name is there", "save", "vm.sock", "file")
        self.refused("mkdir .*No such file", "save", "vm.sock", "none/snapshot")

    def test_help(self):
        for command in ("pause", "resume", "save"):
            outcome = self.firn(command, "--help")
            self.assertEqual(outcome.status, 0)
            self.assertIn(f"Usage: firn {command} SOCK", outcome.console)
            self.assertIn("Examples:", outcome.console)
