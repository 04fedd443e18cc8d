# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A console whose reader stalls."""

from kvm_guest import KvmTest

LINES = 2200  # tools/guest/programs/lines

# Reads the first line of the guest's program, then nothing until all is full and the guest has been
# paused and saved. Reads on while it is paused, and when it is resumed. Then reads all of the guest that
# was saved. Zeros take up most of the pipe, as Linux sends 16 bytes at a time, which takes long here.
STALL = r"""
mkfifo console
"$@" --api-sock vm.sock > console 2> errors &
pid=$!
trap 'rm -rf console errors snapshot' EXIT
exec 3< console
while read -r line <&3; do
  case $line in *FIRN-LINE*) break ;; esac
done
timeout 20 dd if=/dev/zero of=console bs=4096 count=13 2> /dev/null || echo "dd: $?"
calls=
until [ "$calls" = "$(grep sysc /proc/$pid/io)" ]; do  # the pipe and firn's buffer are full
  calls=$(grep sysc /proc/$pid/io)
  sleep 3
done
timeout 60 firn pause vm.sock > /dev/null || echo "pause: $?"
timeout 60 firn save vm.sock snapshot > /dev/null || echo "save: $?"
cat <&3 > rest &
sleep 3
timeout 60 firn resume vm.sock > /dev/null || echo "resume: $?"
wait $pid
echo "run: $?"
wait
cat errors >&2
timeout 60 firn restore snapshot > restored 2> /dev/null
echo "restore: $?"
"""


class StalledReaderTest(KvmTest):
    def test_virtio_console(self):
        """It holds up the guest, but neither the API nor a save, and no line is lost."""
        command = ["firn", *self.guest_arguments("lines", console="hvc0")]
        result = self.host.run(["sh", "-c", STALL, "stall", *command], timeout=240)
        self.assertEqual(result.text.split("\n")[:-1], ["run: 0", "restore: 0"],
                         f"{result.text}\n{result.error_text}")
        rest, restored = (self.host.get(name).decode().replace("\0", "")
                          for name in ("rest", "restored"))
        self.sh("rm rest restored")
        self.assertEqual(self.numbers(rest), list(range(2, LINES + 1)))
        # What was still in firn's buffer at the save was the first guest's; then the line goes on in
        # which the buffer ended.
        numbers = self.numbers(restored)
        self.assertGreater(len(numbers), LINES / 10)
        self.assertLess(len(numbers), LINES - 1000)  # firn's buffer has more
        self.assertEqual(numbers, list(range(LINES + 1 - len(numbers), LINES + 1)))
        self.assertTrue(rest.replace("\r", "").endswith(restored.replace("\r", "")))

    @staticmethod
    def numbers(console):
        return [int(line.split()[1]) for line in console.splitlines()
                if line.startswith("FIRN-LINE ")]
