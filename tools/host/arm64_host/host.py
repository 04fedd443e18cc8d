# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The host, and the commands in it."""

import contextlib
import dataclasses
import io
import os
import queue
import re
import struct
import subprocess
import threading
import time

from . import image, qemu
from .errors import BootTimeout, CommandTimeout, HostError, UsageError
from .machine import GONE, Machine

BOOT_TIMEOUT = 120
_MAX_CPUS = 64
_CHUNK = 32 << 10
# Input on its way to a command (agent/main.cc, frame A): less than a socket holds, so that sending it never
# blocks.
_INPUT_WINDOW = 96 << 10
# How long the host may take to stop a command, or to pass its files on.
_GRACE = 30
_ENVIRONMENT = {"HOME": image.HOME, "OUT": image.OUT, "TERM": "linux",
                "PATH": f"/bin:/usr/bin:/usr/sbin:{image.HOME}"}


@dataclasses.dataclass(frozen=True)
class Options:
    """The host: its kernel (image.kernel_folder), QEMU and CPU model, CPUs, memory (QEMU's "-m"), files
    for its working folder ({name: path}, or paths), ext4 images for /disk0, /disk1, … (read-only), and
    further words for its kernel's command line."""
    kernel: str = "6.1"
    qemu: str = "7.2"
    cpu: str = "neoverse-n1"
    cpus: int = 2
    memory: str = "2G"
    files: object = ()
    disks: object = ()
    append: str = ""

    def __post_init__(self):
        if not 1 <= self.cpus <= _MAX_CPUS:
            raise UsageError(f"a host has 1 to {_MAX_CPUS} CPUs, not {self.cpus}")
        if not re.fullmatch(r"[1-9][0-9]*[MG]", self.memory):
            raise UsageError(f"memory is a number with M or G, such as 2G, not {self.memory}")

    @property
    def memory_bytes(self):
        return int(self.memory[:-1]) << {"M": 20, "G": 30}[self.memory[-1]]


@dataclasses.dataclass
class Result:
    """What came of a command. status: its exit status, or 128+N if signal N ended it."""
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self):
        return self.stdout.decode(errors="replace")

    @property
    def error_text(self):
        return self.stderr.decode(errors="replace")


