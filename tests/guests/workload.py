# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What programs of tools/guest/programs must print, known on the host."""

import hashlib


def checksums(seed, cpu):
    """The three results of one CPU's work, as the guest prints them."""
    line = f"firn {seed} {cpu}\n".encode()
    stream = (line * (2097152 // len(line) + 1))[:2097152]
    total = seed
    for number in range(cpu, 4001):
        total = (total * 31 + number) % 1000003
    text = "".join(f"{number}\n" for number in sorted(map(str, range(cpu, 8001)), reverse=True))
    return [hashlib.sha256(stream).hexdigest(), str(total), hashlib.md5(text.encode()).hexdigest()]


# What tools/guest/programs/registers must print; it makes this many mistakes.
REGISTERS = ["new 0x74726976 0x00000004 0x00000001 0x69 0x74 0x0000000274726976",
             "driven 0x00000003",
             "kept 0x74726976 0x00000000 0x00000000 0x00000003"]
REGISTERS_ERRORS = 4
