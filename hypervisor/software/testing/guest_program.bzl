# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Bare-metal arm64 programs for tests: guest_program(name) builds NAME.elf from NAME.S."""

def guest_program(name, src = None, visibility = None):
    """Assembles and links `src` (default: NAME.S) to NAME.elf, at the fixture's memory base.

    Args:
      name: of the target; the file is NAME.elf.
      src: arm64 assembly; `.include "guest.inc"` finds the common part.
      visibility: of the target.
    """
    native.genrule(
        name = name,
        srcs = [
            src or name + ".S",
            "//hypervisor/software/testing:guests/guest.inc",
        ],
        outs = [name + ".elf"],
        cmd = " && ".join([
            "aarch64-linux-gnu-as -march=armv8.5-a " +
            "-I $$(dirname $(location //hypervisor/software/testing:guests/guest.inc)) " +
            "-o $@.o $(location %s)" % (src or name + ".S"),
            # One loadable segment from the base of memory on.
            "aarch64-linux-gnu-ld -N --no-warn-rwx-segments -Ttext=0x40000000 -e 0x40000000 -o $@ $@.o",
            "rm $@.o",
        ]),
        testonly = True,
        visibility = visibility,
    )
