#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The part of tools/demo after the build: boots the guest, shows what it says and what it cost."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/guest"))
# pylint: disable=wrong-import-position
import demo_snapshots  # noqa: E402
from disk import make_disk  # noqa: E402
from initramfs import initramfs  # noqa: E402
from timeline import FIRST_INSTRUCTION, moment  # noqa: E402

KERNEL = ROOT / ".deps/guest/7.2-cloud"
FIRN = os.environ.get("FIRN", ROOT / "bazel-bin/vmm/firn")
# What the kernel says on its way, and what that means.
MILESTONES = [
    ("Booting Linux on physical CPU", "Linux starts"),
    ("IRS", "Linux finds the GICv5"),
    ("Brought up 1 node", "both CPUs are up"),
    ("FIRN-INIT", "user space starts"),
    ("Every CPU hashes", "the work starts"),
    ("/proc/interrupts:", "the work is done"),
    ("reboot: Power down", "the guest powers off"),
]


def prepare(folder):
    initrd = os.path.join(folder, "initramfs.cpio")
    pathlib.Path(initrd).write_bytes(initramfs(KERNEL))
    disk = os.path.join(folder, "disk.ext4")
    make_disk(disk, 48, {"hello": b"Hello from an ext4 disk made on the host.\n"})
    return initrd, disk


def command(initrd, disk, words, *more):
    """firn run of the demonstration's machine."""
    return [str(FIRN), "run", "--kernel", str(KERNEL / "vmlinuz"), "--initrd", initrd,
            "--disk", disk, "--cpus", "2", "--memory", "256M",
            "--cmdline", f"console=ttyS0 earlycon panic=-1 {words}", *more]


def run(arguments):
    """Runs the guest; prints what its user space says, and returns the milestones' times."""
    started = time.monotonic()
    seen = []
    waiting = list(MILESTONES)
    shown = False
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          errors="replace", text=True) as process:
        for line in process.stdout:
            line = line.rstrip()
            for index, (marker, meaning) in enumerate(waiting):
                if marker in line:
                    seen.append((time.monotonic() - started, meaning))
                    del waiting[:index + 1]
                    if not shown:
                        print(f"  {seen[-1][0]:5.1f} s  {meaning}", flush=True)
                    break
            if line.startswith("FIRN-TEST"):
                shown = False
            if shown and not line.startswith("["):  # the kernel's own words
                print("  | " + line, flush=True)
            if line.startswith("FIRN-INIT"):
                shown = True
        status = process.wait()
    return status, seen


def thousands(number):
    return f"{number:,}"


def show_cost(stats, seen):
    total = stats["total"]
    blk = next(counts for name, counts in stats["devices"].items() if name.startswith("blk"))
    interrupts = total["interrupts"]
    first = moment(stats, FIRST_INSTRUCTION)
    print("\nTimeline")
    if first is not None:
        print(f"  {first / 1000:6.2f} s  the first guest instruction "
              f"({moment(stats, FIRST_INSTRUCTION, 'cpu_ms'):.0f} ms of CPU time)")
    for seconds, meaning in seen:
        print(f"  {seconds:6.2f} s  {meaning}")
    mib = 1 << 20
    rows = [
        ("hypervisor", f"{stats['hypervisor']}, {stats['interrupt_controller']}"),
        ("time", f"{stats['time']['wall_ms'] / 1000:.1f} s, "
                 f"{stats['time']['cpu_ms'] / 1000:.1f} s of CPU"),
        ("guest instructions", f"{thousands(total['instructions'])} (the same in every run)"),
        ("exits to firn", thousands(total["exits"]["total"])),
        ("interrupts", f"{thousands(interrupts['ppi'])} PPIs (timer), "
                       f"{thousands(interrupts['spi'])} SPIs (devices), "
                       f"{thousands(interrupts['lpi'])} LPIs (IPIs)"),
        ("disk", f"{thousands(blk['requests'])} requests, {thousands(blk['notifications'])} "
                 f"notifications, {thousands(blk['interrupts'])} interrupts"),
        ("host memory", f"{stats['memory']['host_peak_bytes'] / mib:.0f} MiB at most, "
                        f"{stats['memory']['guest_resident_bytes'] / mib:.0f} MiB of it the guest's"),
    ]
    print("\nWhat it cost")
    for name, value in rows:
        print(f"  {name:20}{value}")


def main():
    with tempfile.TemporaryDirectory(prefix="firn-demo-") as folder:
        initrd, disk = prepare(folder)
        if sys.argv[1:] == ["--shell"]:
            sys.exit(subprocess.run(command(initrd, disk, "quiet", "--clock=real"),
                                    check=False).returncode)
        stats_file = os.path.join(folder, "stats.json")
        release = (KERNEL / "release").read_text().strip()
        print(f"\nfirn boots Debian's {release}, unmodified: 2 CPUs, GICv5, an ext4 disk", flush=True)
        status, seen = run(command(initrd, disk, "firn.test=demo", "--quiet", "--stats", stats_file))
        if status != 0:
            sys.exit(f"demo: firn ended with status {status}; tools/demo --shell shows the console")
        with open(stats_file, encoding="utf-8") as stats:
            show_cost(json.load(stats), seen)
        demo_snapshots.show(FIRN, folder, command(initrd, disk, "quiet firn.test=answer"))
    print("\nNext: tools/demo --shell, bazel-bin/vmm/firn run --help, tools/test")


if __name__ == "__main__":
    main()
