# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Save and restore on the real KVM: a busy guest goes through it again and again, and its clones live
side by side."""

import os
import re

from kvm_guest import KvmTest, TIME_LIMIT  # first: it finds the folders of the others
from workload import checksums

# Of the guest that is saved and restored again and again: each way of loading memory once; more for a
# soak.
CYCLES = int(os.environ.get("FIRN_SNAPSHOT_CYCLES", "3"))
CLONES = 16

# The guest is saved when it has done some rounds, killed, and restored with the disk as it was then; each
# way of loading memory has its turn. RAN says for how long there was a firn whose guest could run.
CYCLE = r"""
now() { read -r uptime _ < /proc/uptime; echo "$uptime"; }
ran() {  # SINCE: adds the time since then
  ran=$(awk -v ran="$ran" -v since="$1" -v now="$(now)" 'BEGIN { print ran + now - since }')
}
wait_for() {  # LOG COUNT
  for i in $(seq 3000); do
    [ "$(grep -c FIRN-ROUND "$1")" -ge "$2" ] && return
    kill -0 "$pid" || return 1
    sleep 0.1
  done
  return 1
}
set -e
cycle=0
ran=0
while [ $cycle -lt %(cycles)d ]; do
  wait_for log.$cycle 2 || { echo "cycle $cycle:"; tail -n 20 log.$cycle; exit 1; }
  firn pause vm.sock
  ran $started
  sleep 1  # the guest must not see it
  firn save vm.sock snapshot
  cp disk.img copy.img
  kill -9 $pid
  wait $pid || true
  mv copy.img disk.img
  rm -f vm.sock
  cycle=$((cycle + 1))
  case $((cycle %% 3)) in 0) load=eager ;; 1) load=mapped ;; 2) load=demand ;; esac
  started=$(now)
  firn restore snapshot --memory-load $load --api-sock vm.sock > log.$cycle 2>&1 &
  pid=$!
done
wait $pid || { echo "status $? at the end:"; tail -n 20 log.$cycle; exit 1; }
ran $started
tail -n 4 log.$cycle
echo "RAN $ran"
"""


class SnapshotTest(KvmTest):
    def cycles(self, kernel, cpus=2):
        self.ext4_disk()
        rounds = 2 * CYCLES + 3  # two before each save, and some after the last
        start = " ".join(f"'{word}'" for word in self.guest_arguments(
            "rounds", "--cpus", str(cpus), "--disk", "disk.img", "--api-sock", "vm.sock",
            kernel=kernel, words=(f"firn.rounds={rounds}",)))
        result = self.sh(f"rm -rf snapshot log.* vm.sock\nread -r started _ < /proc/uptime\n"
                         f"firn {start} > log.0 2>&1 &\npid=$!\n" + CYCLE % {"cycles": CYCLES},
                         timeout=TIME_LIMIT + 100 * CYCLES)
        self.assertEqual(result.status, 0, result.text[-3000:] + result.error_text[-1000:])
        self.assertIn("FIRN-TEST rounds: ok", result.text)
        uptime, ran = (float(re.search(rf"{word} ([\d.]+)", result.text)[1])
                       for word in ("FIRN-UPTIME", "RAN"))
        self.assertLessEqual(uptime, ran, "the guest's time went on while it did not run")
        self.sh("rm -rf snapshot log.*")

    def test_6_1_guest_again_and_again(self):
        self.cycles("6.1")

    def test_7_2_guest_again_and_again(self):
        self.cycles("7.2")

    def test_clones_at_once(self):
        start = " ".join(f"'{word}'" for word in self.guest_arguments(
            "checksum", "--cpus", "2", "--api-sock", "vm.sock", words=("firn.seed=5",)))
        result = self.sh(f"""
rm -rf snapshot vm.sock
firn {start} > log 2>&1 &
pid=$!
for i in $(seq 1000); do grep -q FIRN-INIT log && break; sleep 0.2; done
firn save vm.sock snapshot || exit 1
kill -9 $pid
wait $pid
clones=
for clone in 1 2 3 4; do
  firn restore snapshot > clone.$clone 2>&1 &
  clones="$clones $!"
done
for clone in $clones; do wait $clone || exit 1; done
cat clone.*
rm -rf snapshot clone.*
""")
        self.assertEqual(result.status, 0, result.text[-3000:])
        for cpu in range(2):
            line = f"FIRN-CHECKSUM {cpu} {' '.join(checksums(5, cpu))}"
            self.assertEqual(result.text.count(line), 4, result.text[-3000:])


    def test_clones_know_who_they_are(self):
        """16 of one snapshot, in one command: each another machine, with the host's time of day."""
        start = " ".join(f"'{word}'" for word in self.guest_arguments(
            "identity", "--memory", "192M", "--api-sock", "vm.sock", kernel="7.2"))
        result = self.sh(f"""
rm -rf snapshot vm.sock
firn {start} > log 2>&1 &
pid=$!
for i in $(seq 1000); do grep -q FIRN-IDENTITY-WAITS log && break; sleep 0.2; done
firn save vm.sock snapshot || {{ tail -n 20 log; exit 1; }}
kill -9 $pid
wait $pid
date +"BEFORE %s"
firn restore snapshot --count {CLONES} --quiet || exit 1
date +"AFTER %s"
rm -rf snapshot
""", timeout=TIME_LIMIT)
        self.assertEqual(result.status, 0, result.text[-3000:] + result.error_text[-1000:])
        found = re.findall(r"FIRN-IDENTITY generation (\w+) random ([\w-]+)", result.text)
        self.assertEqual(len(found), CLONES, result.text[-3000:])
        for identities in zip(*found):
            self.assertEqual(len(set(identities)), CLONES, identities)
        self.assertEqual(result.text.count("FIRN-TEST identity: ok"), CLONES, result.text[-3000:])
        before, after = (int(re.search(rf"{when} (\d+)", result.text)[1])
                         for when in ("BEFORE", "AFTER"))
        tai_offset = 37
        for seconds in re.findall(r"FIRN-IDENTITY-SEEN .* seconds (\d+)", result.text):
            self.assertIn(int(seconds) - tai_offset, range(before, after + 1))


class SnapshotOn72Test(SnapshotTest):
    """A newer host: what the guest's kernel and its clones do does not depend on it."""
    host_name = "7.2"
    test_6_1_guest_again_and_again = None
    test_clones_at_once = None
    test_clones_know_who_they_are = None


class SnapshotOnMaxTest(SnapshotTest):
    """With SVE and pointer authentication."""
    host_name = "max"
    test_7_2_guest_again_and_again = None
    test_clones_at_once = None
    test_clones_know_who_they_are = None
