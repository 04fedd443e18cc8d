# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The command line of tools/arm64-host."""

import argparse
import contextlib
import errno
import os
import signal
import sys
import termios
import threading
import time
import tty

from . import image, qemu
from .errors import BootTimeout, CommandTimeout, HostError, UsageError
from .host import BOOT_TIMEOUT, Host, Options

STATUS_USAGE = 2
STATUS_TIMEOUT = 124
STATUS_HOST = 125
_DEFAULT_TIMEOUT = 600
_FETCH_TIMEOUT = 60
_DEFAULTS = Options()

_DESCRIPTION = """\
Boots an emulated arm64 machine with EL2 and a Debian kernel, whose /dev/kvm is real, and runs a command
in it: in a few seconds, on any x86-64 machine, without root.

  tools/arm64-host run [OPTION]... [--] COMMAND [ARGUMENT]...
  tools/arm64-host shell [OPTION]... [[--] COMMAND [ARGUMENT]...]     on a terminal of its own

The command starts in a folder with the files of --with. Output comes as it is written, standard error
apart; standard input is passed on. The host has busybox, /proc, /sys, /dev, /tmp and debugfs, and no
network; nothing in it outlives the command but what is in $OUT, with --out.
"""

_EPILOG = f"""\
status:
  the command's own; 128+N if signal N ended it
  {STATUS_USAGE}    the command line is wrong
  {STATUS_TIMEOUT}  the time limit was over
  {STATUS_HOST}  the host did not boot, panicked, or ended before the command; or a part is missing

examples:
  tools/arm64-host run ls -l /dev/kvm
  tools/arm64-host run --with bazel-bin/vmm/firn.stripped -- firn.stripped doctor
  tools/arm64-host run --kernel 7.2 --qemu 11 --cpu neoverse-n2 --cpus 4 -- cat /proc/cpuinfo
  tools/arm64-host run --out results -- sh -c 'dmesg > $OUT/dmesg; grep -r . /sys/kernel/debug/kvm'
  echo 'uname -a' | tools/arm64-host run sh
  tools/arm64-host shell --with bazel-bin/vmm/firn.stripped --with .deps/guest/7.2-cloud
"""


class _Stopped(BaseException):
    """A signal asks this process to end."""


def _parser():
    parser = argparse.ArgumentParser(
        prog="tools/arm64-host", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False,
        usage=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add = parser.add_argument
    add("--kernel", default=_DEFAULTS.kernel, metavar="NAME",
        help="6.1, 7.2, another one below .deps/guest, or a folder (%(default)s)")
    add("--qemu", default=_DEFAULTS.qemu, metavar="VERSION",
        help=f"{' or '.join(qemu.VERSIONS)} (%(default)s); kernel 7.2 is slow on 7.2's CPUs")
    add("--cpu", default=_DEFAULTS.cpu, metavar="MODEL",
        help="one of QEMU's CPU models, with its properties (%(default)s)")
    add("--cpus", type=int, default=_DEFAULTS.cpus, metavar="N", help="(%(default)s)")
    add("--memory", default=_DEFAULTS.memory, metavar="SIZE", help="such as 512M or 4G (%(default)s)")
    add("--with", dest="files", action="append", default=[], metavar="PATH",
        help="a file or folder for the command's working folder; may be given again")
    add("--disk", dest="disks", action="append", default=[], metavar="IMAGE",
        help="an ext4 image, read-only at /disk0, /disk1, …; its usr and lib are the host's")
    add("--out", metavar="DIR", help="where to copy what the command leaves in $OUT, however it ends")
    add("--timeout", type=float, metavar="SECONDS",
        help=f"of all; 0: none (run: {_DEFAULT_TIMEOUT}, shell: none)")
    add("--env", action="append", default=[], metavar="NAME=VALUE",
        help="for the command's environment; may be given again")
    add("--append", default="", metavar="WORDS", help="for the host kernel's command line")
    add("--log", metavar="FILE", help="where to write the host's kernel log")
    return parser


def _parse(arguments):
    parser = _parser()
    if not arguments or arguments[0] in ("-h", "--help"):
        parser.print_help(sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else STATUS_USAGE)
    mode = arguments[0]
    if mode not in ("run", "shell"):
        parser.error(f"there is no {mode}; there are run and shell")
    options = parser.parse_args(arguments[1:])
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command and mode == "run":
        parser.error("run needs a command; for a shell: tools/arm64-host shell")
    options.terminal = mode == "shell" and os.isatty(0) and os.isatty(1)
    options.command = command or ["sh", "-l"]
    if options.timeout is None:
        options.timeout = _DEFAULT_TIMEOUT if mode == "run" else 0
    if not options.timeout >= 0:
        parser.error("--timeout is 0 or more seconds")
    options.timeout = options.timeout or None
    for entry in options.env:
        if "=" not in entry[1:]:
            parser.error(f"--env takes NAME=VALUE, not {entry}")
    return options


class _Progress:
    """A line on a terminal, once something takes over a second; gone when it is done."""

    def __init__(self, what):
        self._what = what
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self):
        if sys.stderr is not None and sys.stderr.isatty():
            self._thread.start()

    def __exit__(self, *_):
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self):
        started = time.monotonic()
        shown = False
        while not self._done.wait(1):
            sys.stderr.write(f"\rarm64-host: {self._what} … {time.monotonic() - started:.0f} s")
            sys.stderr.flush()
            shown = True
        if shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _write_all(fd):
    def write(data):
        while data:
            data = data[os.write(fd, data):]
    return write


