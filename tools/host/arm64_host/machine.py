# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A QEMU process with its channels: the agent's frames (agent/main.cc), the kernel log, QEMU's own words."""

import collections
import os
import queue
import selectors
import socket
import struct
import subprocess
import threading

_HEADER = struct.Struct("<BI")
_CHUNK = 1 << 16
_LOG_SIZE = 1 << 20
# The event at the end of a machine.
GONE = "gone"


class Machine:
    """QEMU, from start() to close().

    `events` carries (type, payload) of each frame of the agent, then (GONE, QEMU's wait status). Frames
    of the types in `handlers` go to their function instead, in this machine's thread.

    QEMU is started, read and reaped in one thread of this machine's own: the kernel kills QEMU when
    that thread is gone (PR_SET_PDEATHSIG), so with this process, however it ends."""

    def __init__(self, command, environment, arguments, files, handlers):
        """`arguments(console_fd, agent_fd)` gives QEMU's arguments; `files` are descriptors that it
        inherits."""
        self.events = queue.Queue(maxsize=64)
        self._handlers = handlers
        self._log = collections.deque()
        self._log_size = 0
        self._words = b""
        self._received = bytearray()
        self._send_lock = threading.Lock()
        self._closing = threading.Event()
        self._started = threading.Event()
        self._process = None
        self._start_error = None
        self._agent, agent_end = socket.socketpair()
        self._console, console_end = socket.socketpair()
        self._ends = (agent_end, console_end)
        fds = [agent_end.fileno(), console_end.fileno(), *files]
        self._command = ["setpriv", "--pdeathsig", "KILL", "--", *command,
                         *arguments(console_end.fileno(), agent_end.fileno())]
        self._popen = dict(env=environment, pass_fds=fds, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self._thread = threading.Thread(target=self._main, name="arm64-host", daemon=True)

    def start(self):
        """Returns when QEMU is started; it has its files then."""
        self._thread.start()
        self._started.wait()
        if self._start_error is not None:
            self._thread.join()
            raise self._start_error

    def send(self, kind, payload=b""):
        """Sends the agent a frame. One that does not arrive any more is no error: GONE comes."""
        with self._send_lock:
            try:
                self._agent.sendall(_HEADER.pack(ord(kind), len(payload)) + payload)
            except OSError:
                pass

    @property
    def closed(self):
        return self._closing.is_set()

    @property
    def running(self):
        return not self.closed and self._process.poll() is None

    @property
    def log(self):
        """The kernel log (its last MiB)."""
        return b"".join(self._log).decode(errors="replace").replace("\r\n", "\n")

    @property
    def words(self):
        """What QEMU itself said."""
        return self._words.decode(errors="replace").strip()

    def close(self):
        """Ends QEMU; returns when it is gone."""
        self._closing.set()
        if self._process is not None:
            self._process.kill()
        if self._thread.ident is not None:
            self._thread.join()
        for end in (self._agent, self._console, *self._ends):
            end.close()

    def _main(self):
        try:
            self._process = subprocess.Popen(self._command, **self._popen)
        except OSError as error:
            self._start_error = error
            return
        finally:
            for end in self._ends:
                end.close()
            self._started.set()
        if self._closing.is_set():
            self._process.kill()
        self._read_all()
        self._emit(GONE, self._process.wait())
        self._process.stdout.close()

    def _read_all(self):
        output = self._process.stdout.fileno()
        sources = {self._agent.fileno(): self._take_frames, self._console.fileno(): self._take_log,
                   output: self._take_words}
        with selectors.DefaultSelector() as selector:
            for fd, take in sources.items():
                selector.register(fd, selectors.EVENT_READ, take)
            while selector.get_map():
                for key, _ in selector.select():
                    try:
                        data = os.read(key.fd, _CHUNK)
                    except ConnectionError:
                        data = b""
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fd)

    def _take_log(self, data):
        self._log.append(data)
        self._log_size += len(data)
        while self._log_size > _LOG_SIZE:
            self._log_size -= len(self._log.popleft())

    def _take_words(self, data):
        self._words = (self._words + data)[-_CHUNK:]

    def _take_frames(self, data):
        self._received += data
        start = 0
        while len(self._received) - start >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._received, start)
            end = start + _HEADER.size + size
            if len(self._received) < end:
                break
            self._emit(chr(kind), bytes(self._received[start + _HEADER.size:end]))
            start = end
        del self._received[:start]

    def _emit(self, kind, payload):
        if kind in self._handlers:
            self._handlers[kind](payload)
            return
        while not self._closing.is_set():
            try:
                self.events.put((kind, payload), timeout=0.2)
                return
            except queue.Full:
                pass
