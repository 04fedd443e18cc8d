# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The host's kernel and its initramfs: busybox, modules, the init script and the agent, kept in
out/host under a name that tells what is in it; and the archive of a run's own files behind it."""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

from .errors import HostError, SetupError, UsageError

HERE = pathlib.Path(__file__).resolve().parent
HOST = HERE.parent
ROOT = HOST.parent.parent
sys.path.insert(0, str(ROOT / "tools/guest"))
# pylint: disable=wrong-import-position
from kernel_modules import KernelModules  # noqa: E402
from newc import Archive  # noqa: E402

# The working folder of commands, where their files are.
HOME = "/home"
# What commands leave there comes back.
OUT = "/out"
KERNELS = ROOT / ".deps/guest"
DEFAULT_KERNELS = ("6.1", "7.2")
_BUSYBOX = ROOT / ".deps/guest/busybox/bin/busybox"
_CACHE = ROOT / "out/host"
# The agent's port, and disks.
_MODULES = ["virtio_mmio", "virtio_console", "virtio_blk"]
_EXT4_MAGIC_AT, _EXT4_MAGIC = 0x438, b"\x53\xef"
_COMPILER = "aarch64-linux-gnu-g++-12"
_COMPILE_FLAGS = ["-std=c++20", "-Os", "-static", "-s", "-pipe", "-fno-exceptions", "-Wall"]


def kernel_folder(name):
    """The folder of a kernel: a name below .deps/guest, where "6.1" is short for "6.1-cloud", or the
    path of a folder of the same shape (vmlinuz, modules/, release)."""
    if "/" in name:
        folder = pathlib.Path(name)
        if not (folder / "vmlinuz").exists() or not (folder / "release").exists():
            raise UsageError(f"{name} is not the folder of a kernel: vmlinuz, modules/ and release")
        return folder
    for candidate in (name + "-cloud", name):
        if (KERNELS / candidate / "vmlinuz").exists():
            return KERNELS / candidate
    if name in DEFAULT_KERNELS:
        raise SetupError(f"kernel {name} (.deps/guest/{name}-cloud)")
    known = {folder.parent.name.removesuffix("-cloud") for folder in KERNELS.glob("*/vmlinuz")}
    raise UsageError(f"there is no kernel {name}; there are "
                     f"{', '.join(sorted(known | set(DEFAULT_KERNELS)))} "
                     "(more with tools/setup --all-guests)")


def initramfs(kernel):
    """The path of the initramfs for a kernel folder."""
    if not _BUSYBOX.exists():
        raise SetupError("busybox for arm64 (.deps/guest/busybox)")
    release = (kernel / "release").read_text().strip()
    sources = [HERE / "image.py", HOST / "init", *_agent_sources(), ROOT / "tools/guest/newc.py",
               ROOT / "tools/guest/kernel_modules.py"]
    key = _digest(sources)
    key.update(release.encode())
    for path in (_BUSYBOX, kernel / "modules", kernel / "release"):
        key.update(str(path.stat().st_mtime_ns).encode())
    path = _CACHE / f"initramfs-{release}-{key.hexdigest()[:16]}.cpio"
    if not path.exists():
        old = list(_CACHE.glob(f"initramfs-{release}-*.cpio"))
        _write_whole(path, lambda out: _base(kernel, out))
        for other in old:
            other.unlink(missing_ok=True)
    return path


def _base(kernel, out):
    archive = Archive(out)
    for folder in ("bin", "dev", "etc", HOME[1:], "modules", "mnt", OUT[1:], "proc", "root", "run",
                   "sys", "tmp"):
        archive.folder(folder)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", _BUSYBOX.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("etc/passwd", b"root:x:0:0:root:/home:/bin/sh\n"
                 b"nobody:x:65534:65534:nobody:/:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.file("init", (HOST / "init").read_bytes(), 0o755)
    archive.file("agent", _agent(), 0o755)
    for index, (name, data) in enumerate(KernelModules(kernel / "modules").load_order(_MODULES)):
        archive.file(f"modules/{index:02}-{name}.ko", data)
    archive.finish()


