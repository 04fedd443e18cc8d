#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of tools/arm64-host, several at a time.

usage: tests/host/run.py [--jobs N] [--list] [PATTERN]...

A PATTERN is part of a test's name (command_test.StatusTest.test_signal). One line for each test; the
last line is "N passed, N failed, N skipped".
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
# pylint: disable=wrong-import-position
import runner  # noqa: E402

LONG = ("kernels_test", "command_test.EndTest.test_time_limit")

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, LONG))
