#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of this folder against the firn binary, several at a time.

usage: tests/guests/run.py [--jobs N] [--list] [PATTERN]...

A PATTERN is part of a test's name (boot_test.BootTest.test_one_cpu). FIRN names another binary than
bazel-bin/vmm/firn. One line for each test; the last line is "N passed, N failed, N skipped".
"""

import os
import pathlib
import sys

import guest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
# pylint: disable=wrong-import-position
import runner  # noqa: E402

LONG = ("devices_test.DiskTest.test_64", "boot_test.OtherKernels", "power_test.Determinism",
        "power_test.HotplugTest", "boot_test.WorkTest", "snapshot_test.MomentsTest")

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, LONG,
                         None if os.access(guest.FIRN, os.X_OK) else
                         f"{guest.FIRN} is not there: bazel build -c opt //vmm:firn"))
