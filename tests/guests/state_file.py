# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""State files taken apart and put together (docs/snapshot-format.md), to make odd ones whose checksums
are right."""

import struct

HEADER = struct.Struct("<8sHHIQI")
ENTRY = struct.Struct("<40sQQII")
MANDATORY = 1


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def decode(data):
    """(format version, [[name, flags, content]])."""
    _, _, version, count, _, _ = HEADER.unpack_from(data)
    sections = []
    for i in range(count):
        name, offset, length, _, flags = ENTRY.unpack_from(data, HEADER.size + 4 + i * ENTRY.size)
        sections.append([name.rstrip(b"\0").decode(), flags, data[offset:offset + length]])
    return version, sections


def encode(version, sections):
    offset = HEADER.size + 4 + len(sections) * ENTRY.size
    table = b""
    for name, flags, content in sections:
        table += ENTRY.pack(name.encode(), offset, len(content), crc32c(content), flags)
        offset += len(content)
    header = HEADER.pack(b"FIRNSNAP", 1, version, len(sections), offset, crc32c(table))
    return (header + struct.pack("<I", crc32c(header)) + table +
            b"".join(content for _, _, content in sections))
