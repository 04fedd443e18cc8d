# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""An emulated arm64 machine with a real /dev/kvm, and commands in it.

    from arm64_host import Host, run

    with Host(kernel="6.1", files=["bazel-bin/vmm/firn", ".deps/guest/7.2-cloud/vmlinuz"]) as host:
        result = host.run(["firn", "doctor"])
        print(result.status, result.text)
        with host.start(["firn", "run", "--kernel", "vmlinuz"]) as guest:
            guest.read_until(b"Linux version")
            guest.signal(signal.SIGTERM)
            print(guest.wait(timeout=10).status)

    run(["sh", "-c", "cp /proc/cpuinfo $OUT"], out="results")   # one command in a host of its own

A host is used by one thread at a time; several hosts at once do not meet. Times are seconds.
"""

from .errors import BootTimeout, CommandTimeout, HostError, SetupError, UsageError
from .host import Command, Host, Options, Result, run

__all__ = ["BootTimeout", "Command", "CommandTimeout", "Host", "HostError", "Options", "Result",
           "SetupError", "UsageError", "run"]
