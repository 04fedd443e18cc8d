#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The part of tools/bench --snapshots after the build: saves and restores on KVM, in one emulated arm64
host, beside Debian's arm64 QEMU with -accel kvm."""

import argparse
import re
import sys

from bench_host import KERNELS, bench_host
from snapshot_bench import ANSWER, QEMU_SAVE, SNAPSHOTS, SnapshotBench, count_calls

MIB = 1 << 20
PAGE = 4096
FILLED_MIB = 100
OWN_MIB = 3
CLONES = 100

# $1: bytes of guest memory; $2: pages to write before each incremental save; then firn, with a guest that
# runs programs/pages. One incremental save is timed, the next one traced.
SAVES = r"""
bytes=$1 pages=$2
shift 2
rm -rf in out vm.sock phases calls /tmp/snapshots/full /tmp/snapshots/layer*
mkfifo in out
"$@" --track-dirty-pages --trace --api-sock vm.sock < in > out 2> phases &
pid=$!
exec 3> in 4< out
wait_for() {
  while read -r line; do
    case $line in *"$1"*) return ;; esac
  done <&4
  exit 1
}
set -e
wait_for "FIRN-PAGES filled"
./firn pause vm.sock
./touched_pages $pid "$bytes"
./firn save vm.sock /tmp/snapshots/full
./firn resume vm.sock
for layer in layer1 layer2; do
  echo "$pages" >&3
  wait_for "FIRN-PAGES wrote"
  if [ $layer = layer2 ]; then
    strace -f -qq -p $pid -o calls &
    tracer=$!
    while grep -q 'TracerPid:.0$' /proc/$pid/task/*/status; do sleep 0.1; done
  else
    : > phases
  fi
  ./firn save vm.sock /tmp/snapshots/$layer --incremental
  [ $layer = layer2 ] || cp phases phases.timed
done
kill $tracer
wait $tracer || true
kill -9 $pid
wait $pid || true
for file in full/memory full/state layer2/memory layer2/state; do
  stat -c "blocks %n %b" /tmp/snapshots/$file
done
./firn verify /tmp/snapshots/layer2
"""

# $1: snapshot; $2: clones. Prints for each: KiB of private memory that are firn's own, and the guest's; and
# at the end what of the host's memory they took.
RUN_CLONES = r"""
rm -f out
available() { awk '/^MemAvailable/ { print $2 }' /proc/meminfo; }
before=$(available)
./firn restore "$1" --count "$2" --quiet > out 2> err &
pid=$!
for i in $(seq 900); do
  [ "$(grep FIRN-TICK out | cut -d: -f1 | sort -u | wc -l)" = "$2" ] && break
  kill -0 $pid || { cat err >&2; exit 1; }
  [ "$i" != 900 ] || { echo "not all clones run" >&2; exit 1; }
  sleep 0.5
done
after=$(available)
for clone in $(cat /proc/$pid/task/*/children); do
  awk '/^[0-9a-f]+-/ { guest = $6 ~ /\/memory$/ }
       /^Private_/ { if (guest) theirs += $2; else own += $2 }
       END { print "clone", own, theirs }' /proc/$clone/smaps
done
echo "taken $((before - after))"
kill $pid
wait $pid
"""


def percent(part, whole):
    return 100 * (part - whole) / whole


