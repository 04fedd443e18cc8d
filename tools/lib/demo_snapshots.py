# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The end of tools/demo: a guest is saved while it runs, killed, restored, and copied three times."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

from timeline import FIRST_INSTRUCTION, moment

ANSWER = re.compile(r"FIRN-ANSWER work (\w+) generation (\w+) random (\w+)")
CLONES = 3


class Guest:
    """A firn with pipes to its guest's console."""

    def __init__(self, arguments):
        self.started = time.monotonic()
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        errors="replace", text=True, bufsize=1)

    def wait_for(self, marker):
        for line in self.process.stdout:
            if marker in line:
                return line.rstrip()
        return sys.exit(f"demo: firn ended with status {self.process.wait()} before {marker}")

    def ask(self):
        """(work, generation, random number) that the guest tells."""
        self.process.stdin.write("who are you?\n")
        return ANSWER.search(self.wait_for("FIRN-ANSWER ")).groups()

    def seconds(self):
        return time.monotonic() - self.started

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def guest(arguments):
    running = Guest(arguments)
    try:
        yield running
    finally:
        running.end()


def say(seconds, text):
    print(f"  {seconds:6.2f} s  {text}", flush=True)


def restore_arguments(firn, folder, name):
    return [str(firn), "restore", os.path.join(folder, "snapshot"), "--quiet", "--disk",
            shutil.copy(os.path.join(folder, "saved.ext4"), os.path.join(folder, f"{name}.ext4")),
            "--stats", os.path.join(folder, f"{name}.json")]


def first_instruction(folder, name):
    """Milliseconds from firn's first instruction to the guest's, or none where firn was killed."""
    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as stats:
        return moment(json.load(stats), FIRST_INSTRUCTION)


def tell(number, restored, answer):
    work, generation, random = answer
    say(restored.seconds(), f"clone {number} answers: work {work}, generation {generation}, "
                            f"random number {random[:12]}")


def save(firn, folder, arguments):
    """Boots, saves and kills a guest; what it said."""
    sock, snapshot = os.path.join(folder, "vm.sock"), os.path.join(folder, "snapshot")
    with guest([*arguments, "--quiet", "--api-sock", sock]) as original:
        original.wait_for("FIRN-ANSWERS")
        say(original.seconds(), "the guest has booted and done its work")
        answer = original.ask()
        booted = original.seconds()
        say(booted, "asked who it is, it answers: work {}, generation {}, random number {:.12}"
            .format(*answer))
        subprocess.run([firn, "pause", sock], check=True)
        # A guest's disk is not in its snapshot.
        disk = arguments[arguments.index("--disk") + 1]
        shutil.copy(disk, os.path.join(folder, "saved.ext4"))
        began = time.monotonic()
        subprocess.run([firn, "save", sock, snapshot], check=True)
        took = time.monotonic() - began
        written = sum(entry.stat().st_blocks * 512 for entry in os.scandir(snapshot))
        say(original.seconds(), f"saved in {took:.2f} s: {written / (1 << 20):.0f} MiB on disk")
        original.process.kill()
        say(original.seconds(), "killed: firn is gone, the snapshot stays")
    return booted, answer


def show(firn, folder, arguments):
    print("\nA snapshot: boot, work, save, kill, restore", flush=True)
    booted, (work, generation, _) = save(firn, folder, arguments)

    print("\nRestored, in a new process", flush=True)
    with guest(restore_arguments(firn, folder, "one")) as restored:
        answer = restored.ask()
        seconds = restored.seconds()
        restored.process.stdin.write("bye\n")  # the guest powers off
        restored.process.wait()
    milliseconds = first_instruction(folder, "one")
    say(milliseconds / 1000, "the guest's next instruction")
    say(seconds, f"it answers, {booted / seconds:.0f} times sooner than after a boot; "
                 f"its work is the same: {answer[0]}")

    print(f"\n{CLONES} clones of it at once", flush=True)
    with contextlib.ExitStack() as stack:
        clones = [stack.enter_context(guest(restore_arguments(firn, folder, f"clone{number}")))
                  for number in range(1, CLONES + 1)]
        answers = []
        for number, clone in enumerate(clones, 1):
            answers.append(clone.ask())
            tell(number, clone, answers[-1])
    if {work} != {answer[0] for answer in answers}:
        sys.exit("demo: a clone has lost its work")
    identities = {generation, *(answer[1] for answer in answers)}
    if len(identities) != CLONES + 1 or len({answer[2] for answer in answers}) != CLONES:
        sys.exit("demo: two clones are alike")
    print(f"  All have the work of the one that was saved, and {CLONES} identities of their own.")
