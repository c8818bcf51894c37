"""The keeper of a run dies; its program notices nothing, and what is lost is little and said."""
import contextlib
import os
import pathlib
import signal
import struct
import time

import harness

# Numbered lines until the file of its first argument exists, then the code of its second.
COUNTER = """
import os, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    sys.stdout.write('line %d\\n' % n); n += 1
    time.sleep(0.001)
sys.stdout.write('end %d\\n' % n)
sys.exit(int(sys.argv[2]))
"""
# One child in the group, one in a session of its own; both outlive the parent when that ends.
TREE = """
import os, sys, time
def note():
    with open(sys.argv[1], 'a') as f: f.write('%d\\n' % os.getpid())
if os.fork() == 0:
    note(); time.sleep(600)
if os.fork() == 0:
    os.setsid(); note(); time.sleep(600)
note(); time.sleep(600)
"""
# Some that have lost their parents and have no environment. They leave what each letter says: the session, the output.
# SIGUSR1 asks for one more.
ORPHANS = """
import os, signal, sys, time
def orphan(leaves):
    if os.fork() == 0:
        if 's' in leaves: os.setsid()
        if 'o' in leaves: os.dup2(os.open('/dev/null', os.O_WRONLY), 1), os.dup2(1, 2)
        if os.fork() != 0: os._exit(0)
        with open(sys.argv[1], 'a') as f: f.write('%d\\n' % os.getpid())
        os.execve('/bin/sleep', ['sleep', '600'], {})
    os.wait()
signal.signal(signal.SIGUSR1, lambda *_: orphan('so'))
for leaves in sys.argv[2:]: orphan(leaves)
with open(sys.argv[1], 'a') as f: f.write('%d\\n' % os.getpid())
time.sleep(600)
"""
# Fast, on both streams, in writes that are no whole lines.
FLOOD = """
import os, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
    for fd, name in ((1, 'out'), (2, 'err')):
        text = ''.join('%s %d\\n' % (name, i) for i in range(n, n + 200)).encode()
        while text: text = text[os.write(fd, text[:1000]):]
    n += 200
"""
# Fast, in writes that are no whole lines; says so when it is hung up.
TERMINAL_FLOOD = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, lambda *_: os.write(1, b'hung up'))
n = 0
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
    text = ''.join('line %d\\n' % i for i in range(n, n + 200)).encode()
    while text: text = text[os.write(1, text[:1000]):]
    n += 200
"""
DEATHS = 20
TAKEN_OVER = 8


def kernel_tells_codes():
    """Since Linux 6.15 a pidfd knows how a process ended though another has reaped it."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()))) >= (6, 15)


def events_of(log):
    """The values of all events in a log directory, by kind."""
    out = {}
    for index in sorted(log.glob("*.idx")):
        data = index.read_bytes()
        for at in range(64, len(data) - 63, 64):
            out.setdefault(data[at + 42], []).append(struct.unpack_from("<q", data, at + 48)[0])
    return out