class _Input:
    """Standard input as a file that says EOF where it is not there."""

    @staticmethod
    def read(size):
        try:
            return os.read(0, size)
        except OSError:
            return b""


@contextlib.contextmanager
def _raw_terminal(command):
    """The terminal of this process becomes the command's."""
    saved = termios.tcgetattr(0)

    def resize(*_):
        size = os.get_terminal_size(0)
        command.resize(size.lines, size.columns)

    signal.signal(signal.SIGWINCH, resize)
    tty.setraw(0)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _run_command(host, options, left):
    size = os.get_terminal_size(0) if options.terminal else None
    environment = dict(entry.split("=", 1) for entry in options.env)
    if options.terminal:
        environment.setdefault("TERM", os.environ.get("TERM", "linux"))
        environment.setdefault("PS1", "arm64-host:\\w\\$ ")
    command = host.start(options.command, env=environment, stdout=_write_all(1), stderr=_write_all(2),
                         terminal=size and (size.lines, size.columns))
    with _raw_terminal(command) if options.terminal else contextlib.nullcontext():
        command.feed(_Input())
        return command.wait(left()).status


def _boot(options, seconds):
    boot_timeout = BOOT_TIMEOUT if seconds is None else min(seconds, BOOT_TIMEOUT)
    return Host(boot_timeout=boot_timeout, kernel=options.kernel, qemu=options.qemu, cpu=options.cpu,
                cpus=options.cpus, memory=options.memory, files=options.files, disks=options.disks,
                append=options.append)


def _session(options):
    deadline = None if options.timeout is None else time.monotonic() + options.timeout

    def left():
        return None if deadline is None else max(0, deadline - time.monotonic())

    if options.out is not None:
        try:
            os.makedirs(options.out, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {options.out}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        try:
            with _Progress("booting"):
                host = stack.enter_context(_boot(options, left()))
        except BootTimeout as error:
            _say(error)
            return STATUS_TIMEOUT if left() == 0 else STATUS_HOST
        if options.log is not None:
            log = stack.enter_context(open(options.log, "w", encoding="utf-8"))
            stack.callback(lambda: log.write(host.kernel_log))
        try:
            status = _run_command(host, options, left)
        except CommandTimeout:
            _say(f"the command was still running at the end of the time limit of {options.timeout:g} s")
            status = STATUS_TIMEOUT
        if options.out is not None:
            with _Progress(f"copying to {options.out}"):
                host.fetch(image.OUT, options.out, _FETCH_TIMEOUT)
        return status


def _say(message):
    with contextlib.suppress(OSError):
        os.write(2, f"arm64-host: {message}\n".encode())


def _die_of(number):
    """Ends as a process ends that knows nothing of the signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def main(arguments):
    # Descriptors 0 to 2 are there from here on, so that nothing else gets their numbers.
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
    options = _parse(arguments)

    def stop(number, _):
        raise _Stopped(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        return _session(options)
    except _Stopped as error:
        _die_of(error.args[0])
    except BrokenPipeError:
        _die_of(signal.SIGPIPE)
    except UsageError as error:
        _say(error)
        return STATUS_USAGE
    except (HostError, CommandTimeout) as error:
        _say(error)
    except OSError as error:
        _say(f"{error.filename or errno.errorcode.get(error.errno)}: {error.strerror}")
    return STATUS_HOST
