"""A daemon that is started from inside a managed program: it cannot leave that program's tree, and is no part of it."""
import contextlib
import os
import pathlib
import signal
import time

import harness
from test_kill_shim import TAKEN_OVER, events_of

# Does what the files named 1, 2, … in its first argument say, one after the other: a line of the shell each. What came
# of it stands beside it afterwards. Its own children, one of them in another session, have their pids in "children".
WORKER = """
import os, subprocess, sys, time
place = sys.argv[1]
children = [subprocess.Popen(['sleep', '600'], start_new_session=alone).pid for alone in (False, True)]
with open(place + '/children', 'w') as f: f.write('%d %d\\n' % tuple(children))
number = 1
while True:
    order = '%s/%d' % (place, number)
    while not os.path.exists(order): time.sleep(0.01)
    line = open(order).read()
    if line == 'end': sys.exit(7)
    code = subprocess.run(['/bin/sh', '-c', line]).returncode
    with open(order + '.new', 'w') as f: f.write(str(code))
    os.rename(order + '.new', order + '.done')
    number += 1
"""


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def environment_of(pid):
    return pathlib.Path(f"/proc/{pid}/environ").read_bytes()


class DaemonWithin(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.orders = self.place.scratch
        self.number = 0
        # What a program is given does not say where this test's daemon serves.
        self.client = f"{harness.BIN / 'persistproc'} --data-dir {self.place.data} --port {self.daemon.port}"

    def write(self, line):
        self.number += 1
        order = self.orders / str(self.number)
        order.with_suffix(".new").write_text(line)
        order.with_suffix(".new").rename(order)
        return order

    def order(self, line):
        """Has the outer program do it."""
        done = self.write(line).with_suffix(".done")
        harness.eventually(f"done: {line}", done.exists)
        self.assertEqual(done.read_text(), "0", (line, self.outer_log()))

    def outer_log(self):
        return b"".join(p.read_bytes() for p in sorted((self.place.data / "procs" / "p1" / "log").glob("*.log")))[-2000:]

    def begin(self):
        self.number = 0
        for each in self.orders.iterdir():
            each.unlink()
        view = self.start("outer", harness.python(WORKER, str(self.orders)))
        harness.eventually("its children", (self.orders / "children").exists)
        return view["pid"]

    def children(self):
        return [int(pid) for pid in (self.orders / "children").read_text().split()]

    def holder(self, data=None):
        """PID of the daemon, by its lock file."""
        text = ((data or self.place.data) / "daemon.lock").read_text()
        return int(text.split("(PID ", 1)[1].split(")")[0])

    def shim_of(self, program):
        return parent_of(program)

    def replace_daemon(self, line=None):
        """Kills the daemon; another is started from inside the outer program. Its PID."""
        before = self.holder()
        if before == self.daemon.process.pid:
            self.daemon.kill()
        else:
            harness.kill(before)
        if line is None:
            self.order(f"{self.client} start --label inner -- sleep 600")
        else:
            self.order(line)
        harness.eventually("it serves", self.is_served)
        daemon = self.holder()
        self.assertNotIn(b"_PP_RUN_MARK=", environment_of(daemon))
        return daemon

    def check_outer_gone(self, children):
        self.assertEqual([pid for pid in children if harness.is_alive(pid)], [])

    def end_daemon(self, daemon):
        self.ok("shutdown")
        harness.eventually("it has left", lambda: not harness.is_alive(daemon))

    def test_the_outer_program_is_stopped(self):
        for force in (False, True):
            with self.subTest(force=force):
                outer = self.begin()
                keeper = self.shim_of(outer)
                daemon = self.replace_daemon()
                self.assertEqual(parent_of(daemon), keeper, "it was to be started within the tree")
                other = self.start("other", ["sleep", "600"])["pid"]
                inner = self.view("inner")["pid"]
                children = self.children()
                begun = time.monotonic()
                self.ok("stop", "outer", *(["--force"] if force else []))
                self.assertLess(time.monotonic() - begun, 8, "it waited for who does not leave")
                view = self.view("outer")
                self.assertEqual((view["signal"], view["reason"]), ("SIGKILL" if force else "SIGTERM", "stopped"))
                self.check_outer_gone(children)
                harness.eventually("its keeper has left", lambda: not harness.is_alive(keeper))
                self.assertTrue(harness.is_alive(daemon))
                self.assertEqual(self.holder(), daemon)
                for label, pid in (("inner", inner), ("other", other)):
                    self.assertTrue(harness.is_alive(pid), label)
                    view = self.view(label)
                    self.assertEqual((view["state"], view["pid"]), ("running", pid))
                self.end_daemon(daemon)
                self.daemon.start()

    def test_the_outer_program_is_run_again(self):
        outer = self.begin()
        daemon = self.replace_daemon()
        inner = self.view("inner")["pid"]
        children = self.children()
        again = self.ok("restart", "outer", "--json").json()
        self.assertNotEqual(again["pid"], outer)
        self.check_outer_gone(children)
        self.assertEqual(self.holder(), daemon)
        self.assertTrue(harness.is_alive(daemon))
        self.assertTrue(harness.is_alive(inner))
        self.end_daemon(daemon)

    def test_the_outer_program_ends_by_itself(self):
        """What it left behind is its own; a later start clears that and nothing else."""
        outer = self.begin()
        keeper = self.shim_of(outer)
        daemon = self.replace_daemon()
        inner = self.view("inner")["pid"]
        children = self.children()
        self.write("end")
        self.assertEqual(self.wait_exit("outer").code, 7)
        self.assertTrue(all(map(harness.is_alive, children)))
        again = self.begin()
        self.check_outer_gone(children)
        harness.eventually("its keeper has left", lambda: not harness.is_alive(keeper))
        for pid in (daemon, inner, again):
            self.assertTrue(harness.is_alive(pid))
        # And with nothing left behind the keeper does not wait for them.
        daemon = self.replace_daemon(f"{self.client} start --label third -- sleep 600")
        keeper = self.shim_of(again)
        self.assertEqual(parent_of(daemon), keeper)
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        self.write("end")
        harness.eventually("its keeper has left", lambda: not harness.is_alive(keeper))
        for pid in (daemon, inner, self.view("third")["pid"]):
            self.assertTrue(harness.is_alive(pid))
        self.end_daemon(daemon)

    def test_keepers_of_a_dead_daemon_are_no_part_of_it(self):
        """Daemon and the keeper of a run die; that run's program is the outer keeper's child then."""
        outer = self.begin()
        keeper = self.shim_of(outer)
        self.replace_daemon()
        inner = self.view("inner")["pid"]
        # One run whose keeper was replaced: its program is the daemon's child.
        self.start("adopted", ["sleep", "600"])
        adopted = self.view("adopted")["pid"]
        before = self.shim_of(adopted)
        os.kill(before, signal.SIGKILL)
        # Of which its log tells.
        log = self.place.data / "procs" / self.view("adopted")["id"] / "log"
        harness.eventually("another keeper", lambda: TAKEN_OVER in events_of(log))
        self.assertEqual(parent_of(adopted), self.holder())
        os.kill(self.holder(), signal.SIGKILL)
        harness.eventually("it is an orphan", lambda: parent_of(adopted) == keeper)
        self.order(f"{self.client} start --label another -- sleep 600")
        daemon = self.holder()
        self.ok("stop", "outer")
        for pid in (daemon, inner, adopted):
            self.assertTrue(harness.is_alive(pid))
        self.assertEqual(self.view("adopted")["pid"], adopted)
        self.end_daemon(daemon)

    def test_a_daemon_started_by_hand_in_the_foreground(self):
        """It has the program's process group, terminal and output."""
        self.begin()
        daemon = harness.BIN / "persistprocd"
        pid = self.replace_daemon(f"{daemon} --quiet --data-dir {self.place.data} --port {self.daemon.port} &")
        self.start("other", ["sleep", "600"])
        other = self.view("other")["pid"]
        children = self.children()
        self.ok("signal", "outer", "USR1")
        harness.eventually("the signal has ended it", lambda: self.view("outer")["state"] != "running")
        self.assertTrue(harness.is_alive(pid))
        self.ok("stop", "outer")
        self.check_outer_gone(children)
        self.assertEqual(self.holder(), pid)
        self.assertTrue(harness.is_alive(pid))
        self.assertTrue(harness.is_alive(other))
        self.end_daemon(pid)

    def test_a_daemon_of_another_data_directory_is_part_of_it(self):
        elsewhere = self.place.root / "elsewhere"
        self.begin()
        client = f"{harness.BIN / 'persistproc'} --data-dir {elsewhere} --port {harness.free_port()}"
        self.order(f"{client} start --label inner -- sleep 600")
        daemon = self.holder(elsewhere)
        inner = self.ok("--data-dir", str(elsewhere), "status", "inner", "--json").json()["pid"]
        keeper = self.shim_of(inner)
        self.ok("stop", "outer")
        for pid in (daemon, keeper, inner):
            self.assertFalse(harness.is_alive(pid))
        self.assertEqual(self.view("outer")["reason"], "stopped")

    def check_leftovers(self):
        # The second daemon of a test is no child of ours.
        with contextlib.suppress(Exception):
            if self.is_served():
                self.ok("shutdown")
        super().check_leftovers()


if __name__ == "__main__":
    harness.main()
