# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""cc_library, cc_binary and cc_test as Bazel has them, with precompiled headers (//bazel/headers)."""

def _precompiled(rule, header, deps = [], copts = [], **arguments):
    rule(
        deps = deps + select({
            "//bazel/headers:are_precompiled": ["//bazel/headers:" + header],
            "//conditions:default": [],
        }),
        copts = copts + select({
            "//bazel/headers:are_precompiled": ["-include", "$(BINDIR)/bazel/headers/%s.h" % header],
            "//conditions:default": [],
        }),
        **arguments
    )

def cc_library(**arguments):
    _precompiled(native.cc_library, "common", **arguments)

def cc_binary(**arguments):
    _precompiled(native.cc_binary, "common", **arguments)

def cc_test(features = [], **arguments):
    # The coverage that fuzzing goes by is of no use in a test's own code.
    _precompiled(native.cc_test, "test", features = features + ["-libfuzzer"], **arguments)
