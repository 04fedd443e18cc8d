#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of this folder: firn on the KVM of an emulated arm64 host (tools/arm64-host).

usage: tests/kvm/run.py [--jobs N] [--list] [PATTERN]...

A PATTERN is part of a test's name (boot_test.BootTest.test_7_2_one_cpu). FIRN names another arm64
binary than out/kvm/firn, which `tools/test kvm` builds. One line for each test; the last line is
"N passed, N failed, N skipped".
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# pylint: disable=wrong-import-position
import kvm_guest  # noqa: E402
from runner import main  # noqa: E402

# Started first, so that no long one is left over at the end.
LONG = ("power_test.SignalTest.test_at_random", "bad_input_test.BadHostTest.test_limit_of_open",
        "boot_test.BootTest.test_7_2_four", "power_test.PowerTest.test_hotplug_7_2")

if __name__ == "__main__":
    sys.exit(main(HERE, kvm_guest.FIRN, "tools/test kvm", LONG, __doc__))