class Host:
    """A host that has booted, until close(). Its options are those of Options."""

    def __init__(self, *, boot_timeout=BOOT_TIMEOUT, **options):
        self._options = Options(**options)
        self._boot_timeout = boot_timeout
        self._command = None
        self._credit = threading.Condition()
        self._input_space = 0
        started = time.monotonic()
        self._machine = self._start_machine()
        try:
            self._wait_for_boot(started + boot_timeout)
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the host at once; returns when its process is gone."""
        self._machine.close()
        self._wake_writers()

    @property
    def kernel_log(self):
        return self._machine.log

    @property
    def alive(self):
        """Whether it can run commands."""
        return self._machine.running

    def start(self, command, *, env=None, folder=image.HOME, stdout=None, stderr=None,
              terminal=None):
        """Starts a command: a list of arguments, or a text for sh. `env` is added to the environment.
        `stdout` and `stderr` are called with bytes as they come; without them the Result has them.
        `terminal` is (rows, columns): the command gets a terminal, which is also its stderr."""
        if self._machine.closed:
            raise HostError("the host has ended")
        if self._command is not None:
            raise RuntimeError("this host still runs a command")
        command = ["sh", "-c", command] if isinstance(command, str) else list(command)
        environment = [f"{key}={value}" for key, value in {**_ENVIRONMENT, **(env or {})}.items()]
        rows, columns = terminal or (0, 0)
        strings = ["pipe" if terminal is None else "tty", str(rows), str(columns), folder,
                   str(len(command)), *map(str, command), *environment]
        if not command or any("\0" in text for text in strings):
            raise UsageError("a command has at least a name, and no NUL characters")
        payload = b"".join(os.fsencode(text) + b"\0" for text in strings)
        if len(payload) > 1 << 20:
            raise UsageError("the command and its environment are longer than 1 MiB")
        self._input_space = _INPUT_WINDOW
        self._command = Command(self, stdout, stderr)
        self._machine.send("R", payload)
        return self._command

    def run(self, command, *, stdin=b"", timeout=None, check=False, **options):
        """Runs a command (see start) to its end and returns its Result. `stdin`: bytes, or a binary
        file. Raises CommandTimeout; HostError if the host goes; with `check` also HostError if the
        status is not 0."""
        process = self.start(command, **options)
        process.feed(stdin)
        result = process.wait(timeout)
        if check and result.status != 0:
            raise HostError(f"{command} ended with status {result.status}: "
                            f"{(result.error_text or result.text).strip()[-2000:]}")
        return result

    def put(self, name, data, mode=0o644):
        """Writes a file in the host: an absolute name, or one in the working folder; data: bytes, or a
        binary file."""
        self.run(["sh", "-c", 'cat > "$1" && chmod "$2" "$1"', "put", name, f"{mode:o}"], stdin=data,
                 check=True)

    def get(self, name):
        """The bytes of a file in the host."""
        return self.run(["cat", name], check=True).stdout

    def fetch(self, source, destination, timeout=None):
        """Copies all that is in a folder of the host to a folder here."""
        os.makedirs(destination, exist_ok=True)
        with subprocess.Popen(["tar", "-x", "--no-same-owner", "-C", destination],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tar:
            packed = None
            try:
                packed = self.run(["tar", "-c", "-C", source, "."], stdout=tar.stdin.write,
                                  timeout=timeout)
            except BrokenPipeError:
                pass  # tar tells why
            finally:
                with contextlib.suppress(BrokenPipeError):
                    tar.stdin.close()
                problem = tar.stderr.read().decode(errors="replace").strip()
        if packed is None or packed.status != 0 or tar.returncode != 0:
            problem += packed.error_text.strip() if packed is not None else ""
            raise HostError(f"cannot copy {source} of the host to {destination}: {problem}")

    # Between the machine's thread and the caller's.

    def _start_machine(self):
        options = self._options
        command, environment = qemu.find(options.qemu)
        kernel = image.kernel_folder(options.kernel)
        files = image.named_files(options.files)
        with contextlib.ExitStack() as stack:
            disks = [stack.enter_context(image.open_disk(path)) for path in options.disks]
            initrd = stack.enter_context(open(os.memfd_create("initrd"), "r+b"))
            with open(image.initramfs(kernel), "rb") as base:
                initrd.write(base.read())
            image.add_files(files, initrd, options.memory_bytes)
            initrd.flush()
            fds = [disk.fileno() for disk in disks]
            machine = Machine(
                command, environment,
                lambda console, agent: qemu.arguments(options, kernel / "vmlinuz", initrd.fileno(),
                                                      console, agent, fds),
                [initrd.fileno(), *fds], {"A": self._take_credit})
            machine.start()
        return machine

    def _wait_for_boot(self, deadline):
        kind, payload = self._event(deadline)
        if kind is None:
            raise BootTimeout(f"the host did not boot within {self._boot_timeout:g} s"
                              f"{self.log_tail()}")
        if kind == GONE:
            refused = qemu.refusal(self._machine.words, self._options)
            if refused is not None:
                raise UsageError(refused)
            raise HostError("the host did not boot: " + self._end())
        if payload:
            raise HostError(f"the host has no usable /dev/kvm: {payload.decode()}{self.log_tail()}")

    def _event(self, deadline):
        """The next event; (None, b"") if none comes before the deadline."""
        try:
            timeout = None if deadline is None else max(0, deadline - time.monotonic())
            return self._machine.events.get(timeout=timeout)
        except queue.Empty:
            return None, b""

    def _end(self):
        """Why the machine is gone."""
        if "Kernel panic" in self._machine.log:
            what = "its kernel panicked"
        elif self._machine.words:
            what = f"QEMU said: {self._machine.words}"
        else:
            what = "it powered off, or QEMU was killed"
        return what + self.log_tail()

    def log_tail(self, lines=30):
        tail = self._machine.log.strip().splitlines()[-lines:]
        if not tail:
            return "\n  (its kernel log is empty)"
        return "\nend of its kernel log:\n" + "\n".join("  | " + line for line in tail)

    def _take_credit(self, payload):
        with self._credit:
            self._input_space += struct.unpack("<I", payload)[0]
            self._credit.notify_all()

    def _wake_writers(self):
        with self._credit:
            self._command = None
            self._credit.notify_all()


class Command:
    """A command that runs in a host; at the end of a `with` block it is gone."""

    def __init__(self, host, stdout, stderr):
        self._host = host
        self._stdout, self._stderr = io.BytesIO(), io.BytesIO()
        self._sinks = {"O": stdout or self._stdout.write, "E": stderr or self._stderr.write}
        self._seen = 0  # by read_until
        self._result = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._result is None and self._host.alive:
            with contextlib.suppress(HostError):
                self._kill()

    def write(self, data):
        """Passes bytes on to its standard input, waiting while it does not take them. Any thread."""
        host = self._host
        view = memoryview(data)
        while view:
            with host._credit:
                while host._command is self and host._input_space == 0:
                    host._credit.wait()
                if host._command is not self:
                    return
                chunk = view[:min(_CHUNK, host._input_space)]
                host._input_space -= len(chunk)
                host._machine.send("I", bytes(chunk))
            view = view[len(chunk):]

    def end_input(self):
        """The end of its standard input. Any thread."""
        with self._host._credit:
            if self._host._command is self:
                self._host._machine.send("I")

    def feed(self, stdin):
        """Writes bytes, or all of a binary file, and the end, in a thread of its own."""
        if not stdin:
            self.end_input()
            return

        def work():
            if isinstance(stdin, (bytes, bytearray)):
                self.write(stdin)
            else:
                read = getattr(stdin, "read1", stdin.read)
                while self._host._command is self:
                    data = read(_CHUNK)
                    if not data:
                        break
                    self.write(data)
            self.end_input()

        threading.Thread(target=work, name="arm64-host-stdin", daemon=True).start()

    def signal(self, number):
        """Sends a signal to its process group."""
        self._host._machine.send("S", bytes([number]))

    def resize(self, rows, columns):
        """Tells its terminal's size."""
        self._host._machine.send("W", f"{rows}\0{columns}\0".encode())

    def read_until(self, marker, timeout=60):
        """Waits until its output has `marker`, behind the one waited for before, and returns the output
        up to there. Raises CommandTimeout; HostError if the command ends before."""
        deadline = time.monotonic() + timeout
        while True:
            output = self._stdout.getvalue()
            at = output.find(marker, self._seen)
            if at >= 0:
                found = output[self._seen:at + len(marker)]
                self._seen = at + len(marker)
                return found
            if self._result is not None:
                raise HostError(f"the command ended without {marker!r}: {self._result}")
            if not self._step(deadline):
                self._time_is_up(timeout)

    def wait(self, timeout=None):
        """Waits for its end; returns its Result. Raises CommandTimeout, HostError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._result is None:
            if not self._step(deadline):
                self._time_is_up(timeout)
        return self._result

    def _time_is_up(self, timeout):
        self._kill()
        raise CommandTimeout(timeout, self._result)

    def _kill(self):
        self._host._machine.send("K")
        deadline = time.monotonic() + _GRACE
        while self._result is None:
            if not self._step(deadline):
                tail = self._host.log_tail()
                self._host.close()
                raise HostError("the host hangs: a command cannot be killed" + tail)

    def _step(self, deadline):
        """Handles one event; False if none comes before the deadline."""
        if deadline is not None and time.monotonic() > deadline:
            return False
        kind, payload = self._host._event(deadline)
        if kind is None:
            return False
        if kind in self._sinks:
            try:
                self._sinks[kind](payload)
            except BaseException:
                self._host.close()
                raise
        elif kind == "X":
            code = os.waitstatus_to_exitcode(struct.unpack("<I", payload)[0])
            self._result = Result(code if code >= 0 else 128 - code, self._stdout.getvalue(),
                                  self._stderr.getvalue())
            self._host._wake_writers()
        elif kind == GONE:
            message = "the host ended before the command: " + self._host._end()
            self._host.close()
            raise HostError(message)
        return True


def run(command, *, out=None, stdin=b"", timeout=None, command_options=None, **options):
    """Boots a host, runs one command in it, copies what it left in $OUT to the folder `out`, and returns
    its Result. `timeout` is for boot and command; CommandTimeout is raised after the copying.
    `command_options`: those of Host.start; `options`: those of Options."""
    started = time.monotonic()
    boot_timeout = BOOT_TIMEOUT if timeout is None else min(timeout, BOOT_TIMEOUT)
    with Host(boot_timeout=boot_timeout, **options) as host:
        rest = None if timeout is None else max(0, timeout - (time.monotonic() - started))
        timed_out = result = None
        try:
            result = host.run(command, stdin=stdin, timeout=rest, **(command_options or {}))
        except CommandTimeout as error:
            timed_out = error
        if out is not None:
            host.fetch(image.OUT, out, _GRACE)
        if timed_out is not None:
            raise timed_out
        return result
