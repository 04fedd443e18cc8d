# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
load(":cc.bzl", "cc_test")

def unit_tests(tests, deps = [], threads = []):
    """A small cc_test NAME_test of NAME_test.cc for each library NAME of the package.

    Args:
      tests: for each NAME what else its test depends on.
      deps: what all of them depend on.
      threads: the NAMEs whose tests start threads: those run under ThreadSanitizer too.
    """
    for name, more in tests.items():
        cc_test(
            name = name + "_test",
            size = "small",
            srcs = [name + "_test.cc"],
            tags = ["threads"] if name in threads else [],
            deps = [":" + name, "@com_google_googletest//:gtest_main"] + deps + more,
        )
