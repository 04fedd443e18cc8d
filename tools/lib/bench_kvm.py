#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The part of tools/bench --kvm after the build: firn on KVM, in one emulated arm64 host, beside Debian's
arm64 QEMU with -accel kvm."""

import argparse
import os
import sys

from bench_host import FIRN, Bench, bench_host
from timeline import FIRST_INSTRUCTION, MACHINE_CREATED, moment

# Prints the seconds from its start to the line from init, then ends the monitor.
TO_INIT = r"""
start=$(cut -d' ' -f1 /proc/uptime)
mkfifo fifo
"$@" < /dev/null > fifo 2> /dev/null &
while read -r line; do
  case $line in *FIRN-INIT*) end=$(cut -d' ' -f1 /proc/uptime); break ;; esac
done < fifo
kill $! 2> /dev/null
wait
rm fifo
echo "$start $end" | awk '{ print $2 - $1 }'
"""

# Prints KiB of the monitor's own memory (PSS without the guest's) when the guest is up.
PSS = r"""
mkfifo fifo
"$@" < /dev/null > fifo 2> /dev/null &
pid=$!
while read -r line; do
  case $line in *FIRN-FOREVER*) break ;; esac
done < fifo
# The kernel may have split the guest's memory; all else without a file is smaller than 16 MiB.
awk '/^[0-9a-f]+-/ { file = $6 } /^Size:/ { size = $2 }
     /^Pss:/ && (file != "" || size < 16384) { own += $2 } END { print own }' "/proc/$pid/smaps"
kill $pid
wait
rm fifo
"""


class KvmBench(Bench):
    def stats(self, *command):
        self.sh('"$@" > /dev/null', *command, "--stats", "stats.json")
        return self.get_json("stats.json")

    def boots(self):
        for kernel in ("6.1", "7.2"):
            for cpus in (1, 2):
                times = {"firn": [], "own": [], "qemu": []}
                for _ in range(self.runs):
                    times["firn"].append(float(self.sh(
                        TO_INIT, *self.firn(kernel, "forever", "--cpus", str(cpus),
                                            "--stats", "stats.json"))))
                    times["own"].append(moment(self.get_json("stats.json"), FIRST_INSTRUCTION,
                                               "wall_ms") / 1000)
                    times["qemu"].append(float(self.sh(
                        TO_INIT, *self.qemu(kernel, "forever", cpus))))
                best = {name: min(seconds) for name, seconds in times.items()}
                ratio = best["qemu"] / best["firn"]
                self.row(f"exec to init, {kernel} guest, {cpus} vCPU",
                         f"firn {best['firn']:.2f} s, QEMU {best['qemu']:.2f} s: {ratio:.2f} times",
                         "2.5 times faster than QEMU", ratio >= 2.5)
                guest = min(whole - own for whole, own in zip(times["firn"], times["own"]))
                self.row("… of which firn's own, to the first guest instruction",
                         f"{min(times['own']):.2f} s; a monitor that took no time at all: "
                         f"{best['qemu'] / guest:.2f} times")

    def calls(self, *arguments, memory="256M"):
        """System calls of the main thread until it waits for events: all that a start takes. (The
        vCPUs' own first calls come meanwhile, on their threads.) The fewest of some runs, without
        those that only wait: threads that meet at a lock cost a few more."""
        return min((self.calls_once(arguments, memory) for _ in range(3)), key=len)

    def calls_once(self, arguments, memory):
        command = self.firn("6.1", "hello", "--console=off", *arguments, memory=memory)
        self.sh('strace -f -qq -o trace "$@" > /dev/null', *command)
        calls, main = [], None
        for line in self.host.get("trace").decode(errors="replace").splitlines():
            thread, _, call = line.partition(" ")
            main = main or thread
            if thread != main or "(" not in call or "resumed>" in call:
                continue
            if "epoll_pwait" in call:
                return calls
            if not call.strip().startswith(("futex(", "sched_yield(")):
                calls.append(call.strip())
        raise RuntimeError("firn never waited for events")

    def start(self):
        self.sh("for n in 0 1 2 3; do truncate -s 1M disk$n; done")
        disks = [word for n in range(4) for word in ("--disk", f"disk{n}")]
        base = self.calls()
        by_name = {}
        for line in base:
            name = line.split("(")[0]
            if name == "ioctl":
                name = line.split(", ")[1].split(")")[0]
            by_name[name] = by_name.get(name, 0) + 1
        listed = ", ".join(f"{count} {name}" for name, count in
                           sorted(by_name.items(), key=lambda item: -item[1])[:16])
        self.row("system calls, exec to the event loop", f"{len(base)} ({listed}, …)")
        large, vcpus, drives = (self.calls(memory="4G"), self.calls("--cpus", "5"),
                                self.calls(*disks))
        self.row("… with 4 GiB instead of 256 MiB", f"{len(large) - len(base):+d}", "no more",
                 len(large) <= len(base))
        self.row("… for each further vCPU", f"{(len(vcpus) - len(base)) / 4:.1f}")
        self.row("… for each disk", f"{(len(drives) - len(base)) / 4:.1f}")
        for memory in ("256M", "4G"):
            stats = self.stats(*self.firn("6.1", "hello", memory=memory))
            first = moment(stats, FIRST_INSTRUCTION, "cpu_ms")
            created = moment(stats, MACHINE_CREATED, "cpu_ms")
            self.row(f"CPU time, exec to first KVM_RUN, {memory}",
                     f"{first:.0f} ms, {created:.0f} ms of it before the kernel is read and copied")

    def memory(self):
        firn = int(self.sh(PSS, *self.firn("6.1", "forever"))) / 1024
        qemu = int(self.sh(PSS, *self.qemu("6.1", "forever"))) / 1024
        self.row("memory beyond the guest's (PSS)", f"firn {firn:.2f} MiB, QEMU {qemu:.1f} MiB",
                 "under 3 MiB", firn < 3)

    def exits(self):
        stats = self.stats(*self.firn("6.1", "hello"))
        vcpu = stats["vcpus"][0]["exits"]
        devices = {name: device["reads"] + device["writes"]
                   for name, device in stats["mmio"]["devices"].items()}
        self.row("exits to user space of a quiet boot", f"{vcpu['total']}: "
                 + ", ".join(f"{count} {name}" for name, count in devices.items() if count)
                 + f", {vcpu['system_events']} PSCI, {vcpu['kicks']} kicks")
        self.sh("truncate -s 64M disk0")
        registers = []
        for program in ("hello", "blockread"):
            stats = self.stats(*self.firn("6.1", program, "--disk", "disk0"))
            device = stats["mmio"]["devices"]["blk.disk0"]
            registers.append(device["reads"] + device["writes"])
        requests = stats["devices"]["blk.disk0"]["requests"]
        interrupts = stats["devices"]["blk.disk0"]["interrupts"]
        more = registers[1] - registers[0]
        self.row("exits for virtio-blk requests",
                 f"{more or 'no'} more register accesses for {requests} requests and {interrupts} "
                 "interrupts", "none", more <= 0)

    def binary(self):
        size = os.path.getsize(FIRN)
        self.row("static stripped binary", f"{size / 1e6:.2f} MB", "under 3 MB", size < 3e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with bench_host() as host:
        bench = KvmBench(host, options.runs)
        bench.binary()
        bench.boots()
        bench.start()
        bench.memory()
        bench.exits()
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
