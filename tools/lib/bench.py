#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The part of tools/bench after the build."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/guest"))
# pylint: disable=wrong-import-position
from initramfs import initramfs  # noqa: E402
from timeline import FIRST_INSTRUCTION, moment  # noqa: E402

FIRN = os.environ.get("FIRN", str(ROOT / "bazel-bin/vmm/firn"))
KERNEL = ROOT / ".deps/guest/7.2-cloud"
MARKER = b"FIRN-INIT"
MIB = 1 << 20


def cpu_seconds(pid):
    """What a process has used, in user space and in the kernel (proc(5), /proc/PID/stat)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_bytes(pid):
    """Pages of its own, without those that it may execute and write: Unicorn's translations."""
    total, is_translation = 0, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            if match := re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+)", line):
                is_translation = "w" in match[1] and "x" in match[1]
            elif line.startswith("Anonymous:") and not is_translation:
                total += int(line.split()[1]) << 10
    return total


class Bench:
    def __init__(self, folder, runs):
        self.folder = pathlib.Path(folder)
        self.runs = runs
        self.kernel = str(KERNEL / "vmlinuz")
        self.initrd = str(self.folder / "initramfs.cpio")
        pathlib.Path(self.initrd).write_bytes(initramfs(KERNEL))
        self.rows = []

    def row(self, what, target, measured, good):
        self.rows.append((what, target, measured, good))
        print(f"  {'ok' if good else '--' if good is None else 'NO':3}{what}: {measured}"
              f"{f' (target {target})' if target else ''}", flush=True)

    def firn(self, program, *arguments):
        """Runs a guest to its end; (CPU seconds until MARKER, statistics)."""
        stats = self.folder / "stats.json"
        command = [FIRN, "run", "--hypervisor=software", "--quiet", "--kernel", self.kernel,
                   "--initrd", self.initrd, "--cmdline", self.cmdline(program),
                   "--stats", str(stats), *arguments]
        seconds = self.seconds_to_marker(command)
        return seconds, json.loads(stats.read_text())

    @staticmethod
    def cmdline(program):
        return f"console=ttyS0 panic=-1 firn.test={program}"

    @staticmethod
    def seconds_to_marker(command, environment=None, stop=False):
        """CPU time, which other work on the machine blurs least."""
        seconds = None
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              env=environment) as process:
            for line in process.stdout:
                if seconds is None and MARKER in line:
                    seconds = cpu_seconds(process.pid)
                    if stop:
                        process.kill()
            status = process.wait()
        if seconds is None or (status != 0 and not stop):
            sys.exit(f"bench: {command[0]} ended with status {status}, and "
                     f"{'no' if seconds is None else 'a'} line from init")
        return seconds

    def boot(self, baseline):
        mine, four, theirs, stats = [], [], [], None
        for _ in range(self.runs):
            seconds, stats = self.firn("hello")
            mine.append(seconds)
            four.append(self.firn("hello", "--cpus", "4")[0])
            if baseline:
                environment = {**os.environ, "KERNEL": self.kernel, "INITRD": self.initrd,
                               "CMDLINE": self.cmdline("hello")}
                theirs.append(self.seconds_to_marker(["/bin/sh", "-c", baseline], environment, True))
        instructions = stats["total"]["instructions"]
        self.row("kernel 7.2, 1 vCPU, to a line from init", None,
                 f"{min(mine):.2f} s of CPU time; to power-off {instructions / 1e6:.0f} M instructions",
                 None)
        if theirs:
            ratio = min(mine) / min(theirs)
            self.row("  against the baseline", "1.3 times", f"{ratio:.2f} times", ratio <= 1.3)
        ratio = min(four) / min(mine)
        self.row("4 vCPUs against 1", "1.5 times", f"{ratio:.2f} times ({min(four):.2f} s)",
                 ratio <= 1.5)

    def start(self):
        for memory in ("256M", "8G"):
            best = None
            for _ in range(max(self.runs, 5)):
                _, stats = self.firn_until_first_instruction(memory)
                first = moment(stats, FIRST_INSTRUCTION, "cpu_ms")
                best = min(best or first, first)
            self.row(f"process start to first guest instruction, {memory}", "30 ms of CPU time",
                     f"{best:.1f} ms", best < 30)

    def firn_until_first_instruction(self, memory):
        stats = self.folder / "stats.json"
        subprocess.run([FIRN, "run", "--hypervisor=software", "--quiet", "--kernel", self.kernel,
                        "--initrd", self.initrd, "--memory", memory, "--stop-at", "1",
                        "--stats", str(stats)], check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return None, json.loads(stats.read_text())

    def memory(self):
        _, stats = self.firn_until_first_instruction("256M")
        own = stats["memory"]["own_resident_bytes"] / MIB
        self.row("firn's own memory at the first guest instruction, shared pages included", "16 MiB",
                 f"{own:.1f} MiB", own < 16)
        own = self.private_memory_after_boot() / MIB
        self.row("firn's own memory in a running guest, without Unicorn's buffer", "16 MiB",
                 f"{own:.1f} MiB", own < 16)

    def private_memory_after_boot(self):
        stats = self.folder / "stats.json"
        with subprocess.Popen([FIRN, "run", "--hypervisor=software", "--quiet", "--kernel", self.kernel,
                               "--initrd", self.initrd, "--cmdline", self.cmdline("forever"),
                               "--stats", str(stats)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                if b"FIRN-FOREVER" in line:
                    break
            private = private_bytes(process.pid)
            process.terminate()
            process.stdout.read()
        return private - json.loads(stats.read_text())["memory"]["guest_resident_bytes"]

    def disk(self):
        disk = self.folder / "disk.img"
        with open(disk, "wb") as out:
            out.truncate(64 * MIB)
        _, stats = self.firn("blockread", "--disk", str(disk))
        counters = stats["devices"]["blk.disk0"]
        for what in ("notifications", "interrupts"):
            ratio = counters[what] / counters["requests"]
            self.row(f"virtio-blk reads 64 MiB: {what} for each request", "1.05",
                     f"{ratio:.3f} ({counters['requests']} requests)", ratio <= 1.05)

    def micro(self, binary, what):
        """A Google Benchmark: no case may take twice as long as its smallest sibling: a scan would."""
        result = subprocess.run([str(ROOT / "bazel-bin" / binary), "--benchmark_format=json",
                                 "--benchmark_min_time=0.2"], check=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        groups = {}
        for case in json.loads(result.stdout)["benchmarks"]:
            groups.setdefault(case["name"].split("/")[0], []).append(
                (int((re.findall(r"\d+", case["name"]) or ["0"])[-1]), case["cpu_time"],
                 case["time_unit"]))
        for name, cases in groups.items():
            cases.sort()
            text = ", ".join(f"{size}: {cpu:.1f} {unit}" for size, cpu, unit in cases)
            ratio = cases[-1][1] / cases[0][1]
            good = ratio <= 2 if len(cases) > 1 else None
            self.row(f"{what}, {name}", "no growth", text, good)

    def table(self):
        print("\n| what | target | measured |\n| --- | --- | --- |")
        for what, target, measured, good in self.rows:
            print(f"| {what.strip()} | {target or ''} | {measured}{' **missed**' if good is False else ''} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--baseline")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firn-bench-") as folder:
        bench = Bench(folder, options.runs)
        bench.start()
        bench.memory()
        bench.boot(options.baseline)
        bench.disk()
        bench.micro("hypervisor/software/gicv5/hppi_benchmark", "interrupt selection")
        bench.micro("devices/mmio_bus_benchmark", "MMIO dispatch")
        bench.table()
    sys.exit(any(good is False for *_, good in bench.rows))


if __name__ == "__main__":
    main()
