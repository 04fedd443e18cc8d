#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Runs a command in which userfaultfd(2) and /dev/userfaultfd fail with EPERM, as for a user who may
not handle faults of the kernel.

usage: tests/lib/without_userfaultfd.py COMMAND...
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# Linux include/uapi/linux/seccomp.h, bpf_common.h, userfaultfd.h and the system call tables.
SYSTEM_CALLS = {"x86_64": (323, 16), "aarch64": (282, 29)}  # userfaultfd, ioctl
USERFAULTFD_IOC_NEW = 0xAA00
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, SECOND_ARGUMENT = 0, 24  # offsets in seccomp_data
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def program():
    userfaultfd, ioctl = SYSTEM_CALLS[platform.machine()]
    rows = [(LOAD, 0, 0, NUMBER),
            (JUMP_IF_EQUAL, 4, 0, userfaultfd),
            (JUMP_IF_EQUAL, 0, 2, ioctl),
            (LOAD, 0, 0, SECOND_ARGUMENT),
            (JUMP_IF_EQUAL, 1, 0, USERFAULTFD_IOC_NEW),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, FAIL | errno.EPERM)]
    return len(rows), b"".join(struct.pack("=HBBI", *row) for row in rows)


def main():
    count, code = program()
    buffer = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("@HP", count, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
