# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""firn's timeline, as --stats has it."""

FIRST_INSTRUCTION = "first guest instruction"
MACHINE_CREATED = "machine created"


def moment(stats, event, clock="wall_ms"):
    """When `event` was, in ms: of wall_ms since firn's main, or of cpu_ms, the process's CPU time. None
    where it never came."""
    return next((entry[clock] for entry in stats["time"]["timeline"] if entry["event"] == event), None)
