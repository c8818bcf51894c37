"""No client waits for what another one does."""
import contextlib
import pathlib
import threading
import time

import harness

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


class Independence(harness.TestCase):
    def test_a_slow_stop_delays_nobody(self):
        pid = self.start("deaf", harness.python(DEAF))["pid"]
        self.ok("wait", "deaf", "--pattern", "deaf", "--timeout", "20")
        stopper, watcher = self.mcp(), self.mcp()
        stopped = []
        began = time.monotonic()
        thread = threading.Thread(
            target=lambda: stopped.append(stopper.call("stop_process", process="deaf", grace_seconds=3))
        )
        thread.start()
        delays, states = [], set()
        while thread.is_alive():
            asked = time.monotonic()
            answer = watcher.call("list_processes")
            delays.append(time.monotonic() - asked)
            states.add(answer.structured["processes"][0]["state"])
            thread.join(0.005)
        took = time.monotonic() - began
        self.assertGreaterEqual(took, 3.0)
        view = stopped[0].structured
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("stopped", "SIGKILL", "stopped"))
        self.assertFalse(harness.is_alive(pid))
        # How fast they are the benchmarks say; whoever waited for the stop would have waited for all of it.
        self.assertIn("stopping", states)
        self.assertLess(max(delays), took / 2)

    def test_starts_and_stops_of_others_go_through_meanwhile(self):
        self.start("deaf", harness.python(DEAF))
        self.ok("wait", "deaf", "--pattern", "deaf", "--timeout", "20")
        stopping = self.background("stop", "deaf", "--grace", "600")
        harness.eventually("it is being stopped", lambda: self.view("deaf")["state"] == "stopping")
        self.start("other", ["sleep", "60"])
        self.ok("stop", "other")
        self.assertEqual(self.view("deaf")["state"], "stopping")
        self.ok("signal", "KILL", "deaf")
        self.assertEqual(stopping.wait().code, 0)

    def test_waits_share_what_they_wait_with(self):
        """To end an inotify instance stops its thread for tens of milliseconds, and a user has 128 of them."""
        self.start("quiet", harness.python("import time; time.sleep(600)"))
        waits = [
            threading.Thread(
                target=lambda: self.mcp().call(
                    "wait_for_process", process="quiet", until="pattern", pattern="never", timeout_seconds=30
                ),
                daemon=True,
            )
            for _ in range(20)
        ]
        for each in waits:
            each.start()
        folder = pathlib.Path(f"/proc/{self.daemon.process.pid}/fdinfo")

        def instances():
            found = []
            for each in folder.iterdir():
                with contextlib.suppress(OSError):
                    found += ["inotify wd:" in each.read_text()]
            return sum(found)

        harness.eventually("somebody waits", lambda: instances() > 0)
        harness.eventually("all wait", lambda: self.mcp().call("list_processes", process="quiet") and instances() == 1)
        self.assertEqual(instances(), 1)
        self.mcp().call("stop_process", process="quiet", force=True)
        for each in waits:
            each.join(harness.PATIENCE)
            self.assertFalse(each.is_alive())
        # A thread of the pool ends it.
        harness.eventually("none waits", lambda: instances() == 0)

    def test_stopping_a_stopped_process_succeeds(self):
        self.start("one", ["sleep", "60"])
        client = self.mcp()
        first = client.call("stop_process", process="one").structured
        self.assertEqual(client.call("stop_process", process="one").structured, first)


if __name__ == "__main__":
    harness.main()
