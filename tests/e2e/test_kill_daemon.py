"""The daemon dies at any time; programs, their output and their exit codes do not."""
import contextlib
import fcntl
import os
import pathlib
import random
import re
import signal
import socket
import threading
import time

import harness

# Counts until the file of its first argument exists, then ends with the code of its second.
COUNTER = """
import os, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    print('line %d' % n); n += 1
    time.sleep(0.001)
print('end %d' % n)
sys.exit(int(sys.argv[2]))
"""
DEATHS = 30
STARTS = 6


def numbered(output):
    """The count that a counter's whole output proves, or a description of what is wrong with it."""
    lines = output.decode().splitlines()
    for i, line in enumerate(lines[:-1]):
        if line != f"line {i}":
            return f"line {i} is {line!r}, before it {lines[max(0, i - 2):i]}"
    return len(lines) - 1 if lines and lines[-1] == f"end {len(lines) - 1}" else f"ends with {lines[-1:]}"


def has_socket(pid):
    """Whether the process holds a socket; False also while its descriptors come and go."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    with contextlib.suppress(OSError):
        return any(os.readlink(each).startswith("socket:") for each in folder.iterdir())
    return False


class KillDaemon(harness.TestCase):
    def test_thirty_deaths_while_ten_programs_write(self):
        gate = self.place.work / "stop"
        labels = [f"w{i}" for i in range(10)]
        pids = {label: self.start(label, harness.python(COUNTER, str(gate), "0"))["pid"] for label in labels}
        for _ in range(DEATHS):
            self.daemon.restart()
            views = {v["label"]: v for v in self.views()}
            self.assertEqual({l: v["pid"] for l, v in views.items()}, pids)
            self.assertEqual({v["state"] for v in views.values()}, {"running"})
        gate.touch()
        for label in labels:
            self.assertEqual(self.wait_exit(label).code, 0)
            self.assertIsInstance(numbered(self.ok("output", label, "-n", "0").out), int)
        self.assertEqual(
            {(v["state"], v["exit_code"], v["run"].split(".")[1]) for v in self.views()}, {("exited", 0, "1")}
        )

    def test_an_exit_without_a_daemon_is_known_afterwards(self):
        gate = self.place.work / "stop"
        pid = self.start("seven", harness.python(COUNTER, str(gate), "7"))["pid"]
        self.daemon.kill()
        gate.touch()
        harness.eventually("the program has ended", lambda: not harness.is_alive(pid))
        self.daemon.start()
        view = self.view("seven")
        self.assertEqual(
            (view["state"], view["exit_code"], view["reason"], view["pid"] in (pid, None)), ("exited", 7, "self", True)
        )
        self.assertIsInstance(numbered(self.ok("output", "seven", "-n", "0").out), int)
        self.assertEqual(self.wait_exit("seven").code, 7)

    def test_a_wait_that_misses_it_says_so(self):
        self.start("web", ["sleep", "600"])
        self.start("api", ["sleep", "600"])
        waiting = self.background("wait", "web", "api", "--exit")
        harness.eventually("the wait is connected", lambda: has_socket(waiting.process.pid))
        # One that asks later is answered later.
        self.views()
        self.daemon.kill()
        killed = time.monotonic()
        harness.eventually("it is said", lambda: b"\n" in waiting.err)
        self.assertLess(time.monotonic() - killed, 9)  # long before it gives up; one second is meant
        self.assertOneLine(waiting.err, "the daemon is gone; waiting up to 10 s for the next one", "persistproc serve --detach")
        self.daemon.start()
        self.ok("stop", "web", "api")
        self.assertEqual(waiting.wait().code, 143)
        # Nobody starts one.
        self.start("web", ["sleep", "600"])
        waiting = self.background("wait", "web", "--exit")
        harness.eventually("the wait is connected", lambda: has_socket(waiting.process.pid))
        # One that asks later is answered later.
        self.views()
        self.daemon.kill()
        finished = waiting.wait()
        self.assertEqual(finished.code, 125)
        self.assertIn(b"no daemon serves", finished.err.splitlines()[-1])
        self.daemon.start()

    def test_a_run_that_misses_it_says_so(self):
        following = [self.background("run", "--label", "web", "sh", "-c", "echo up; exec sleep 600")]
        following[0].until_output(b"up\n")
        following += [self.background("output", "-f", "web"), self.background("-q", "output", "-f", "web")]
        for client in following:
            client.until_output(b"up\n")
        begun = following[0].err.count(b"\n")
        # One that is back within a second is not missed.
        self.daemon.restart()
        self.daemon.kill()
        for client in following[:2]:
            harness.eventually("it is said", lambda: b"no daemon answers" in client.err)
        self.daemon.start()
        self.ok("stop", "web")
        self.assertEqual([client.wait().code for client in following], [143, 0, 0])
        for client, before in ((following[0], begun), (following[1], 0)):
            said = client.err.decode().splitlines()[before:]
            self.assertRegex(said[0], r"no daemon answers; what p1 \(web\) prints is still shown; to start one: persistproc serve --detach")
            self.assertEqual(said[1], "persistproc: a daemon answers again")
            self.assertRegex(said[2], r"p1 \(web\) was stopped ")
        self.assertEqual(following[2].err, b"")

    def test_who_watches_a_beginning_starts_the_next_one(self):
        gate = self.place.work / "gate"
        code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nprint('oops'); sys.exit(7)"
        client = self.background("start", "--settle", "600", "--label", "web", "--", *harness.python(code, str(gate)))
        # What was asked after it had begun is answered after the start.
        harness.eventually("it runs", lambda: self.view("web").get("state") == "running")
        self.daemon.kill()
        harness.eventually("it is said", lambda: b"the daemon is gone; it is started again" in client.err)
        gate.touch()
        finished = client.wait()
        self.assertEqual(finished.code, 1)
        self.assertRegex(finished.err.decode(), r"p1 \(web\) exited with code 7 after [^;]*; its last output:\n  oops\n$")

    def test_a_wait_goes_on_through_it(self):
        gate = self.place.work / "stop"
        self.start("seven", harness.python(COUNTER, str(gate), "7"))
        waiting = self.background("wait", "seven", "--exit")
        harness.eventually("the wait is connected", lambda: has_socket(waiting.process.pid))
        # One that asks later is answered later.
        self.view("seven")
        self.daemon.restart()
        gate.touch()
        self.assertEqual(waiting.wait().code, 7)

    def test_starts_go_on_through_deaths(self):
        """Each start either happens once or says that it did not; none is cut off, none happens twice."""
        marks = self.place.work / "marks"
        marks.mkdir()
        code = "import os, sys, time; open(sys.argv[1] + '/' + str(os.getpid()), 'w').close(); time.sleep(600)"
        failures, done = [], [0] * 4

        def start_some(worker):
            for i in range(STARTS):
                label = f"w{worker}-{i}"
                here = marks / label
                here.mkdir()
                finished = self.cli("start", "--label", label, "--", *harness.python(code, str(here)))
                done[worker] += 1
                if finished.code != 0:
                    failures.append(f"{label}: {finished}")

        workers = [threading.Thread(target=start_some, args=(w,)) for w in range(4)]
        for worker in workers:
            worker.start()
        # Whoever meets no daemon starts the next one. No start has to outlive two deaths.
        deaths, lock = 0, self.place.data / "daemon.lock"
        while any(w.is_alive() for w in workers):
            # The next daemon writes it anew.
            holder = harness.eventually("who serves", lambda: re.search(r"\(PID (\d+)\)", lock.read_text()))
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(holder[1]), signal.SIGKILL)
                deaths += 1
            before = list(done)
            harness.eventually(
                "each has started one more",
                lambda: all(d > b or not w.is_alive() for d, b, w in zip(done, before, workers)),
            )
            workers[0].join(random.uniform(0, 0.05))
        for worker in workers:
            worker.join()
        self.assertFalse(failures, "\n".join(failures))
        self.assertGreater(deaths, 2)
        views = self.views()
        self.assertEqual(len(views), 4 * STARTS)
        self.assertEqual({(v["state"], v["run"].split(".")[1]) for v in views}, {("running", "1")})
        for view in views:
            ran = harness.eventually("it runs", lambda: os.listdir(marks / view["label"]))
            self.assertEqual(ran, [str(view["pid"])])

    def test_a_stop_whose_daemon_dies_says_what_becomes_of_it(self):
        ready, gate = self.place.work / "ready", self.place.work / "gate"
        script = f"trap 'until [ -e {gate} ]; do sleep 0.02; done; exit' TERM; touch {ready}; while :; do sleep 0.02; done"
        self.start("slow", ["sh", "-c", script], "--grace", "600")
        harness.eventually("its trap", ready.exists)
        stopping = self.background("-q", "stop", "slow")
        harness.eventually("it is being stopped", lambda: self.view("slow")["state"] == "stopping")
        removing = self.background("rm", "-f", "slow")
        harness.eventually("it waits for that, too", lambda: b"stopping p1 (slow)" in removing.err)
        self.daemon.kill()
        self.assertEqual(removing.wait().code, 125)
        self.assertTrue(removing.err.endswith(b"persistproc status p1; then persistproc rm slow\n"), removing.err)
        finished = stopping.wait()
        self.assertEqual(finished.code, 125, finished)
        self.assertOneLine(finished.err, "persistproc: slow: the connection to the daemon was lost", "on record",
                           "persistproc status slow")
        self.daemon.start()
        gate.touch()
        harness.eventually("the next one does it", lambda: self.view("slow")["state"] == "stopped")

    def test_a_run_goes_on_through_it(self):
        gate = self.place.work / "stop"
        shown = self.background("run", "--label", "through", *harness.python(COUNTER, str(gate), "7"))
        shown.until_output(b"line 10\n")
        for i in range(3):
            self.daemon.kill()
            printed = len(shown.out)
            harness.eventually(
                "output without a daemon", lambda: shown.process.poll() is not None or len(shown.out) > printed
            )
            self.daemon.start()
            self.assertIsNone(shown.process.poll(), shown.err)
        gate.touch()
        finished = shown.wait()
        self.assertEqual(finished.code, 7, finished.err)
        self.assertIsInstance(numbered(finished.out), int)

    def test_a_run_learns_an_exit_that_no_daemon_saw(self):
        gate = self.place.work / "stop"
        shown = self.background("run", "--label", "through", *harness.python(COUNTER, str(gate), "9"))
        shown.until_output(b"line 10\n")
        pid = self.view("through")["pid"]
        self.daemon.kill()
        gate.touch()
        harness.eventually("the program has ended", lambda: not harness.is_alive(pid))
        self.daemon.start()
        finished = shown.wait()
        self.assertEqual(finished.code, 9, finished.err)
        self.assertIsInstance(numbered(finished.out), int)

    def test_a_child_that_has_its_lock_for_a_moment_is_waited_for(self):
        """What a daemon killed between fork and exec of a shim leaves: its lock, held by a process that it is not."""
        lock = self.place.data / "daemon.lock"
        self.daemon.kill()
        before = self.daemon.process.pid
        self.assertIn(f"(PID {before})", lock.read_text())
        released = []

        def release(holder):
            # The next daemon looks at the lock, or is about to.
            harness.eventually("the next daemon begins", lambda: self.daemon.process.pid != before)
            released.append(True)
            holder.close()

        def is_taken(holder):
            # A child of the daemon's own may be just where this one stands for.
            try:
                fcntl.fcntl(holder, fcntl.F_OFD_SETLK, harness.WHOLE_FILE)
                return True
            except BlockingIOError:
                return False

        with open(lock, "r+") as holder:
            harness.eventually("the lock is free", lambda: is_taken(holder))
            waiting = threading.Thread(target=release, args=(holder,))
            waiting.start()
            self.daemon.start()
            waiting.join()
        self.assertTrue(released)

    def test_a_child_that_has_its_port_for_a_moment_is_waited_for(self):
        self.daemon.kill()
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

            def is_bound():
                with contextlib.suppress(OSError):
                    holder.bind(("127.0.0.1", self.daemon.port))
                return holder.getsockname()[1] == self.daemon.port

            # What it had just made when it was killed may hold it a moment longer.
            harness.eventually("the port is free", is_bound)
            holder.listen()
            lock = self.place.data / "daemon.lock"
            before = lock.read_text()
            starting = threading.Thread(target=self.daemon.start)
            starting.start()
            # It has the lock, so that the port is what it waits for.
            harness.eventually("the next daemon has the lock", lambda: lock.read_text() not in ("", before))
        starting.join()
        self.ok("list")

    def test_definitions_and_ids_survive(self):
        self.start("first", ["sleep", "60"])
        self.ok("stop", "first")
        before = self.view("first")
        self.daemon.restart()
        after = self.view("first")
        for key in ("id", "label", "command", "working_directory", "state", "signal", "reason", "run", "started_by"):
            self.assertEqual(after[key], before[key], key)
        self.ok("rm", "first")
        self.daemon.restart()
        self.assertEqual(self.views(), [])
        self.assertEqual(self.start("second", ["sleep", "60"])["id"], "p2")


if __name__ == "__main__":
    harness.main()
