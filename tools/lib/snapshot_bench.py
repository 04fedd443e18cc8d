# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What the rows of bench_snapshots.py are made with: guests that are saved and restored in the emulated
host, and the system calls that it takes."""

import dataclasses
import re

from bench_host import Bench

# Snapshots are where the host has most room; its /tmp is memory, so that no disk's speed is measured.
SNAPSHOTS = "/tmp/snapshots"

# $1: folder; $2: the line after which the guest is saved; then firn.
SAVE = r"""
folder=$1 marker=$2
shift 2
rm -rf "$folder" fifo vm.sock
mkfifo fifo
"$@" --api-sock vm.sock < /dev/null > fifo &
pid=$!
exec 3< fifo
status=1
while [ $status != 0 ] && read -r line; do
  case $line in *"$marker"*) status=0 ;; esac
done <&3
[ $status = 0 ] && ./firn save vm.sock "$folder" || status=$?
kill -9 $pid
wait $pid
exit $status
"""

# $1: file; $2: the line; then QEMU. A copy that the guest runs on in is what -incoming starts.
QEMU_SAVE = r"""
file=$1 marker=$2
shift 2
rm -f "$file" fifo serial
mkfifo fifo
"$@" -serial file:serial -monitor stdio < fifo > monitor 2>&1 &
pid=$!
exec 3> fifo
until grep -q "$marker" serial 2> /dev/null; do kill -0 $pid || exit 1; sleep 0.1; done
echo 'migrate_set_parameter max-bandwidth 100G' >&3
echo "migrate \"exec:cat > $file\"" >&3
echo quit >&3
wait $pid && [ -s "$file" ] || { cat monitor >&2; exit 1; }
"""

# firn restore; ends it when the guest has answered.
ANSWER = r"""
rm -f in out
mkfifo in out
"$@" < in > out &
pid=$!
exec 3> in 4< out
echo "who are you?" >&3
status=1
while [ $status != 0 ] && read -r line; do
  case $line in *"FIRN-ANSWER "*) status=0 ;; esac
done <&4
kill $pid
wait $pid
exit $status
"""

# An ioctl's arguments; strace names all requests that have its number.
_REQUEST = re.compile(r"\d+, (?:\w+ or )*(\w+(?:\(.*?\))?)")
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_RESULT = re.compile(r"= (\d+)$")
_READS = ("read", "readv", "pread64", "preadv")
_WRITES = ("write", "writev", "pwrite64", "pwritev")
# Their number depends on who waits for whom.
_WAITS = ("futex", "sched_yield")


@dataclasses.dataclass
class Calls:
    """System calls: how many of each name (an ioctl's is that of its request), bytes read and written."""
    counts: dict = dataclasses.field(default_factory=dict)
    read: int = 0
    written: int = 0

    @property
    def total(self):
        return sum(self.counts.values())

    def listed(self, most=12):
        items = sorted(self.counts.items(), key=lambda item: -item[1])
        rest = sum(count for _, count in items[most:])
        return ", ".join(f"{count} {name}" for name, count in items[:most]) + (
            f", {rest} others" if rest else "")


def count_calls(lines):
    """Of strace's lines (-f)."""
    calls = Calls()
    for line in lines:
        started, resumed = _CALL.match(line), _RESUMED.match(line)
        if started:
            name, rest = started[2], started[3]
            if name in _WAITS:
                continue
            what = name
            if name == "ioctl":
                what = _REQUEST.match(rest)[1]
            calls.counts[what] = calls.counts.get(what, 0) + 1
        elif resumed:
            name, rest = resumed[2], resumed[3]
        else:
            continue
        result = _RESULT.search(rest.rstrip())
        if result and name in _READS:
            calls.read += int(result[1])
        elif result and name in _WRITES:
            calls.written += int(result[1])
    return calls


class SnapshotBench(Bench):
    def __init__(self, host, runs):
        super().__init__(host, runs)
        self._saved = set()
        # Half of the host's memory is too little for all.
        self.sh(f"mount -o remount,size=90% /tmp && mkdir {SNAPSHOTS}")

    def stopwatch(self, marker, *command, before=""):
        """Milliseconds from the exec of a command until it has written the marker."""
        text = self.sh(before + ' ./stopwatch "$@"', marker, *command)
        return int(text.splitlines()[-1]) / 1000

    def saved(self, name, kernel="6.1", program="ticks", marker="FIRN-TICK", arguments=(),
              memory="256M", words=("firn.seconds=0.01",)):
        """The folder of a snapshot, made where it is not there yet."""
        folder = f"{SNAPSHOTS}/{name}"
        if name not in self._saved:
            self.sh(SAVE, folder, marker,
                    *self.firn(kernel, program, *arguments, memory=memory, words=words))
            self._saved.add(name)
        return folder

    def ticking(self, kernel, cpus):
        return self.saved(f"{kernel}-{cpus}", kernel, arguments=("--cpus", cpus))

    def forget(self, name):
        self.sh(f"rm -rf {SNAPSHOTS}/{name}")
        self._saved.discard(name)

    @staticmethod
    def restore(folder, *arguments):
        return ["./firn", "restore", folder, "--quiet", *arguments]

    def restore_calls(self, folder, *arguments):
        """System calls of all threads until a vCPU runs for the first time: the fewest of some runs, as
        threads that meet cost a few more."""
        return min((self._restore_calls(folder, arguments) for _ in range(3)),
                   key=lambda calls: calls.total)

    def _restore_calls(self, folder, arguments):
        self.stopwatch("FIRN-TICK", "strace", "-D", "-f", "-qq", "-o", "calls",
                       *self.restore(folder, *arguments))
        lines = self.host.get("calls").decode(errors="replace").splitlines()
        first = next(i for i, line in enumerate(lines) if "KVM_RUN" in line)
        return count_calls(lines[:first])
