# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A page fault handler as platforms have one: it listens on a unix socket, is given a userfaultfd, and
puts the pages of a memory file in place as a guest touches them."""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import threading

PAGE = 4096
UFFD_EVENT_PAGEFAULT = 0x12
UFFDIO_COPY = 0xC028AA03


class FaultHandler(threading.Thread):
    """With `pages`, one that puts so many in place, and dies as soon as it is asked for another: 0 dies at
    once. With `answers` False, one that never puts any in place."""

    def __init__(self, path, memory_file, pages=None, answers=True):
        super().__init__(daemon=True)
        self.pages = pages
        self.answers = answers
        self.asked = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.memory = os.open(memory_file, os.O_RDONLY)
        self.regions = []
        self.faults = 0
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        data, fds, _, _ = socket.recv_fds(connection, 65536, 1)
        self.regions = json.loads(data)
        userfault = fds[0]
        with connection:
            while self.pages is None or self.faults < self.pages:
                ready, _, _ = select.select([userfault, connection], [], [])
                if connection in ready:
                    break  # the guest is gone
                self.serve(userfault)
            if self.pages:
                select.select([userfault, connection], [], [])
            os.close(userfault)
        os.close(self.memory)

    def serve(self, userfault):
        with contextlib.suppress(BlockingIOError):
            message = os.read(userfault, 32)
            event, = struct.unpack_from("<B", message)
            address, = struct.unpack_from("<Q", message, 16)
            assert event == UFFD_EVENT_PAGEFAULT, event
            self.asked.set()
            if self.answers:
                self.place(userfault, address & ~(PAGE - 1))

    def place(self, userfault, address):
        region = next(region for region in self.regions
                      if 0 <= address - region["base_host_virt_addr"] < region["size"])
        offset = region["offset"] + address - region["base_host_virt_addr"]
        page = ctypes.create_string_buffer(os.pread(self.memory, PAGE, offset), PAGE)
        request = array.array("Q", [address, ctypes.addressof(page), PAGE, 0, 0])
        with contextlib.suppress(FileExistsError):
            fcntl.ioctl(userfault, UFFDIO_COPY, request)
        self.faults += 1
