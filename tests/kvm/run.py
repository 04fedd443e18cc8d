#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of this folder: firn on the KVM of an emulated arm64 host (tools/arm64-host).

usage: tests/kvm/run.py [--jobs N] [--list] [PATTERN]...

A PATTERN is part of a test's name (boot_test.BootTest.test_7_2_one_cpu). FIRN names another arm64
binary than out/kvm/firn, which `tools/test kvm` builds. One line for each test; the last line is
"N passed, N failed, N skipped".
"""

import os
import pathlib
import sys

import kvm_guest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
# pylint: disable=wrong-import-position
import runner  # noqa: E402

LONG = ("console_test", "power_test.SignalTest.test_at_random",
        "bad_input_test.BadHostTest.test_limit_of_open", "boot_test.BootTest.test_7_2_four",
        "power_test.PowerTest.test_hotplug_7_2")

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, LONG,
                         None if os.access(kvm_guest.FIRN, os.X_OK) else
                         f"{kvm_guest.FIRN} is not there: run tools/test kvm"))
