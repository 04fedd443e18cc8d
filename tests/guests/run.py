#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of this folder against the firn binary, several at a time.

usage: tests/guests/run.py [--jobs N] [--list] [PATTERN]...

A PATTERN is part of a test's name (boot_test.BootTest.test_one_cpu). FIRN names another binary than
bazel-bin/vmm/firn. One line for each test; the last line is "N passed, N failed, N skipped".
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# pylint: disable=wrong-import-position
import guest  # noqa: E402
from runner import main  # noqa: E402

# Started first, so that no long one is left over at the end.
LONG = ("devices_test.DiskTest.test_64", "boot_test.OtherKernels", "power_test.Determinism",
        "power_test.HotplugTest", "boot_test.WorkTest")

if __name__ == "__main__":
    sys.exit(main(HERE, guest.FIRN, "bazel build -c opt //vmm:firn", LONG, __doc__))
