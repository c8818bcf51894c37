"""Who did what."""
import datetime
import json
import subprocess

import harness

SECRET = "correct-horse"


class Audit(harness.TestCase):
    def entries(self, *arguments):
        return self.ok("audit", "--json", *arguments).json()["entries"]

    def test_who_did_what_is_told_without_values_of_variables(self):
        self.start("web", ["sleep", "600"], "-e", f"TOKEN={SECRET}")
        agent = self.mcp()
        agent.call("restart_process", process="web")
        self.ok("stop", "--force", "web")
        self.ok("rm", "web")
        said = [(e["action"], e["process"], e["detail"]) for e in self.entries()]
        self.assertEqual(
            [said[0], *said[-2:]], [("start", "p1", "sleep 600"), ("stop", "p1", "force"), ("remove", "p1", None)]
        )
        by_agent = [e for e in self.entries() if e["actor"] == 'agent "e2e" 1']
        self.assertIn("restart", [e["action"] for e in by_agent])
        self.assertNotIn(SECRET, json.dumps(self.entries()))
        self.assertIn(b"  you  remove p1\n", self.ok("audit", "p1", "-n", "1").out)
        self.assertEqual(self.entries()[-1]["actor"].split()[0], "persistproc")

    def test_it_notices_that_nobody_reads_any_more(self):
        self.start("web", ["sleep", "600"])
        following = subprocess.Popen(
            [str(harness.BIN / "persistproc"), "audit", "-f"],
            env=self.place.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(following.kill)
        self.assertIn(b"start p1", following.stdout.readline())
        following.stdout.close()
        self.assertEqual(following.wait(harness.PATIENCE), 0)

    def test_an_agent_is_never_told_as_the_command_line(self):
        def call(name, tool, version="0.1.0", **arguments):
            agent = self.mcp(initialize=False)
            info = {"name": name, "version": version}
            agent.request("initialize", {"protocolVersion": harness.PROTOCOL, "capabilities": {}, "clientInfo": info})
            agent.call(tool, **arguments)

        work = str(self.place.work)
        names = (
            ("persistproc", "0.1.0", 'agent "persistproc" 0.1.0'),
            (" Persistproc", "0.1.0", 'agent "Persistproc" 0.1.0'),
            ("persist\u200bproc", "0.1.0", 'agent "persist\\u{200b}proc" 0.1.0'),
            ("persistproc 0.1.0", "", 'agent "persistproc" 0.1.0'),
            ("  ", "", "agent"),
            ("you", "", 'agent "you"'),
            ("You", "1.0", 'agent "You" 1.0'),
            ("restart policy", "", 'agent "restart policy"'),
            ("a command line", "2", 'agent "a command line" 2'),
            ("a change of api.py", "", 'agent "a change of api.py"'),
            ("codex", "1.2", 'agent "codex" 1.2'),
        )
        for number, (name, version, told) in enumerate(names):
            with self.subTest(name):
                start = {"command": f"sleep {600 + number}", "label": f"s{number}", "working_directory": work}
                call(name, "start_process", version, **start)
                self.assertEqual(self.entries()[-1]["actor"], told)
                self.assertEqual(self.view(f"s{number}")["started_by"], told)
        call("persistproc", "stop_process", process="s0")
        shown = self.cli("status", "s0").out.decode()
        self.assertIn('agent "persistproc"', shown)
        self.assertNotIn("by persistproc", shown)
        self.ok("stop", "s1")
        self.assertRegex(self.cli("status", "s1").out.decode(), r"stopped by +you\n")

    def test_it_is_asked_of_one_process_of_a_time_and_outlives_the_daemon(self):
        self.start("a", ["sleep", "600"])
        self.start("b", ["sleep", "600"])
        self.daemon.restart()
        self.assertEqual([e["process"] for e in self.entries("b")], ["p2"])
        self.assertEqual(len(self.entries("--since", "1h")), 2)
        self.assertEqual(len(self.entries("-n", "1")), 1)
        self.assertEqual(self.entries("p77"), [])
        refused = self.cli("audit", "nope")
        self.assertEqual(refused.code, 125)
        self.assertOneLine(refused.err, "nope")
        refused = self.cli("audit", "--since", "x")
        self.assertOneLine(refused.err, 'persistproc: audit: --since: "x" is no time')
        for wrong in (("a", "b"), ("--since", "yesterdayish"), ("-n", "-1")):
            self.assertEqual(self.cli("audit", *wrong).code, 2, wrong)

    def test_following_hears_of_what_is_done_next(self):
        self.start("a", ["sleep", "600"])
        following = self.background("audit", "-f", "--json")
        harness.eventually("what was", lambda: following.out.count(b"\n") == 1)
        self.ok("stop", "a")
        harness.eventually("what is", lambda: b'"stop"' in following.out)

    def test_following_since_a_time_tells_nothing_older(self):
        self.start("a", ["sleep", "600"])
        now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        following = self.background("audit", "-f", "--since", now)
        # A question of nothing is asked again when something is done.
        for label in ("b", "c"):
            self.start(label, ["sleep", "600"])
        harness.eventually("what is", lambda: b"start p3" in following.out)
        self.assertNotIn(b"start p1", following.out)

    def test_following_goes_on_over_the_death_of_the_daemon(self):
        self.start("a", ["sleep", "600"])
        following = self.background("audit", "-f", "--json")
        harness.eventually("what was", lambda: following.out.count(b"\n") == 1)
        self.daemon.kill()
        harness.eventually("it is missed", lambda: b"no daemon answers" in following.err)
        self.daemon.start()
        self.ok("stop", "a")
        harness.eventually("what is", lambda: b'"stop"' in following.out)
        said = [json.loads(line)["action"] for line in following.out.splitlines()]
        self.assertEqual((said.count("start"), said.count("stop")), (1, 1), said)

    def test_following_ends_where_nothing_can_be_printed(self):
        self.start("a", ["sleep", "600"])
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(
                [harness.BIN / "persistproc", "audit", "-f"],
                env=self.place.environment, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=harness.PATIENCE,
            )
        self.assertEqual(ran.returncode, 125, ran)
        self.assertOneLine(ran.stderr, "cannot write to stdout")

    def test_it_is_not_for_agents(self):
        with self.assertRaises(harness.McpError):
            self.mcp().call("read_audit")


if __name__ == "__main__":
    harness.main()
