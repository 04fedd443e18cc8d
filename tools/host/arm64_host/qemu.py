# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The QEMUs that emulate the host, and their command lines."""

import os
import pathlib
import re
import shutil
import subprocess

from .errors import SetupError, UsageError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
VERSIONS = ("7.2", "11")
# Its root has the libraries and the program loader of its own Debian release.
_QEMU_11 = ROOT / ".deps/host/qemu-11"
# Models that QEMU has beside those that a 64-bit kernel runs on.
_32_BIT = re.compile(r"arm|pxa|sa1|ti9|cortex-[mr]|cortex-a(7|8|9|15)$")


def find(version):
    """(command, environment) that start QEMU of a version."""
    if version not in VERSIONS:
        raise UsageError(f"there is no QEMU {version}; there are {' and '.join(VERSIONS)}")
    environment = dict(os.environ)
    if version == "7.2":
        path = os.environ.get("PATH", "") + ":/usr/bin"
        program = shutil.which("qemu-system-aarch64", path=path)
        if program is None:
            raise SetupError("qemu-system-aarch64 (Debian's qemu-system-arm)")
        return [program], environment
    library = _QEMU_11 / "usr/lib/x86_64-linux-gnu"
    program = _QEMU_11 / "usr/bin/qemu-system-aarch64"
    if not program.exists():
        raise SetupError("QEMU 11 (.deps/host/qemu-11)")
    environment["QEMU_MODULE_DIR"] = str(library / "qemu")
    return [str(_QEMU_11 / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", str(library),
            str(program), "-L", str(_QEMU_11 / "usr/share/qemu")], environment


def cpu_argument(model):
    if _32_BIT.match(model):
        raise UsageError(f"{model} is not a 64-bit CPU with EL2")
    # The architecture's own pointer authentication algorithm, emulated, makes everything slow.
    if model.split(",")[0] == "max" and "pauth" not in model:
        return model + ",pauth-impdef=on"
    return model


def arguments(options, kernel, initrd_fd, console_fd, agent_fd, disk_fds):
    """The machine of `options` (class Options); the files and channels are inherited descriptors."""
    # panic=-1 and -no-reboot: a panic ends QEMU. The tests of the crypto drivers cost half a second.
    cmdline = f"console=ttyAMA0 rdinit=/init panic=-1 quiet cryptomgr.notests {options.append}"
    result = [
        "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot",
        "-machine", "virt,virtualization=on,gic-version=3", "-accel", "tcg,thread=multi",
        "-cpu", cpu_argument(options.cpu), "-smp", str(options.cpus), "-m", options.memory,
        "-kernel", str(kernel), "-initrd", f"/proc/self/fd/{initrd_fd}",
        "-append", cmdline.strip(),
        "-chardev", f"socket,id=console,fd={console_fd}", "-serial", "chardev:console",
        "-global", "virtio-mmio.force-legacy=false",
        "-device", "virtio-serial-device",
        "-chardev", f"socket,id=agent,fd={agent_fd}",
        "-device", "virtserialport,chardev=agent,nr=1",
    ]
    for index, fd in enumerate(disk_fds):
        result += ["-blockdev", f"driver=raw,node-name=disk{index},read-only=on,file.driver=file,"
                                f"file.filename=/proc/self/fd/{fd},file.locking=off",
                   "-device", f"virtio-blk-device,drive=disk{index},serial=disk{index}"]
    return result


def refusal(words, options):
    """What the caller asked for that QEMU does not have, if its words say so."""
    if "unable to find CPU model" in words:
        command, environment = find(options.qemu)
        models = subprocess.run([*command, "-machine", "virt", "-cpu", "help"], env=environment,
                                check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True).stdout.split()
        models = [model for model in models
                  if re.fullmatch(r"[a-z0-9-]+", model) and not _32_BIT.match(model)]
        return (f"QEMU {options.qemu} has no CPU model {options.cpu.split(',')[0]}; "
                f"it has {', '.join(models)}")
    for marker in ("mach-virt: CPU type", "Invalid CPU type", "Property '", "Invalid SMP CPUs",
                   "Can't apply global", "cannot set up guest memory"):
        if marker in words:
            return f"QEMU {options.qemu} refuses this machine: {words}"
    return None
