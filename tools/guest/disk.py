#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Makes an ext4 disk image with files in it, without root; the same files give the same bytes.

usage: tools/guest/disk.py OUTPUT SIZE_MIB [NAME=TEXT]...
"""

import os
import subprocess
import sys
import tempfile

# An arbitrary, fixed identity, and a time that an ext4 superblock can hold.
_UUID = "f12a0000-0000-4000-8000-000000000001"
_TIME = 1_700_000_000


def make_disk(output, size_mib, files):
    """files: {name: bytes}."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in sorted(files.items()):
            path = os.path.join(folder, name)
            with open(path, "wb") as out:
                out.write(data)
            os.utime(path, (_TIME, _TIME))
        os.utime(folder, (_TIME, _TIME))
        if os.path.exists(output):
            os.remove(output)
        command = ["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder, "-U", _UUID, "-m", "0", "-E",
                   f"hash_seed={_UUID},root_owner=0:0,lazy_itable_init=0", output, f"{size_mib}M"]
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        result = subprocess.run(
            command, env={"PATH": path, "E2FSPROGS_FAKE_TIME": str(_TIME)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"mke2fs failed: {result.stdout.strip()}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    files = dict(argument.split("=", 1) for argument in sys.argv[3:])
    make_disk(sys.argv[1], int(sys.argv[2]),
              {name: (text + "\n").encode() for name, text in files.items()})


if __name__ == "__main__":
    main()
