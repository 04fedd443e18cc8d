#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The part of tools/bench --snapshots after the build: saves and restores on KVM, in one emulated arm64
host, beside Debian's arm64 QEMU with -accel kvm."""

import argparse
import dataclasses
import re
import statistics
import sys

from bench_host import KERNELS, bench_host
from snapshot_bench import ANSWER, QEMU_SAVE, SNAPSHOTS, Calls, SnapshotBench, count_calls
from timeline import FIRST_INSTRUCTION, moment

MIB = 1 << 20
PAGE = 4096
FILLED_MIB = 100
DIRTY = 13107  # pages, 5 % of 1 GiB
OWN_MIB = 3
CLONES = 100

# $1: bytes of guest memory; $2: pages to write before each incremental save; then firn, with a guest that
# runs programs/pages. One incremental save is timed, the next one traced.
SAVES = r"""
bytes=$1 pages=$2
shift 2
rm -rf in out vm.sock phases calls /tmp/snapshots/full /tmp/snapshots/layer*
mkfifo in out
"$@" --track-dirty-pages --trace --api-sock vm.sock < in > out 2>> phases &
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
  stat -c "file %n %b %s" /tmp/snapshots/$file
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
wait $pid || true
"""


def percent(part, whole):
    return 100 * (part - whole) / whole


@dataclasses.dataclass
class Saves:
    """Of a guest's full save: pages that it had touched, those not zero. Of an incremental save: system
    calls of all of it and of the pause, its milliseconds (of another one), pages."""
    touched: int
    filled: int
    sizes: dict  # of files: (on disk, in bytes)
    calls: Calls
    pause: Calls
    milliseconds: float
    dirty: int

    @property
    def others(self):
        return self.pause.total - self.pause.counts.get("pwrite64", 0)


class Rows(SnapshotBench):
    def restores(self):
        """Against a cold boot, and QEMU's restore."""
        start = min(self.stopwatch("firn", "./firn", "--version") for _ in range(self.runs + 2))
        self.row("process start (exec to the output of firn --version)", f"{start:.1f} ms")
        for kernel in KERNELS:
            for cpus in (1, 2):
                self.restores_of(kernel, cpus, start)

    def restores_of(self, kernel, cpus, start):
        what = f"{kernel} guest, {cpus} vCPU{'s' if cpus > 1 else ''}"
        words = ("firn.seconds=0.01",)
        folder, file = self.ticking(kernel, cpus), f"{SNAPSHOTS}/qemu-{kernel}-{cpus}"
        self.sh(QEMU_SAVE, file, "FIRN-TICK",
                *self.qemu(kernel, "ticks", cpus, words=words, console=()))
        cold, first, firn, qemu = [], [], [], []
        for _ in range(self.runs):
            cold.append(self.stopwatch("FIRN-INIT", *self.firn(
                kernel, "ticks", "--cpus", cpus, words=words)))
            firn.append(self.stopwatch("FIRN-TICK", *self.restore(folder, "--stats", "stats.json")))
            first.append(moment(self.get_json("stats.json"), FIRST_INSTRUCTION))
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
                 f"({with_it['pages_prefetched']} pages of it): "
                 f"at least {ratio:.0f} times fewer",
                 "10 times fewer", ratio >= 10)

    def saves(self):
        small, large = (self.saves_of(memory) for memory in (512, 1024))
        self.full_save(large)
        self.incremental_save(large)
        self.pause(large)
        logs, more = large.pause.counts["KVM_GET_DIRTY_LOG"], large.others - small.others
        self.row("… with 1 GiB instead of 512 MiB and as many dirty pages",
                 f"{more:+d} system calls without the writes, {logs} of them for the dirty log",
                 "nothing proportional to memory but the log itself",
                 more == 0 and logs == small.pause.counts["KVM_GET_DIRTY_LOG"])

    def saves_of(self, memory):
        text = self.sh(SAVES, memory * MIB, DIRTY, *self.firn(
            "6.1", "pages", memory=f"{memory}M", words=(f"firn.mib={FILLED_MIB}",)))
        touched, filled = map(int, re.search(r"^(\d+) (\d+)$", text, re.M).groups())
        sizes = {name: (int(blocks) * 512, int(size)) for name, blocks, size in
                 re.findall(r"^file \S+/(\w+/\w+) (\d+) (\d+)$", text, re.M)}
        lines = self.host.get("calls").decode(errors="replace").splitlines()
        said = {what: i for i, line in enumerate(lines) for what in ("memory of", "resuming")
                if f'"firn: save: {what}' in line}
        # But what --trace itself says.
        pause = [line for line in lines[said["memory of"]:said["resuming"]]
                 if '"firn: save: ' not in line]
        times = re.findall(r"save: (.*) \((.*) ms\)", self.host.get("phases.timed").decode())
        return Saves(touched, filled, sizes, count_calls(lines), count_calls(pause),
                     sum(float(time) for _, time in times[1:-1]),
                     int(re.search(r"layer2/memory: ok, (\d+) pages", text)[1]))

    def full_save(self, saves):
        size = saves.sizes["full/memory"][0] + saves.sizes["full/state"][0]
        over = percent(size, saves.filled * PAGE)
        self.row(f"full save of 1 GiB, {FILLED_MIB} MiB of it filled by the guest's program",
                 f"{size} bytes on disk; of {saves.touched} pages that the guest touched "
                 f"{saves.filled} are not zero, {saves.filled * PAGE} bytes: {over:+.2f} %",
                 "at most 5 % more", over <= 5)

    def incremental_save(self, saves):
        state = saves.sizes["layer2/state"][1]
        over = percent(saves.calls.written - state, saves.dirty * PAGE)
        self.row("incremental save",
                 f"{saves.calls.written} bytes written, {state} of them state, for {saves.dirty} dirty "
                 f"pages ({DIRTY} of the guest's program): {over:+.2f} %", "at most 5 % more", over <= 5)

    def pause(self, saves):
        pages = saves.pause.written // PAGE
        self.row("pause of an incremental save with 5 % of 1 GiB dirty",
                 f"{pages} of {saves.dirty} pages are written in it; {saves.pause.total} system calls "
                 f"({saves.pause.listed(6)}); {saves.milliseconds:.0f} ms", "stated")

    def clones(self):
        """Twice: what one takes, all do not take again."""
        folder = self.saved("clones", memory="128M", words=("firn.seconds=2",))
        one, all_of_them = (self.clones_of(folder, count) for count in (1, CLONES))
        own, guests = zip(*all_of_them[0])
        further = (all_of_them[1] - one[1]) / (CLONES - 1)
        self.row(f"{CLONES} clones of a guest of 128 MiB: private memory of each",
                 f"firn's own {statistics.median(own):.0f} KiB, at most {max(own)} KiB, the guest's {min(guests)} to {max(guests)} KiB",
                 f"firn's own under {OWN_MIB} MiB",
                 len(own) == CLONES and max(own) < OWN_MIB * 1024)
        private = sum(own + guests) / CLONES
        self.row("… memory of the host for each further one",
                 f"{further:.0f} KiB less are available: {private:.0f} KiB are private, the rest are the "
                 "kernel's, for its VM and process", "private pages only")

    def clones_of(self, folder, count):
        text = self.sh(RUN_CLONES, folder, count)
        return ([(int(own), int(guest)) for own, guest in
                 re.findall(r"^clone (\d+) (\d+)$", text, re.M)],
                int(re.search(r"^taken (-?\d+)$", text, re.M)[1]))


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
