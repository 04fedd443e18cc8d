#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Makes golden snapshots with the firn of this tree; README.md says when.

usage: tests/guests/testdata/golden/make.py VERSION

Makes VERSION-b.tar.xz, VERSION-c.tar.xz and VERSION-c-chain.tar.xz, and never replaces one. Needs
bazel build //vmm:firn //vmm/testing:guests/interrupts.
"""

import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
ELF = ROOT / "bazel-bin/vmm/testing/guests/interrupts.elf"
BASE = 0x40000000

# name: (dialect, saves)
GOLDEN = {
    "b": ("b", ["20000:snapshot"]),
    "c": ("c", ["20000:snapshot"]),
    "c-chain": ("c", ["20000:base", "60000:snapshot:incremental"]),
}


def kernel():
    """The image, which begins at the label `interrupts`."""
    with tempfile.NamedTemporaryFile() as image:
        subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", ELF, image.name], check=True)
        code = bytearray(pathlib.Path(image.name).read_bytes())
    symbols = subprocess.run(["aarch64-linux-gnu-nm", ELF], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    address = next(int(line.split()[0], 16) for line in symbols.splitlines()
                   if line.split()[2] == "interrupts")
    struct.pack_into("<I", code, 0, 0x14000000 | (address - BASE) // 4)  # B
    return code


def add(archive, path, name):
    """Only name and content: the rest is of this machine."""
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    with open(path, "rb") as data:
        archive.addfile(entry, data)


def make(target, dialect, saves):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "kernel").write_bytes(kernel())
        flags = [word for save in saves for word in ("--save-at", save)]
        subprocess.run([ROOT / "bazel-bin/vmm/firn", "run", "--hypervisor=software", "--kernel",
                        "kernel", "--memory=16M", "--dialect", dialect, "--track-dirty-pages",
                        *flags], cwd=folder, check=True)
        with tarfile.open(target, "x:xz", format=tarfile.USTAR_FORMAT) as archive:
            for name in [save.split(":")[1] for save in saves]:
                for file in ("state", "memory"):
                    add(archive, pathlib.Path(folder) / name / file, f"{name}/{file}")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for name, (dialect, saves) in GOLDEN.items():
        target = HERE / f"{sys.argv[1]}-{name}.tar.xz"
        make(target, dialect, saves)
        print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
