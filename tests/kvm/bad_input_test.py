# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Hosts and limits that firn cannot run a guest with: what it says, and that nothing is left."""

import shlex

from kvm_guest import KvmTest  # first: it finds the folders of the others
import guest


class BadHostTest(KvmTest):
    # Runs firn as nobody.
    UNPRIVILEGED = "start-stop-daemon -S -c nobody:nogroup -x $PWD/firn --"

    def check(self, *words, before="", firn="firn", after="", arguments=()):
        """`before` and `after` are shell lines around firn."""
        run = shlex.join(self.guest_arguments("hello", *arguments))
        result = self.sh(f"{before}\n{firn} {run}\nstatus=$?\n{after}\nexit $status")
        self.assertEqual(result.status, guest.STATUS_ERROR, result)
        self.assertEqual(result.text, "", "no guest ran")
        for word in words:
            self.assertIn(word, result.error_text)
        return result

    def test_no_kvm(self):
        self.check("open /dev/kvm", "ENOENT", "enable KVM", before="mv /dev/kvm /dev/away",
                   after="mv /dev/away /dev/kvm")

    def test_no_permission(self):
        self.check("open /dev/kvm", "EACCES", "group kvm", before="chmod 600 /dev/kvm",
                   firn=self.UNPRIVILEGED, after="chmod 666 /dev/kvm")

    def test_not_kvm(self):
        self.check("KVM_GET_API_VERSION", "ENOTTY", before="mv /dev/kvm /dev/away; ln -s null /dev/kvm",
                   after="mv -f /dev/away /dev/kvm")

    def test_gicv5_on_a_gicv3_host(self):
        self.check("--gic=v5", "the machine has no GICv5", "kernel is older than Linux 7.4",
                   "use --gic=auto", arguments=["--gic=v5"])

    def test_software_in_a_build_without_it(self):
        result = self.firn("run", "--hypervisor=software", "--kernel", "vmlinuz-6.1")
        self.assertEqual(result.status, guest.STATUS_ERROR, result)
        self.assertIn("no software hypervisor", result.error_text)

    def test_settings_that_only_software_has(self):
        self.check("--stop-at needs the software hypervisor", arguments=["--stop-at", "1000"])

    def test_too_many_cpus(self):
        self.check("513 vCPUs", arguments=["--cpus", "513"])

    def test_limit_of_open_files(self):
        """Wherever it strikes, the message names it; with enough of them the guest runs."""
        run = shlex.join(["firn", *self.guest_arguments("hello")])
        result = self.sh(f"for limit in $(seq 4 64); do ( ulimit -n $limit; {run} > out 2> err; "
                         "status=$?; echo $limit $status $(grep -c EMFILE err) "
                         "$(grep -c 'ulimit -n' err) $(grep -c 'hello: ok' out); exit $status ) && "
                         "break; done; rm out err")
        rows = [list(map(int, line.split())) for line in result.text.splitlines()]
        self.assertGreater(len(rows), 10, result)
        for row in rows[:-1]:
            self.assertEqual(row[1:], [1, 1, 1, 0], rows)
        self.assertEqual(rows[-1][1:], [0, 0, 0, 1], rows)

    def test_limit_of_address_space(self):
        self.check("mmap of", "ENOMEM", before="ulimit -v 200000", arguments=["--memory", "1G"])

    def test_thread_that_cannot_be_created(self):
        self.check("pthread_create for", "EAGAIN", before="chmod 666 /dev/kvm; ulimit -u 1",
                   firn=self.UNPRIVILEGED)
