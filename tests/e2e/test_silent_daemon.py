"""A daemon that was suspended, or hangs: who waits for it is told, and what helps."""
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time

import harness

COMMANDS = (
    ("list",),
    ("status", "api"),
    ("start", "--label", "b", "--settle", "0", "sleep", "60"),
    ("run", "--detach", "--label", "c", "sleep", "60"),
    ("stop", "old"),
    ("restart", "--settle", "0", "api"),
    ("signal", "WINCH", "api"),
    ("wait", "api", "--timeout", "0.1"),
    ("logs", "api"),
    ("audit",),
    ("version",),
    ("rename", "old", "older"),
    ("flush", "older"),
    ("setup", "cursor", "--http"),
)


class SilentDaemon(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.api = self.start("api", ["sleep", "60"])
        self.daemon_pid = self.daemon.process.pid
        self.advice = f"kill -CONT {self.daemon_pid}".encode()

    def suspend(self):
        harness.suspend(self.daemon_pid)
        self.addCleanup(os.kill, self.daemon_pid, signal.SIGCONT)

    def resume(self):
        os.kill(self.daemon_pid, signal.SIGCONT)

    def until_told(self, running):
        harness.eventually(f"told: {running.process.args} {running.err}", lambda: self.advice in running.err)
        self.assertIn(b"was suspended", running.err)

    def test_every_command_says_that_it_was_suspended(self):
        self.start("old", ["sleep", "60"])
        self.suspend()
        waiting = [self.background(*words) for words in COMMANDS]
        quiet = self.background("-q", "list")
        for each in waiting:
            self.until_told(each)
        self.resume()
        for each in waiting:
            finished = each.wait()
            self.assertEqual(finished.err.count(self.advice), 1, finished)
            self.assertNotIn(b"serve --detach", finished.err)
        self.assertEqual(quiet.wait().err, b"")

    def test_what_is_followed_says_so_and_goes_on(self):
        talk = ["sh", "-c", "while :; do echo line; sleep 0.05; done"]
        self.start("talk", talk)
        followed = [
            self.background("logs", "-f", "talk"),
            self.background("logs", "-f", "talk", "api"),
            self.background("run", "--label", "talk", *talk),
        ]
        waits = self.background("wait", "api", "--exit")
        for each in followed:
            each.until_output(b"line")
        self.ok("status", "api")
        self.suspend()
        # Answered no greeting yet.
        late = self.background("wait", "api", "--exit")
        for each in (*followed, waits, late):
            self.until_told(each)
        for each in followed:
            self.assertIn(b"still shown", each.err)
            self.assertNotIn(b"serve --detach", each.err)
            had = len(each.out)
            harness.eventually("more lines", lambda: len(each.out) > had)
        self.resume()
        for each in (*followed, waits, late):
            harness.eventually("it is over", lambda: b"answers again" in each.err)
        self.ok("stop", "api")
        for each in (waits, late):
            self.assertEqual(each.wait().code, 143)

    def test_the_bridge_says_so_on_stderr(self):
        self.suspend()
        bridge = harness.Running(
            [str(harness.BIN / "persistproc"), "mcp"], self.place.environment, self.place.work, self.place.scratch,
            stdin=subprocess.PIPE,
        )
        self.addCleanup(bridge.wait)
        self.addCleanup(bridge.process.stdin.close)
        parameters = {"protocolVersion": harness.PROTOCOL, "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}
        bridge.process.stdin.write(json.dumps(request).encode() + b"\n")
        bridge.process.stdin.flush()
        self.until_told(bridge)
        self.resume()
        bridge.until_output(b"serverInfo")

    def test_who_stays_suspended_is_given_up_with_what_helps(self):
        self.suspend()
        calls = [self.background(*words) for words in (("list",), ("start", "sleep", "60"), ("shutdown",))]
        for each in calls:
            finished = each.wait()
            self.assertEqual(finished.code, 125, finished)
            last = finished.err.decode().strip().splitlines()[-1]
            self.assertIn(f"kill -CONT {self.daemon_pid}", last)
            self.assertNotIn("serve", finished.err.decode())
        self.resume()
        self.assertEqual(self.view("api")["state"], "running")

    def test_a_wait_takes_no_longer_than_it_may(self):
        self.suspend()
        began = time.monotonic()
        late = self.cli("wait", "api", "--timeout", "0.5")
        self.assertEqual(late.code, 124, late)
        self.assertLess(time.monotonic() - began, 5)
        self.assertIn(f"no daemon answered within 500 ms; the daemon (PID {self.daemon_pid}) was suspended", late.err.decode())
        self.resume()

    @contextlib.contextmanager
    def holding_the_directory(self):
        """As the daemon did, which is dead."""
        self.daemon.kill()

        def is_taken(lock):
            # What it was making as it died may hold it a moment longer.
            with contextlib.suppress(BlockingIOError):
                fcntl.fcntl(lock, fcntl.F_OFD_SETLK, harness.WHOLE_FILE)
                return True
            return False

        with open(self.place.data / "daemon.lock", "r+") as lock:
            harness.eventually("the lock is free", lambda: is_taken(lock))
            yield

    def test_one_that_takes_no_connection_is_not_told_as_none(self):
        with self.holding_the_directory():
            refused = self.cli("stop", "api")
        self.assertEqual(refused.code, 125)
        self.assertOneLine(refused.err, f"the daemon (PID {self.daemon_pid}) that holds", "takes no connection")
        self.daemon.start()

    def test_one_that_hangs_is_told_after_two_seconds(self):
        with self.holding_the_directory(), socket.socket(socket.AF_UNIX) as listener:
            path = self.place.data / "run" / "daemon.sock"
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            listener.listen()
            asking = self.background("list")
            harness.eventually("told", lambda: b"does not answer" in asking.err)
            self.assertIn(b"kill -KILL", asking.err)
            asking.process.kill()
            path.unlink()
        self.daemon.start()


if __name__ == "__main__":
    harness.main()
