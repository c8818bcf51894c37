"""A process that exists, started by its name."""
import re
import subprocess

import harness

# Asked to end, it does so once the file of its first argument is there.
SLOW = """
import os, signal, sys, time
def end(*_):
    while not os.path.exists(sys.argv[1]): time.sleep(0.01)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('up', flush=True)
time.sleep(600)
"""


def pid_in(line):
    return int(re.search(rb"PID (\d+)", line)[1])


class Again(harness.TestCase):
    def start_again(self, target):
        return subprocess.Popen(
            [str(harness.BIN / "persistproc"), "start", target],
            env=self.place.environment,
            cwd=self.place.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def joined(self, starts):
        """All that was answered, one line each; the answer of each says that the program runs."""
        lines = []
        for each in starts:
            out, err = each.communicate(timeout=harness.PATIENCE)
            self.assertEqual((each.returncode, err), (0, b""), out)
            self.assertIn(b" is running, PID ", out)
            lines.append(out)
        return lines

    def test_many_at_once_make_one_run(self):
        self.start("db", ["sleep", "600"])
        self.ok("stop", "db")
        lines = self.joined([self.start_again("db") for _ in range(8)])
        view = self.view("db")
        self.assertEqual({pid_in(line) for line in lines}, {view["pid"]})
        self.assertEqual(sum(b"already" not in line for line in lines), 1, lines)
        self.assertEqual((view["run"], view["restarts"]), ("p1.2", 0))
        done = [entry["action"] for entry in self.ok("audit", "db", "--json").json()["entries"]]
        self.assertEqual(done, ["start", "stop", "start"])

    def test_one_during_a_restart_joins_it(self):
        gate = self.place.work / "gate"
        self.start("slow", harness.python(SLOW, str(gate)), "--grace", "600")
        self.ok("wait", "slow", "--pattern", "up", "--timeout", "30")
        restarting = self.background("restart", "slow")
        harness.eventually("it is being ended", lambda: self.view("slow")["state"] == "stopping")
        joining = self.background("start", "slow")
        harness.eventually("it asks", joining.is_connected)
        gate.touch()
        joined = joining.wait()
        self.assertEqual((joined.code, restarting.wait().code), (0, 0), joined)
        view = self.view("slow")
        self.assertEqual((pid_in(joined.out), view["run"]), (view["pid"], "p1.2"))

    def test_several_are_started_and_what_runs_goes_on(self):
        self.start("runs", ["sleep", "600"])
        self.start("ended", ["sleep", "601"])
        self.start("fails", ["sh", "-c", "test ! -e broken || exit 3; exec sleep 602"])
        self.ok("stop", "ended", "fails")
        pid = self.view("runs")["pid"]
        lines = self.ok("start", "runs", "ended", "p1").out.decode().splitlines()
        self.assertEqual(lines[0], f"p1 (runs) is running, PID {pid} already")
        self.assertRegex(lines[1], r"^p2 \(ended\) is running, PID \d+$")
        self.assertEqual(len(lines), 2)
        self.assertEqual(self.view("runs")["run"], "p1.1")
        # One that fails is told of; what ran already is not watched.
        (self.place.work / "broken").touch()
        begun = self.cli("start", "runs", "fails", "--settle", "20", "--json")
        self.assertEqual(begun.code, 1)
        self.assertIn(b"p3 (fails) exited with code 3", begun.err)
        self.assertEqual([view["id"] for view in begun.json()["processes"]], ["p1", "p3"])


if __name__ == "__main__":
    harness.main()
