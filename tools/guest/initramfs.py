#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Builds the initramfs of firn's demo and test guests.

usage: tools/guest/initramfs.py KERNEL OUTPUT

KERNEL is a folder made by tools/setup (.deps/guest/7.2-cloud); the kernel's virtio, file system and
random number modules go in, with busybox, the init script, the scripts of tools/guest/programs and
the C programs of tools/guest/native, compiled for arm64.
The same inputs give the same bytes, so that a run of the guest repeats exactly.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from kernel_modules import KernelModules
from newc import Archive

HERE = pathlib.Path(__file__).resolve().parent
BUSYBOX = HERE.parent.parent / ".deps/guest/busybox/bin/busybox"
# What a Debian kernel may have as a module. (ext4 and the 8250 are built in to most.)
MODULES = ["virtio_mmio", "virtio_blk", "virtio_console", "virtio-rng", "ext4", "rtc-pl031",
           "pvpanic-mmio"]


COMPILER = "aarch64-linux-gnu-gcc-12"


def compile_native(source):
    """The arm64 program of a C source, which needs nothing else in the guest."""
    with tempfile.TemporaryDirectory(prefix="firn-guest-") as folder:
        program = pathlib.Path(folder) / source.stem
        subprocess.run([COMPILER, "-O1", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o",
                        str(program), str(source)], check=True)
        return program.read_bytes()


def initramfs(kernel):
    archive = Archive()
    for folder in ("bin", "dev", "etc", "mnt", "modules", "proc", "programs", "sys", "tmp"):
        archive.folder(folder)
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/null", 1, 3, 0o666)
    archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", (HERE / "init").read_bytes(), 0o755)
    for path in sorted((HERE / "programs").iterdir()):
        archive.file(f"programs/{path.name}", path.read_bytes(), 0o755)
    for path in sorted((HERE / "native").glob("*.c")):
        archive.file(f"programs/{path.stem}", compile_native(path), 0o755)
    modules = KernelModules(pathlib.Path(kernel) / "modules").load_order(MODULES)
    for index, (name, data) in enumerate(modules):
        archive.file(f"modules/{index:02}-{name}.ko", data)
    return archive.finish()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kernel, output = sys.argv[1:]
    if not os.path.isdir(os.path.join(kernel, "modules")) or not BUSYBOX.exists():
        sys.exit(f"initramfs.py: {kernel} or busybox is not there: run tools/setup")
    data = initramfs(kernel)
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    scratch = f"{output}.{os.getpid()}"
    with open(scratch, "wb") as out:
        out.write(data)
    os.rename(scratch, output)


if __name__ == "__main__":
    main()
