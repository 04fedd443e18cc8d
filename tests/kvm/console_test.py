# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A console whose reader stalls."""

from kvm_guest import KvmTest

LINES = 5000  # tools/guest/programs/lines

# Reads the first line of the guest's program, then nothing until all is full and the guest has been
# paused, saved and resumed; then the rest. Then all of the guest that was saved.
STALL = r"""
mkfifo console
"$@" --api-sock vm.sock > console 2> errors &
exec 3< console
while read -r line <&3; do
  case $line in *FIRN-LINE*) break ;; esac
done
written=
until [ "$written" = "$(grep wchar /proc/$!/io)" ]; do
  written=$(grep wchar /proc/$!/io)
  sleep 2
done
sleep 12  # the pipe is full; now firn's buffers
for command in "pause vm.sock" "save vm.sock snapshot" "resume vm.sock"; do
  # shellcheck disable=SC2086
  timeout 60 firn $command > /dev/null || echo "firn $command: $?"
done
cat <&3 > rest
wait $!
echo "run: $?"
cat errors >&2
timeout 60 firn restore snapshot > restored 2> /dev/null
echo "restore: $?"
rm -r console errors snapshot
"""


class StalledReaderTest(KvmTest):
    def test_virtio_console(self):
        """It holds up the guest, but neither the API nor a save, and no line is lost."""
        command = ["firn", *self.guest_arguments("lines", console="hvc0")]
        result = self.host.run(["sh", "-c", STALL, "stall", *command], timeout=240)
        self.assertEqual(result.text.split("\n")[:-1], ["run: 0", "restore: 0"],
                         f"{result.text}\n{result.error_text}")
        rest, restored = (self.host.get(name).decode() for name in ("rest", "restored"))
        self.sh("rm rest restored")
        self.assertEqual(self.numbers(rest), list(range(2, LINES + 1)))
        # What was still in firn's buffer at the save was the first guest's; then the line goes on in
        # which the buffer ended.
        numbers = self.numbers(restored)
        self.assertGreater(len(numbers), LINES / 10)
        self.assertLess(len(numbers), LINES / 2)  # else the guest did not wait
        self.assertEqual(numbers, list(range(LINES + 1 - len(numbers), LINES + 1)))
        self.assertTrue(rest.replace("\r", "").endswith(restored.replace("\r", "")))

    @staticmethod
    def numbers(console):
        return [int(line.split()[1]) for line in console.splitlines()
                if line.startswith("FIRN-LINE ")]