def end(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class KillShim(harness.TestCase):
    def shim(self, process="p1"):
        """PID of the shim that keeps the newest run of a process, or None."""
        mark = f"{self.place.data}/procs/{process}/runs/"
        for pid, command in harness.processes_of(self.place.data):
            if mark in command and "persistproc-shim" in command:
                return pid
        return None

    def kill_shim(self, process="p1"):
        """Kills it; returns once another has taken over."""
        before = len(self.take_overs(process))
        os.kill(harness.eventually("a shim", lambda: self.shim(process)), signal.SIGKILL)
        harness.eventually("a successor", lambda: len(self.take_overs(process)) > before)

    def take_overs(self, process="p1"):
        """Bytes that each succession said to be missing at most."""
        return events_of(self.place.data / "procs" / process / "log").get(TAKEN_OVER, [])

    def test_the_shim_that_waits_for_a_run_is_nobodys_loss(self):
        self.start("a", ["sleep", "600"])
        (first,) = harness.eventually("one waits", self.idle_shims)
        self.start("b", ["sleep", "600"])
        # It has become that run's, and another waits.
        self.assertEqual(self.shim("p2"), first)
        (second,) = harness.eventually("another waits", self.idle_shims)
        self.assertEqual(self.kill_idle_shim(), second)
        self.start("c", ["sleep", "600"])
        self.assertNotEqual(self.shim("p3"), second)
        (third,) = harness.eventually("a third waits", self.idle_shims)
        self.daemon.restart()
        harness.eventually("it has left with its daemon", lambda: not harness.is_alive(third))
        self.assertEqual([self.view(name)["state"] for name in "abc"], ["running"] * 3)

    def test_a_lock_that_is_gone_proves_no_death(self):
        labels = ("removed", "replaced")
        before = {label: self.start(label, ["sleep", "600"], "--restart", "always")["pid"] for label in labels}
        for number, _ in enumerate(labels, 1):
            (self.place.data / "procs" / f"p{number}" / "runs" / "1" / "shim.lock").unlink()
        (self.place.data / "procs" / "p2" / "runs" / "1" / "shim.lock").touch(mode=0o600)
        self.daemon.restart()
        self.assertEqual({view["label"]: view["pid"] for view in self.views()}, before)
        self.assertEqual([view["state"] for view in self.views()], ["running"] * 2)
        self.assertIn(b"shims: each answers", self.cli("doctor").out)
        self.ok("stop", *labels)
        self.assertFalse([pid for pid in before.values() if harness.is_alive(pid)])

    def test_twenty_deaths_under_a_program_that_writes(self):
        gate = self.place.work / "stop"
        pid = self.start("counter", harness.python(COUNTER, str(gate), "7"))["pid"]
        shown = self.background("run", "--label", "counter", *harness.python(COUNTER, str(gate), "7"))
        for death in range(DEATHS):
            self.kill_shim()
            view = self.view("counter")
            self.assertEqual((view["state"], view["pid"], view["run"]), ("running", pid, "p1.1"), death)
        gate.touch()
        self.assertEqual(self.wait_exit("counter").code, 7)
        self.assertEqual(shown.wait().code, 7)
        view = self.view("counter")
        self.assertEqual((view["state"], view["exit_code"], view["reason"]), ("exited", 7, "self"))
        lines = self.ok("output", "counter", "-n", "0").out.decode().splitlines()
        self.assertEqual(lines[-1], f"end {len(lines) - 1}")
        for i, line in enumerate(lines[:-1]):
            self.assertEqual(line, f"line {i}")
        self.assertEqual(self.take_overs(), [0] * DEATHS)

    def test_deaths_under_a_flood_lose_no_byte(self):
        gate = self.place.work / "stop"
        pid = self.start("flood", harness.python(FLOOD, str(gate)))["pid"]
        for _ in range(DEATHS):
            self.kill_shim()
        self.assertEqual(self.view("flood")["pid"], pid)
        gate.touch()
        self.assertEqual(self.wait_exit("flood").code, 0)
        for stream, name in (("stdout", "out"), ("stderr", "err")):
            lines = self.ok("output", "flood", "-n", "0", "--stream", stream).out.decode().splitlines()
            self.assertGreater(len(lines), 1000)
            for i, line in enumerate(lines):
                self.assertEqual(line, f"{name} {i}")
        self.assertEqual(self.take_overs(), [0] * DEATHS)

    def test_deaths_under_a_flood_on_a_terminal_lose_no_byte_and_hang_up_nobody(self):
        gate = self.place.work / "stop"
        pid = self.start("flood", harness.python(TERMINAL_FLOOD, str(gate)), "-t")["pid"]
        for _ in range(DEATHS):
            self.kill_shim()
        self.assertEqual(self.view("flood")["pid"], pid)
        gate.touch()
        self.assertEqual(self.wait_exit("flood").code, 0)
        recorded = self.ok("output", "flood", "-n", "0").out
        lines = recorded.count(b"\r\n")
        self.assertGreater(lines, 1000)
        self.assertEqual(recorded, b"".join(b"line %d\r\n" % i for i in range(lines)))
        self.assertEqual(self.take_overs(), [0] * DEATHS)

    def test_a_stop_ends_the_whole_tree_under_a_successor(self):
        path = self.place.work / "pids"
        self.start("tree", harness.python(TREE, str(path)))
        pids = lambda: [int(p) for p in path.read_text().split()] if path.exists() else []
        harness.eventually("all three run", lambda: len(pids()) == 3)
        self.kill_shim()
        self.ok("stop", "tree")
        self.assertEqual([p for p in pids() if harness.is_alive(p)], [])
        view = self.view("tree")
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("stopped", "SIGTERM", "stopped"))

    def test_orphans_without_an_environment_are_known_again(self):
        pids = self.orphans("web", "s", "o", "so")
        for _ in range(2):
            self.kill_shim()
        self.ok("stop", "web")
        self.assertEqual([p for p in pids if harness.is_alive(p)], [])

    def test_what_may_be_another_run_s_is_left_alone(self):
        first, second, third = self.orphans("web", "so"), self.orphans("api", "so"), self.orphans("db", "s")
        self.kill_shim("p1")
        # At no death that the daemon could see.
        os.kill(first[-1], signal.SIGUSR1)
        late = harness.eventually("one more", lambda: set(self.noted("web")) - set(first)).pop()
        self.kill_shim("p2")
        self.kill_shim("p3")
        lives = lambda pids: [harness.is_alive(p) for p in pids]
        self.ok("stop", "db")
        self.assertEqual(lives(first + [late] + second + third), [True] * 5 + [False] * 2)
        # Whose these two are cannot be told any more, unless the keeper that followed was quick enough to see.
        for pid in (late, second[0]):
            self.addCleanup(end, pid)
        self.ok("stop", "api")
        self.assertEqual(lives(first + [late] + second), [True] * 4 + [False])
        self.ok("stop", "web")
        self.assertEqual(lives(first), [False] * 2)

    def noted(self, label):
        path = self.place.work / label
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def orphans(self, label, *each):
        """PIDs of the orphans, and of the program behind them."""
        program = self.start(label, harness.python(ORPHANS, str(self.place.work / label), *each))["pid"]
        harness.eventually("all run", lambda: len(self.noted(label)) == len(each) + 1)
        executed = lambda pid: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
        harness.eventually("all have executed", lambda: sum(map(executed, self.noted(label))) == len(each))
        return [pid for pid in self.noted(label) if pid != program] + [program]

    def test_a_signal_that_ended_the_program_is_known(self):
        pid = self.start("sleeper", ["sleep", "600"])["pid"]
        self.kill_shim()
        os.kill(pid, signal.SIGSEGV)
        self.assertEqual(self.wait_exit("sleeper").code, 128 + signal.SIGSEGV)
        self.assertEqual(self.view("sleeper")["reason"], "self")
        # Nothing of it is left with its new parent.
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_what_it_uses_is_still_seen(self):
        code = (
            "import os, socket, time\ns = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(1)\n"
            "if os.fork() == 0: time.sleep(600)\nprint(s.getsockname()[1], flush=True); time.sleep(600)"
        )
        self.start("server", harness.python(code))
        port = int(harness.eventually("its port", lambda: self.ok("output", "server").out))

        def seen():
            # What a view says of the kernel may be 250 ms old.
            view = self.view("server")
            return view if view["ports"] == [port] and view["memory_bytes"] > 1 << 20 else None

        before = harness.eventually("its use", seen)
        self.kill_shim()
        after = harness.eventually("a look since", lambda: (view := seen()) and view["cpu_percent"] is not None and view)
        self.assertGreater(after["memory_bytes"], before["memory_bytes"] // 2)
        self.assertEqual(self.cli("wait", "server", "--port", str(port), "--timeout", "5").code, 0)

    def test_what_lives_beside_the_program_is_still_seen(self):
        # Below nobody of the tree any more: its parent ended before the shim did.
        server = harness.python(
            "import os, socket, time\ns = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
            "if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(600)\n  os._exit(0)\n"
            "s.close(); os.wait(); print('ready', flush=True); time.sleep(600)"
        )
        self.start("server", server)
        self.ok("wait", "server", "--pattern", "ready")

        def seen():
            # What a view says of the kernel may be 250 ms old, and from before its fork.
            view = self.view("server")
            return view["ports"] if len(view["ports"]) == 1 and view["programs"] == 2 else None

        before = harness.eventually("its port and both programs", seen)
        self.kill_shim()
        harness.eventually("its successor", self.shim)
        harness.eventually("the same by a look since", lambda: seen() == before)

    def test_program_and_shim_killed_at_once(self):
        pid = self.start("sleeper", ["sleep", "600"])["pid"]
        shim = self.shim()
        harness.suspend(shim)
        os.kill(pid, signal.SIGKILL)
        os.kill(shim, signal.SIGKILL)
        self.assertEqual(self.wait_exit("sleeper").code, 128 + signal.SIGKILL)

    def test_a_zombie_that_is_kept_delays_no_other(self):
        """The daemon keeps a program's zombie until its successor has recorded the end, which a stopped one does not."""
        first = self.start("first", ["sleep", "600"])["pid"]
        self.kill_shim("p1")
        second = self.start("second", ["sleep", "600"])["pid"]
        self.kill_shim("p2")
        keeper = self.shim("p1")
        harness.suspend(keeper)
        try:
            os.kill(first, signal.SIGKILL)
            os.kill(second, signal.SIGKILL)
            self.assertEqual(self.wait_exit("second").code, 128 + signal.SIGKILL)
            harness.eventually("it is reaped", lambda: not pathlib.Path(f"/proc/{second}").exists())
            self.assertTrue(pathlib.Path(f"/proc/{first}").exists())
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.assertEqual(self.wait_exit("first").code, 128 + signal.SIGKILL)
        harness.eventually("it is reaped", lambda: not pathlib.Path(f"/proc/{first}").exists())

    def test_a_stop_that_a_suspended_keeper_gets_is_told_as_that(self):
        self.start("web", ["sleep", "600"])
        keeper = self.shim("p1")
        harness.suspend(keeper)
        try:
            harness.eventually("it is suspended", lambda: pathlib.Path(f"/proc/{keeper}/stat").read_text().split()[2] == "T")
            asked = time.monotonic()
            # What nobody is told of later is not sent.
            for words in (
                ("signal", "KILL", "web"),
                ("flush", "web"),
                ("stop", "web"),
                ("start", "web"),
                ("run", "--fresh", "--label", "web", "sleep", "600"),
            ):
                refused = self.cli(*words)
                self.assertEqual(refused.code, 125)
                self.assertOneLine(refused.err, f"kill -CONT {keeper}")
            # Nobody waited until it could have been killed.
            self.assertLess(time.monotonic() - asked, 5)
        finally:
            os.kill(keeper, signal.SIGCONT)
        harness.eventually("the stop is carried out", lambda: self.view("web")["state"] == "stopped")
        self.assertEqual(self.view("web")["signal"], "SIGTERM")

    def test_a_shutdown_names_what_a_suspended_keeper_keeps(self):
        pid = self.start("web", ["sleep", "600"])["pid"]
        self.start("other", ["sleep", "600"])
        keeper = self.shim("p1")
        harness.suspend(keeper)
        try:
            harness.eventually("it is suspended", lambda: pathlib.Path(f"/proc/{keeper}/stat").read_text().split()[2] == "T")
            asked = time.monotonic()
            ended = self.cli("shutdown")
            self.assertLess(time.monotonic() - asked, 5)
            self.assertEqual(ended.code, 125)
            said = ended.err.decode()
            self.assertIn("the daemon has ended; 1 process was stopped\n", said)
            self.assertIn(f'the keeper of p1 "web" (PID {keeper}) was suspended', said)
            self.assertIn(f"kill -CONT {keeper}", said)
        finally:
            os.kill(keeper, signal.SIGCONT)
        harness.eventually("the stop is carried out", lambda: not pathlib.Path(f"/proc/{pid}").exists())

    def test_so_is_a_restart(self):
        self.start("web", ["sleep", "600"])
        keeper = self.shim("p1")
        for words in (("restart", "web"), ("start", "--fresh", "web")):
            harness.suspend(keeper)
            try:
                harness.eventually("it is suspended", lambda: pathlib.Path(f"/proc/{keeper}/stat").read_text().split()[2] == "T")
                run = self.view("web")["run"]
                asked = time.monotonic()
                refused = self.cli(*words)
                self.assertEqual(refused.code, 125)
                self.assertOneLine(refused.err, f"kill -CONT {keeper}", "replaced as soon as it goes on")
                self.assertLess(time.monotonic() - asked, 5)
            finally:
                os.kill(keeper, signal.SIGCONT)
            harness.eventually("it is replaced", lambda: self.view("web")["run"] != run and self.view("web")["state"] == "running")
            harness.eventually("the keeper before has left", lambda: not pathlib.Path(f"/proc/{keeper}").exists())
            keeper = self.shim("p1")

    def test_an_exit_that_only_a_successor_saw(self):
        gate = self.place.work / "stop"
        pid = self.start("counter", harness.python(COUNTER, str(gate), "7"))["pid"]
        self.kill_shim()
        self.daemon.kill()
        gate.touch()
        harness.eventually("the program has ended", lambda: not harness.is_alive(pid))
        harness.eventually("its keeper has left", lambda: self.shim() is None)
        self.daemon.start()
        view = self.view("counter")
        if kernel_tells_codes():
            self.assertEqual((view["state"], view["exit_code"]), ("exited", 7))
        else:
            self.assertEqual((view["state"], view["exit_code"], view["reason"]), ("lost", None, "lost"))
        self.assertTrue(self.ok("output", "counter", "-n", "1").out.startswith(b"end "))

    def test_a_successor_meets_the_next_daemon(self):
        gate = self.place.work / "stop"
        pid = self.start("counter", harness.python(COUNTER, str(gate), "7"))["pid"]
        for _ in range(2):
            self.kill_shim()
            self.daemon.restart()
            # The answer waits for the adoption, with which the daemon has what a successor needs.
            self.assertEqual(self.view("counter")["pid"], pid)
        gate.touch()
        code = self.wait_exit("counter").code
        if kernel_tells_codes():
            self.assertEqual(code, 7)
        self.assertEqual(len(self.take_overs()), 2)

    def test_what_a_program_left_behind_is_recorded_on(self):
        gate = self.place.work / "gate"
        code = (
            "import os, sys, time\nif os.fork() == 0:\n  while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
            "  print('late', flush=True); os._exit(0)\nprint('early', flush=True)"
        )
        self.start("parent", harness.python(code, str(gate)))
        self.assertEqual(self.wait_exit("parent").code, 0)
        self.kill_shim()
        gate.touch()
        harness.eventually("late output", lambda: self.ok("output", "parent", "-n", "0").out == b"early\nlate\n")
        harness.eventually("its keeper has left", lambda: self.shim() is None)
        self.assertEqual(self.view("parent")["exit_code"], 0)

    def test_a_suspended_shim_delays_nobody(self):
        pids = [self.start(f"s{i}", ["sleep", "600"])["pid"] for i in range(3)]
        shim = self.shim("p2")
        harness.suspend(shim)
        try:
            self.daemon.restart()
            begun = time.monotonic()
            views = self.views()
            # The bound for shims that are silent without being suspended is 5 s.
            self.assertLess(time.monotonic() - begun, 2)
            self.assertEqual([v["state"] for v in views], ["running", "unreachable", "running"])
            self.assertEqual([v["pid"] for v in views], pids)
            self.ok("stop", "s0")
            self.assertIn(f"kill -CONT {shim}, if it was stopped;".encode(), self.cli("doctor").out)
        finally:
            os.kill(shim, signal.SIGCONT)
        harness.eventually("it is adopted", lambda: self.view("s1")["state"] == "running")
        self.assertEqual(self.view("s1")["pid"], pids[1])

    def test_daemon_and_shim_killed_is_lost_and_never_doubled(self):
        pid = self.start("sleeper", ["sleep", "600"])["pid"]
        shim = self.shim()
        self.daemon.kill()
        harness.kill(shim)
        self.daemon.start()
        view = self.view("sleeper")
        self.assertEqual((view["state"], view["exit_code"], view["signal"], view["reason"]), ("lost", None, None, "lost"))
        self.assertIn("shim", view["causes"][0]["code"])
        self.assertTrue(harness.is_alive(pid), "nobody may signal what is only lost")
        again = self.ok("restart", "sleeper", "--json").json()
        self.assertFalse(harness.is_alive(pid))
        self.assertTrue(harness.is_alive(again["pid"]))


if __name__ == "__main__":
    harness.main()
