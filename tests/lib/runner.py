# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs the tests of a folder, several at a time. One line for each; the last line is
"N passed, N failed, N skipped"."""

import argparse
import concurrent.futures
import os
import signal
import sys
import time
import unittest


def all_tests(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_tests(item)
        else:
            yield item


def run(test):
    started = time.monotonic()
    result = unittest.TestResult()
    test.run(result)
    problems = [text for _, text in result.failures + result.errors]
    if result.unexpectedSuccesses:
        problems.append("expected to fail, and did not")
    skipped = result.skipped[0][1] if result.skipped else None
    return test.id(), problems, skipped, time.monotonic() - started


def main(folder, usage, long=(), missing=None):
    """The main function of a folder's run.py; `usage` is its help. Tests whose names start with one of
    `long` start first, so that no long one is left over at the end. `missing` is what the tests need and
    is not there, if anything is."""
    parser = argparse.ArgumentParser(description=usage,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only name the tests")
    options = parser.parse_args()

    loader = unittest.TestLoader()
    tests = list(all_tests(loader.discover(str(folder), "*_test.py")))
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    tests = [test for test in tests
             if not options.patterns or any(part in test.id() for part in options.patterns)]
    tests.sort(key=lambda test: not test.id().startswith(tuple(long)))
    if options.list:
        print("\n".join(test.id() for test in tests))
        return 0
    if not tests:
        sys.exit("run.py: no test has such a name; see --list")
    if missing:
        sys.exit(f"run.py: {missing}")

    # Ignored in a background job of a shell; what is started here must not inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            name, problems, skipped, seconds = future.result()
            word = "FAILED" if problems else "skipped" if skipped else "ok"
            counts[word] += 1
            print(f"{word:8}{name} ({skipped or f'{seconds:.1f} s'})", flush=True)
            for problem in problems:
                print("    | " + problem.rstrip().replace("\n", "\n    | "), flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0

