# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Writes a cpio archive in the kernel's "newc" format (Documentation/driver-api/early-userspace/
buffer-format.rst): the same input gives the same bytes, and device nodes need no root."""

import io
import shutil
import stat

_MAX_SIZE = (1 << 32) - 1  # what the format's fields hold


class Archive:
    """Entries in the order in which they are added; a folder must come before what is in it. They go
    to `out`, a binary file; without it, finish() returns the whole archive."""

    def __init__(self, out=None):
        self._out = out or io.BytesIO()
        self._size = 0
        self._inode = 0

    def folder(self, name, mode=0o755):
        self._add(name, stat.S_IFDIR | mode, links=2)

    def file(self, name, data, mode=0o644):
        self._add(name, stat.S_IFREG | mode, data)

    def copy(self, name, source, size, mode=0o644):
        """A file with the `size` bytes of the binary file `source`."""
        if size > _MAX_SIZE:
            raise ValueError(f"{name} is larger than 4 GiB")
        self._header(name, stat.S_IFREG | mode, size)
        start = self._out.tell()
        shutil.copyfileobj(source, self._out, 1 << 20)
        if self._out.tell() - start != size:
            raise ValueError(f"{name} changes its size while it is read")
        self._size += size
        self._pad()

    def link(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor, mode=0o600):
        self._add(name, stat.S_IFCHR | mode, device=(major, minor))

    def finish(self):
        self._add("TRAILER!!!", 0)
        return self._out.getvalue() if isinstance(self._out, io.BytesIO) else None

    def _add(self, name, mode, data=b"", links=1, device=(0, 0)):
        self._header(name, mode, len(data), links, device)
        self._write(data)
        self._pad()

    def _header(self, name, mode, size, links=1, device=(0, 0)):
        self._inode += 1
        encoded = name.encode() + b"\0"
        # magic, ino, mode, uid, gid, nlink, mtime, filesize, major, minor, rmajor, rminor,
        # namesize, check
        fields = (self._inode, mode, 0, 0, links, 0, size, 0, 0, *device, len(encoded), 0)
        self._write(b"070701" + b"".join(b"%08x" % field for field in fields) + encoded)
        self._pad()

    def _write(self, data):
        self._out.write(data)
        self._size += len(data)

    def _pad(self):
        self._write(b"\0" * (-self._size % 4))
