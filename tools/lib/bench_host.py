# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What the benchmarks in the emulated arm64 host share: the host with firn, its peers and guests; rows of
a table; command lines."""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tools/host"), str(ROOT / "tools/guest")]
# pylint: disable=wrong-import-position
from arm64_host import Host  # noqa: E402
from initramfs import compile_native, initramfs  # noqa: E402

FIRN = os.environ.get("FIRN", str(ROOT / "out/kvm/firn"))
KERNELS = ("6.1", "7.2")
PEERS = ROOT / ".deps/host/bench/disk.img"


def bench_host():
    """A host with firn, QEMU, strace, both guests, and the programs of lib/host."""
    if not PEERS.exists():
        sys.exit("bench: there is no QEMU to compare with: run tools/setup --bench")
    built = ROOT / "out/kvm"
    built.mkdir(parents=True, exist_ok=True)
    files = {"firn": FIRN}
    for kernel in KERNELS:
        folder = ROOT / f".deps/guest/{kernel}-cloud"
        files[f"vmlinuz-{kernel}"] = str(folder / "vmlinuz")
        path = built / f"initrd-{kernel}"
        path.write_bytes(initramfs(folder))
        files[f"initrd-{kernel}"] = str(path)
    for source in (ROOT / "tools/lib/host").glob("*.c"):
        path = built / source.stem
        path.write_bytes(compile_native(source))
        path.chmod(0o755)
        files[source.stem] = str(path)
    return Host(files=files, disks=[str(PEERS)], memory="6G")


class Bench:
    def __init__(self, host, runs):
        self.host = host
        self.runs = runs
        self.missed = 0

    def row(self, what, measured, target="", good=None):
        self.missed += good is False
        mark = {True: "ok", False: "NO", None: "--"}[good]
        print(f"  {mark:3}{what}: {measured}{f' (target: {target})' if target else ''}", flush=True)

    def sh(self, script, *arguments):
        """What a script in the host prints; an error where it fails."""
        result = self.host.run(["sh", "-c", script, "bench", *map(str, arguments)], check=True,
                               timeout=600)
        return result.text

    @staticmethod
    def firn(kernel, program, *arguments, memory="256M", words=()):
        return ["./firn", "run", "--hypervisor=kvm", "--quiet", "--kernel", f"vmlinuz-{kernel}",
                "--initrd", f"initrd-{kernel}", "--memory", memory, "--cmdline",
                " ".join(["console=ttyS0 quiet panic=-1", f"firn.test={program}", *words]), *arguments]

    @staticmethod
    def qemu(kernel, program, cpus=1, words=(), console=("-serial", "stdio")):
        return ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-accel", "kvm", "-cpu", "host",
                "-smp", str(cpus), "-m", "256M", "-nodefaults", "-nic", "none", "-display", "none",
                "-no-reboot", *console, "-kernel", f"vmlinuz-{kernel}", "-initrd", f"initrd-{kernel}",
                "-append", " ".join(["console=ttyAMA0 quiet panic=-1", f"firn.test={program}", *words])]

    def get_json(self, name):
        return json.loads(self.host.get(name))
