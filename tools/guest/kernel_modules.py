# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Finds kernel modules and, in the order in which insmod wants them, those that they need."""

import lzma
import pathlib
import re


def _canonical(name):
    return name.replace("-", "_")


class KernelModules:
    """The modules below one folder (a kernel's /lib/modules/RELEASE/kernel)."""

    def __init__(self, folder):
        self._files = {}
        for path in sorted(pathlib.Path(folder).rglob("*.ko*")):
            self._files[_canonical(path.name.split(".ko")[0])] = path

    def load_order(self, names):
        """[(name, bytes)] of the modules, dependencies first. A name that has no file is built into
        the kernel, or unknown to it, and left out."""
        order = {}
        for name in names:
            self._visit(_canonical(name), order)
        return list(order.items())

    def _visit(self, name, order):
        if name in order or name not in self._files:
            return
        data = self._read(self._files[name])
        for needed in self._needs(data):
            self._visit(_canonical(needed), order)
        order[name] = data

    @staticmethod
    def _read(path):
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data

    @staticmethod
    def _needs(data):
        names = []
        for key, value in re.findall(rb"\0(depends|softdep)=([^\0]*)", data):
            text = value.decode()
            if key == b"softdep":
                text = ",".join(re.findall(r"pre:([^:]*?)(?=\w+:|$)", text)).replace(" ", ",")
            names += [name for name in text.split(",") if name]
        return names
