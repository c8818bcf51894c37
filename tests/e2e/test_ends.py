"""How ends are told of: by whom a process was stopped, and a SIGKILL that came from elsewhere."""

import os
import signal
import unittest

import harness

CLIENT = "persistproc 0.1.0"  # as it calls itself to the daemon


class Ends(harness.TestCase):
    def ended(self, label):
        return harness.eventually("the end", lambda: (view := self.view(label))["pid"] is None and view)

    def test_stopped_is_a_state_of_its_own_and_says_by_whom(self):
        self.start("web", ["sleep", "600"])
        self.ok("stop", "web")
        view = self.view("web")
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("stopped", "SIGTERM", "stopped"))
        self.assertEqual((view["stopped_by"], view["causes"]), (CLIENT, None))
        self.assertRegex(self.cli("status", "web").out.decode(), r"\nstate +stopped \(SIGTERM\)\n(.*\n)*stopped by +you\n")
        # One that ends as it likes when it is asked to has been stopped all the same.
        self.start("polite", ["sh", "-c", "trap 'exit 3' TERM; echo on; while :; do sleep 0.05; done"])
        harness.eventually("its trap", lambda: b"on" in self.ok("output", "polite").out)
        agent = self.mcp()
        stopped = agent.call("stop_process", process="polite").structured
        self.assertEqual((stopped["state"], stopped["exit_code"]), ("stopped", 3))
        self.assertEqual(stopped["stopped_by"], self.view("polite")["stopped_by"])
        self.assertNotEqual(stopped["stopped_by"], CLIENT)

    def test_the_next_daemon_knows_by_whom(self):
        self.start("web", ["sleep", "600"])
        self.ok("stop", "web")
        self.daemon.restart()
        self.assertEqual((self.view("web")["state"], self.view("web")["stopped_by"]), ("stopped", CLIENT))

    def test_a_kill_from_elsewhere_is_told_of_as_that(self):
        pid = self.start("web", ["sleep", "600"])["pid"]
        os.kill(pid, signal.SIGKILL)
        view = self.ended("web")
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("killed", "SIGKILL", "self"))
        (cause,) = view["causes"]
        self.assertEqual(cause["code"], "killed_by_other")
        self.assertEqual(cause.get("count", 0), 0)
        self.assertIn(b"SIGKILL came from elsewhere", self.cli("status", "web").out)
        self.assertNotIn("oom", str(view))
        self.daemon.restart()
        self.assertEqual(self.view("web")["causes"], view["causes"])

    def test_what_has_exited_is_no_process_to_join(self):
        """Its end is recorded once its output is, for which the pipes are drained for a moment."""
        gate = self.place.work / "gate"
        command = ["sh", "-c", f"sleep 600 & until [ -e {gate} ]; do sleep 0.01; done"]
        first = self.start("web", command)
        gate.touch()
        harness.eventually("it has exited", lambda: not harness.is_alive(first["pid"]))
        gate.unlink()
        second = self.start("web", command)
        self.assertNotEqual(second["pid"], first["pid"])
        self.assertTrue(harness.is_alive(second["pid"]))
        self.ok("stop", "web")

    def test_a_kill_of_ours_is_no_surprise(self):
        self.start("web", ["sleep", "600"])
        self.ok("signal", "KILL", "web")
        view = self.ended("web")
        self.assertEqual((view["state"], view["signal"], view["causes"]), ("killed", "SIGKILL", None))

    def test_what_an_ended_program_left_running_is_seen_and_stopped(self):
        script = "sleep 600 >/dev/null 2>&1 & exit 4"
        self.start("parent", ["sh", "-c", script])
        left = [{"code": "left_running", "count": 1}]
        view = harness.eventually("the end", lambda: (view := self.view("parent"))["causes"] == left and view)
        self.assertEqual((view["state"], view["exit_code"]), ("exited", 4))
        self.assertIn(b"exited 4, 1 left running", self.ok("list").out)
        self.ok("stop", "all")
        view = self.view("parent")
        self.assertEqual((view["state"], view["exit_code"], view["causes"]), ("exited", 4, None))


if __name__ == "__main__":
    unittest.main()
