# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""tools/arm64-host shell, on a terminal and without one."""

import os
import pty
import select
import struct
import subprocess
import termios
import time
from fcntl import ioctl

from arm64_host_cli import TIME_LIMIT, TOOL, HostTest


class ShellTest(HostTest):
    def read_until(self, fd, marker):
        text = b""
        deadline = time.monotonic() + TIME_LIMIT
        while marker not in text:
            self.assertLess(time.monotonic(), deadline, text)
            if select.select([fd], [], [], 1)[0]:
                text += os.read(fd, 4096)
        return text

    def test_terminal(self):
        user, terminal = pty.openpty()
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
        before = termios.tcgetattr(terminal)
        with subprocess.Popen([TOOL, "shell"], stdin=terminal, stdout=terminal, stderr=terminal,
                              env=self.environment(), cwd=self.folder) as tool:
            try:
                self.read_until(user, b"# ")
                os.write(user, b"tty; stty size; sh -c 'echo be\"gun\"; exec sleep 10000'\r")
                self.assertIn(b"/dev/pts/0\r\n33 77\r\n", self.read_until(user, b"begun\r\n"))
                ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 44, 88, 0, 0))
                tool.send_signal(28)  # SIGWINCH, which comes by itself to a controlling terminal
                os.write(user, b"\x03")  # for the command, not for the tool
                self.read_until(user, b"# ")
                os.write(user, b"until stty size | grep '44 88'; do sleep 0.1; done; exit 5\r")
                self.assertEqual(tool.wait(TIME_LIMIT), 5)
            finally:
                tool.kill()
        self.assertEqual(termios.tcgetattr(terminal), before)
        os.close(terminal)
        os.close(user)
        self.check_nothing_left()

    def test_without_terminal(self):
        outcome = self.tool("shell", stdin="tty\necho at $PWD\nexit 4\n")
        self.assertEqual((outcome.status, outcome.stdout, outcome.stderr),
                         (4, "not a tty\nat /home\n", ""))
