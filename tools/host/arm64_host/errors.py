# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What can go wrong around a command in the host, but not in the command."""


class UsageError(Exception):
    """The caller asked for something that there is not."""


class HostError(Exception):
    """The host cannot be started, failed to boot, panicked or vanished."""


class SetupError(HostError):
    """A part that tools/setup provides is not there."""

    def __init__(self, what):
        super().__init__(f"{what} is not there: run tools/setup")


class BootTimeout(HostError):
    """The host did not boot in the time that it has."""


class CommandTimeout(Exception):
    """A command was still running at the end of its time. It is gone; `result` has its output."""

    def __init__(self, seconds, result):
        super().__init__(f"the command was still running after {seconds:g} s, and was stopped")
        self.result = result
