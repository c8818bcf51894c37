"""How ends are told of: by whom a process was stopped, and a SIGKILL that is not ours."""

import json
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
        self.assertIn(b"SIGKILL was not sent by persistproc", self.cli("status", "web").out)
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

    def test_a_kill_of_ours_says_who_sent_it(self):
        self.start("web", ["sleep", "600"])
        self.ok("signal", "KILL", "web")
        view = self.ended("web")
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("killed", "SIGKILL", "self"))
        (cause,) = view["causes"]
        self.assertEqual((cause["code"], cause["by"]), ("signal_sent", CLIENT))
        self.assertIn("the signal was sent by", self.cli("status", "web").out.decode())
        self.daemon.restart()
        self.assertEqual(self.view("web")["causes"], view["causes"])

    def test_who_sent_a_signal_is_known_also_when_the_daemon_dies_before_the_end(self):
        ready = self.place.work / "ready"
        script = f"trap 'sleep 1; trap - TERM; kill $$' TERM; touch {ready}; while :; do sleep 0.05; done"
        self.start("slow", ["sh", "-c", script])
        harness.eventually("its trap", ready.exists)
        self.ok("signal", "TERM", "slow")
        self.daemon.kill()
        self.daemon.start()
        view = self.ended("slow")
        self.assertEqual((view["state"], view["signal"]), ("killed", "SIGTERM"))
        self.assertEqual([each["code"] for each in view["causes"]], ["signal_sent"])

    def test_every_answer_that_tells_an_end_tells_its_causes(self):
        pid = self.start("web", ["sh", "-c", "echo up; exec sleep 600"])["pid"]
        following = self.background("output", "-f", "--json", "web")
        following.until_output(b"up")
        agent = self.mcp()
        os.kill(pid, signal.SIGKILL)
        causes = self.ended("web")["causes"]
        self.assertEqual([each["code"] for each in causes], ["killed_by_other"])
        self.assertEqual(self.cli("wait", "--exit", "--json", "web").json()["causes"], causes)
        event = json.loads(following.wait().out.splitlines()[-1])
        self.assertEqual((event["event"], event["signal"], event["causes"]), ("killed", "SIGKILL", causes))
        for tool, arguments in (("wait_for_process", {"until": "exit"}), ("get_process_output", {})):
            self.assertIn("SIGKILL was not sent by persistproc", agent.call(tool, process="web", **arguments).text)

    def test_a_wait_that_begins_during_a_restart_is_for_the_run_behind_it(self):
        ready, end = self.place.work / "ready", self.place.work / "end"
        script = f"trap 'until [ -e {end} ]; do sleep 0.02; done; exit 0' TERM; touch {ready}; while :; do sleep 0.02; done"
        self.start("web", ["sh", "-c", script])
        harness.eventually("its trap", ready.exists)
        restart = self.background("restart", "web")
        harness.eventually("it is asked to end", lambda: self.view("web")["state"] == "stopping")
        waits = [self.background("wait", "web", "--exit"), self.background("wait", "web", "--exit", "--json")]
        for wait in waits:
            harness.eventually("it waits", wait.is_connected)
        end.touch()
        self.assertEqual(restart.wait().code, 0)
        self.ok("signal", "KILL", "web")
        text, answer = (wait.wait() for wait in waits)
        self.assertEqual((text.code, answer.code), (128 + signal.SIGKILL, 128 + signal.SIGKILL), (text, answer))
        self.assertEqual(answer.json()["run"], "p1.2")

    def test_a_stop_of_the_run_before_is_none_of_the_next_one(self):
        """Told anew by the next daemon, since something of it is left."""
        self.start("web", ["sh", "-c", "sleep 600 & exit 3"])
        self.wait_exit("web")
        self.ok("stop", "web")
        self.ok("start", "web")
        self.wait_exit("web")
        self.daemon.restart()
        view = self.view("web")
        self.assertEqual(view["exit_code"], 3)
        self.assertEqual([cause["code"] for cause in view["causes"]], ["left_running"])
        self.ok("stop", "web")

    def test_an_end_by_shutdown_is_told_as_every_other(self):
        script = ["sh", "-c", "trap 'sleep 0.3; exit 3' TERM; echo up; while :; do sleep 0.02; done"]
        self.start("web", script)
        self.start("db", script)
        told = [
            self.background("logs", "-f", "web"),
            self.background("logs", "-f", "web", "db"),
            self.background("run", "--label", "web", *script),
            self.background("wait", "web", "--exit"),
        ]
        objects = [
            self.background("logs", "-f", "--json", "web"),
            self.background("logs", "-f", "--json", "web", "db"),
            self.background("run", "--json", "--label", "web", *script),
        ]
        for each in (*told[:3], *objects):
            each.until_output(b"up")
        descriptors = f"/proc/{told[3].process.pid}/fd"
        is_socket = lambda fd: os.readlink(f"{descriptors}/{fd}").startswith("socket:")
        harness.eventually("the wait has begun", lambda: any(is_socket(fd) for fd in os.listdir(descriptors)))
        self.ok("shutdown")
        for each in told:
            self.assertRegex(each.wait().err.decode(), r"p1 \(web\) was stopped by persistproc shutdown after \S+ m?s\n")
        for each in objects:
            events = [json.loads(line) for line in each.wait().out.splitlines()]
            end = next(event for event in events if event.get("event") == "stopped" and event["run"] == "p1.1")
            self.assertEqual((end["exit_code"], end["stopped_by"]), (3, CLIENT))
            self.assertTrue(end["started_at"] < end["ended_at"], end)
        self.assertRegex(self.cli("status", "web").out, rb"\nstate +stopped \(exited with code 3\): persistproc shutdown stopped everything\n")

    def test_a_stop_that_meets_an_end_is_told(self):
        """Whichever came first: nothing that was stopped is without a word of who stopped it."""
        for _ in range(12):
            self.start("quick", ["sh", "-c", "sleep 0.05; exit 1"], "--restart", "always")
            self.ok("stop", "quick")
            view = self.view("quick")
            codes = [each["code"] for each in view["causes"] or []]
            self.assertTrue(view["stopped_by"] or codes == ["called_off"], view)

    def test_what_an_ended_program_left_running_is_seen_and_stopped(self):
        script = "sleep 600 >/dev/null 2>&1 & exit 4"
        self.start("parent", ["sh", "-c", script])
        left = [{"code": "left_running", "count": 1}]
        view = harness.eventually("the end", lambda: (view := self.view("parent"))["causes"] == left and view)
        self.assertEqual((view["state"], view["exit_code"]), ("exited", 4))
        self.assertIn(b"exited 4, 1 left running", self.ok("list").out)
        self.assertIn(b"exited with code 4: ended 1 program that it had left running\n", self.ok("stop", "all").out)
        view = self.view("parent")
        self.assertEqual((view["state"], view["exit_code"], view["causes"]), ("exited", 4, None))
        self.ok("start", "parent", "--settle", "0")
        for command in ("restart", "start"):
            harness.eventually("the end", lambda: self.view("parent")["causes"] == left)
            again = self.ok(command, "parent", "--settle", "0")
            self.assertIn(b"p1 (parent): ended 1 program that it had left running\n", again.err)


if __name__ == "__main__":
    unittest.main()
