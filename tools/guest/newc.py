# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Writes a cpio archive in the kernel's "newc" format (Documentation/driver-api/early-userspace/
buffer-format.rst): the same input gives the same bytes, and device nodes need no root."""

import stat


class Archive:
    """Entries in the order in which they are added; a folder must come before what is in it."""

    def __init__(self):
        self._out = bytearray()
        self._inode = 0

    def folder(self, name, mode=0o755):
        self._add(name, stat.S_IFDIR | mode, links=2)

    def file(self, name, data, mode=0o644):
        self._add(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor, mode=0o600):
        self._add(name, stat.S_IFCHR | mode, device=(major, minor))

    def finish(self):
        self._add("TRAILER!!!", 0)
        return bytes(self._out)

    def _add(self, name, mode, data=b"", links=1, device=(0, 0)):
        self._inode += 1
        encoded = name.encode() + b"\0"
        # magic, ino, mode, uid, gid, nlink, mtime, filesize, major, minor, rmajor, rminor,
        # namesize, check
        fields = (self._inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
        self._out += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._pad()
        self._out += data
        self._pad()

    def _pad(self):
        self._out += b"\0" * (-len(self._out) % 4)
