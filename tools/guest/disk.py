#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Makes an ext4 disk image with files in it, without root; the same files give the same bytes.

usage: tools/guest/disk.py OUTPUT SIZE_MIB [NAME=TEXT]...
"""

import os
import subprocess
import sys
import tempfile

# An arbitrary, fixed identity and time.
_UUID = "f12a0000-0000-4000-8000-000000000001"
_TIME = "1700000000"


def _run(command, script=None):
    environment = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
                   "E2FSPROGS_FAKE_TIME": _TIME}
    result = subprocess.run(command, env=environment, input=script or "", check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # debugfs ends with 0 whatever happens; this is all that it says if nothing is wrong.
    expected = ("debugfs", "Setting current time", "Allocated inode:")
    odd = [line for line in result.stdout.splitlines()
           if script and line and not line.startswith(expected)]
    if result.returncode != 0 or odd:
        raise RuntimeError(f"{command[0]} failed: {result.stdout.strip()}")


def make_disk(output, size_mib, files):
    """files: {name: bytes}, in the root folder of the disk."""
    if os.path.exists(output):
        os.remove(output)
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-U", _UUID, "-m", "0", "-E",
          f"hash_seed={_UUID},root_owner=0:0,lazy_itable_init=0", output, f"{size_mib}M"])
    # debugfs, not mke2fs -d, which would take the host files' time of change along.
    with tempfile.TemporaryDirectory() as folder:
        script = f"set_current_time @{_TIME}\n"
        for index, (name, data) in enumerate(sorted(files.items())):
            path = os.path.join(folder, str(index))
            with open(path, "wb") as out:
                out.write(data)
            script += f'write "{path}" "{name}"\n'
        _run(["debugfs", "-w", output], script)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    files = dict(argument.split("=", 1) for argument in sys.argv[3:])
    make_disk(sys.argv[1], int(sys.argv[2]),
              {name: (text + "\n").encode() for name, text in files.items()})


if __name__ == "__main__":
    main()