class Rows(SnapshotBench):
    def restores(self):
        """Against a cold boot, and QEMU's restore."""
        start = min(self.stopwatch("firn", "./firn", "--version") for _ in range(self.runs + 2))
        self.row("process start (exec to the output of firn --version)", f"{start:.1f} ms")
        for kernel in KERNELS:
            for cpus in (1, 2):
                self.restores_of(kernel, cpus, start)

    def restores_of(self, kernel, cpus, start):
        what = f"{kernel} guest, {cpus} vCPU"
        words = ("firn.seconds=0.01",)
        folder, file = self.ticking(kernel, cpus), f"{SNAPSHOTS}/qemu-{kernel}-{cpus}"
        self.sh(QEMU_SAVE, file, "FIRN-TICK",
                *self.qemu(kernel, "ticks", cpus, words=words, console=()))
        cold, first, firn, qemu = [], [], [], []
        for _ in range(self.runs):
            cold.append(self.stopwatch("FIRN-INIT", *self.firn(
                kernel, "ticks", "--cpus", cpus, words=words)))
            firn.append(self.stopwatch("FIRN-TICK", *self.restore(folder, "--stats", "stats.json")))
            timeline = self.get_json("stats.json")["time"]["timeline"]
            first.append(next(entry["wall_ms"] for entry in timeline
                              if entry["event"] == "first guest instruction"))
            qemu.append(self.stopwatch(
                "FIRN-TICK", *self.qemu(kernel, "ticks", cpus, words=words), "-incoming", "fd:3",
                before=f"exec 3< {file};"))
        cold, first, firn, qemu = min(cold), min(first) + start, min(firn), min(qemu)
        self.row(f"restore, exec to the first guest instruction, {what}",
                 f"{first:.0f} ms; cold boot to init {cold:.0f} ms: {cold / first:.1f} times",
                 "20 times faster", cold / first >= 20)
        self.row(f"restore, exec to the guest's next line, {what}",
                 f"firn {firn:.0f} ms, QEMU {qemu:.0f} ms: {qemu / firn:.1f} times",
                 "5 times faster than QEMU", qemu / firn >= 5)
        self.sh(f"rm {file}")

    def growth(self):
        """With memory of which the guest uses 128 MiB; with vCPUs and devices."""
        base = None
        for memory in ("128M", "512M", "1G", "4G"):
            name = f"memory-{memory}"
            calls = self.restore_calls(self.saved(
                name, memory=memory, words=("firn.seconds=0.01", "mem=128M")))
            self.forget(name)
            base = base or calls
            flat = all(abs(percent(now, then)) <= 5 for now, then in
                       ((calls.total, base.total), (calls.read, base.read)))
            self.row(f"mapped restore, {memory} of which the guest uses 128 MiB",
                     f"{calls.total} system calls, {calls.read} bytes read", "the same within 5 %",
                     flat)
        self.row("system calls of a restore, exec to the first KVM_RUN", base.listed())
        one, two, four = (self.restore_calls(self.ticking("6.1", cpus)) for cpus in (1, 2, 4))
        first, later = two.total - one.total, (four.total - two.total) / 2
        ioctls = four.counts["KVM_SET_ONE_REG"] - two.counts["KVM_SET_ONE_REG"]
        self.row("… for each further vCPU",
                 f"{first} for the second, {later:.1f} for the third and fourth, "
                 f"{ioctls / 2:.0f} of them KVM_SET_ONE_REG", "linear",
                 abs(first - later) <= 0.05 * later)
        self.sh("for n in 0 1 2 3; do truncate -s 1M disk$n; done")
        disks = [one.total]
        for count in (1, 2, 4):
            words = [word for n in range(count) for word in ("--disk", f"disk{n}")]
            disks.append(self.restore_calls(self.saved(f"disks-{count}", arguments=words)).total)
        slope = (disks[3] - disks[0]) / 4
        self.row("… for each disk",
                 f"{slope:.1f} (none {disks[0]}, 1: {disks[1]}, 2: {disks[2]}, 4: {disks[3]})",
                 "linear", all(abs(disks[i] - disks[0] - count * slope) <= count
                               for i, count in ((1, 1), (2, 2))))

    def working_set(self):
        folder = self.saved("answers", "7.2", "answer", "FIRN-ANSWERS", words=())
        demand = self.restore(folder, "--memory-load", "demand", "--stats", "stats.json")

        def faults(*arguments):
            self.sh(ANSWER, *demand, *arguments)
            return self.get_json("stats.json")["restore"]

        without = faults()
        if without["fell_back"]:
            self.row("faults before the guest answers", "not measured: no userfaultfd in this host")
            return
        without = min([without] + [faults() for _ in range(self.runs - 1)],
                      key=lambda stats: stats["faults"])
        faults("--record-working-set", "working-set")
        prepared = [faults("--working-set", "working-set") for _ in range(self.runs)]
        with_it = max(prepared, key=lambda stats: stats["faults"])
        ratio = without["faults"] / max(1, with_it["faults"])
        self.row("faults before the guest answers, memory on demand",
                 f"{without['faults']} without a working set, {with_it['faults']} with one "
                 f"({with_it['pages_prefetched']} pages of it): {ratio:.0f} times fewer",
                 "10 times fewer", ratio >= 10)

    def saves(self):
        pauses = []
        for memory in (512, 1024):
            text = self.sh(SAVES, memory * MIB, FIVE_PERCENT, *self.firn(
                "6.1", "pages", memory=f"{memory}M", words=(f"firn.mib={FILLED_MIB}",)))
            blocks = {name: int(count) * 512 for name, count in
                      re.findall(r"blocks /tmp/snapshots/(\S+) (\d+)", text)}
            lines = self.host.get("calls").decode(errors="replace").splitlines()
            phases = self.host.get("phases.timed").decode()
            listed = int(re.search(r"layer2/memory: ok, (\d+) pages", text)[1])
            pauses.append(self.pause(memory, lines, phases))
        touched, filled = map(int, re.search(r"^(\d+) (\d+)$", text, re.M).groups())
        self.full_save(touched, filled, blocks)
        self.incremental_save(listed, blocks, count_calls(lines))
        small, large = pauses
        logs = {calls.counts.get("KVM_GET_DIRTY_LOG") for calls in pauses}
        more = large.total - small.total
        self.row("… with 1 GiB instead of 512 MiB", f"{more:+d} system calls",
                 "nothing proportional to memory", more <= 0.05 * small.total + 4 and len(logs) == 1)

    def full_save(self, touched, filled, blocks):
        size = blocks["full/memory"] + blocks["full/state"]
        over = percent(size, filled * PAGE)
        self.row(f"full save of 1 GiB, {FILLED_MIB} MiB of it filled by the guest",
                 f"{size} bytes on disk for {filled} pages that are not zero, of {touched} that are "
                 f"there: {over:+.2f} %", "at most 5 % more than those pages", over <= 5)

    def incremental_save(self, listed, blocks, calls):
        over = percent(calls.written - blocks["layer2/state"], listed * PAGE)
        self.row("incremental save",
                 f"{calls.written} bytes written for {listed} dirty pages ({FIVE_PERCENT} written by "
                 f"the guest's program), {blocks['layer2/state']} of them state: {over:+.2f} %",
                 "at most 5 % more than those pages, and state", over <= 5)

    def pause(self, memory, lines, phases):
        """The system calls of the pause."""
        print(phases)
        return count_calls(lines)

    def clones(self):
        folder = self.saved("clones", memory="128M", words=("firn.seconds=2",))
        text = self.sh(RUN_CLONES, folder, CLONES)
        print(text[-300:])


FIVE_PERCENT = 13107  # pages of 1 GiB
ROWS = {"restores": Rows.restores, "growth": Rows.growth, "working-set": Rows.working_set,
        "saves": Rows.saves, "clones": Rows.clones}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("rows", nargs="*", metavar="ROWS", choices=[[], *ROWS],
                        help=f"which, of {', '.join(ROWS)} (default: all)")
    options = parser.parse_args()
    with bench_host() as host:
        bench = Rows(host, options.runs)
        for name in options.rows or ROWS:
            ROWS[name](bench)
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
