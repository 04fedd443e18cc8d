# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Guests that several tests save in the same way: booted once."""

import atexit
import shutil
import subprocess
import tempfile
import threading


class _Runs:
    """What runs of firn left in folders of their own, by arguments. A run repeats exactly, so one is as
    good as another."""

    def __init__(self):
        self._lock = threading.Lock()
        self._runs = {}
        self._root = None

    def of(self, arguments, run):
        """(folder, outcome) of `arguments`; where they are new, run(folder) is."""
        with self._lock:
            if self._root is None:
                self._root = tempfile.mkdtemp(prefix="firn-test-saved-")
                atexit.register(shutil.rmtree, self._root)
            one = self._runs.setdefault(arguments, {"lock": threading.Lock()})
        with one["lock"]:
            if "outcome" not in one:
                one["folder"] = tempfile.mkdtemp(dir=self._root)
                one["outcome"] = run(one["folder"])
            return one["folder"], one["outcome"]


_RUNS = _Runs()


def saved_once(test, *arguments, disk_mib=None):
    """The outcome of firn with `arguments`, which name no file of the test's own; what it left lies in
    the test's folder, as if it had run there. With `disk_mib`, disk.img is a blank disk of that size
    there."""
    def run(folder):
        if disk_mib is not None:
            test.blank_disk(disk_mib, folder=folder)
        return test.firn(*arguments, folder=folder)

    folder, outcome = _RUNS.of((disk_mib, *arguments), run)
    # Holes of memory files stay holes.
    subprocess.run(["cp", "-a", "--sparse=always", f"{folder}/.", test.folder], check=True)
    return outcome