def _digest(paths):
    digest = hashlib.sha256()
    for path in paths:
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)} ".encode() + data)
    return digest


def _agent_sources():
    return sorted([*(HOST / "agent").glob("*.cc"), *(HOST / "agent").glob("*.h")])


def _agent():
    compiler = shutil.which(_COMPILER)
    if compiler is None:
        raise SetupError(f"{_COMPILER} (Debian's g++-12-aarch64-linux-gnu)")
    sources = [source for source in _agent_sources() if source.suffix == ".cc"]
    with open(os.memfd_create("agent"), "rb") as binary:
        # (The linker writes there through /proc: no file has to be removed.)
        result = subprocess.run(
            [compiler, *_COMPILE_FLAGS, f"-I{ROOT}", "-o", f"/proc/self/fd/{binary.fileno()}", *sources],
            check=False, pass_fds=[binary.fileno()], stdin=subprocess.DEVNULL, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            raise HostError(f"the agent does not compile:\n{result.stdout.strip()}")
        return binary.read()


def _write_whole(path, write):
    """Makes a file that is there whole or not at all, and leaves no other behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o644)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
            raise
        _write_and_rename(path, write)  # a file system without nameless files
        return
    with open(fd, "wb") as out:
        write(out)
        out.flush()
        folder = os.open("/proc/self/fd", os.O_PATH)
        try:
            # With src_dir_fd it is linkat, which follows the link to the nameless file.
            os.link(str(fd), path, src_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            pass  # another process was faster
        finally:
            os.close(folder)


def open_disk(path):
    try:
        disk = open(path, "rb")
    except OSError as error:
        raise UsageError(f"cannot read the disk image {path}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        stack.callback(disk.close)
        disk.seek(_EXT4_MAGIC_AT)
        if disk.read(2) != _EXT4_MAGIC:
            raise UsageError(f"{path} is not an ext4 image")
        stack.pop_all()
    return disk


def _write_and_rename(path, write):
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False) as out:
        try:
            write(out)
            out.flush()
            os.chmod(out.name, 0o644)
            os.rename(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise


def named_files(files):
    """{name: path} of what `files` is: that, or paths, which keep their last part as the name."""
    if isinstance(files, dict):
        named = {name: pathlib.Path(path) for name, path in files.items()}
    else:
        named = {}
        for path in map(pathlib.Path, files):
            name = path.name or path.resolve().name
            if name == "..":
                name = path.resolve().name
            if name in named:
                raise UsageError(f"two files are called {name}: {named[name]} and {path}")
            named[name] = path
    for name, path in named.items():
        if not name or name in (".", "..") or "/" in name:
            raise UsageError(f"{name!r} is no name for a file of the host")
        if not path.exists():
            raise UsageError(f"{path} does not exist")
    return named


def add_files(named, out, memory):
    """Appends the archive of a run's own files to the initramfs, for a host with `memory` bytes."""
    archive = Archive(out)
    start = out.tell()
    for name, path in named.items():
        _add_tree(archive, f"{HOME[1:]}/{name}", path.resolve())
    archive.finish()
    size = out.tell() - start
    # The kernel unpacks it beside the archive, and into no more than half of the memory. It goes on
    # without a word if that does not do.
    if size > memory // 3:
        raise UsageError(f"{size >> 20} MiB of files are too much for a host with {memory >> 20} MiB of "
                         "memory: three times as much is needed; or put them on a disk image")


def _add_tree(archive, name, path):
    try:
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            archive.folder(name, mode | 0o700)
            for entry in sorted(path.iterdir()):
                _add_tree(archive, f"{name}/{entry.name}", entry)
        elif stat.S_ISLNK(status.st_mode):
            archive.link(name, os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as source:
                archive.copy(name, source, os.fstat(source.fileno()).st_size, mode)
        else:
            raise UsageError(f"{path} is neither a file nor a folder")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
