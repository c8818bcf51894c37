"""A stop ends everything a program started."""
import os
import pathlib
import signal

import harness

# A child in the group, one in a session of its own, and a grandchild of that one whose parent has gone.
TREE = """
import os, sys, time
def note(): 
    with open(sys.argv[1], 'a') as f: f.write('%d\\n' % os.getpid())
if os.fork() == 0:
    note(); time.sleep(600)
if os.fork() == 0:
    os.setsid(); note()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(); time.sleep(600)
        os._exit(0)
    time.sleep(600)
note(); time.sleep(600)
"""


class StopTree(harness.TestCase):
    def pids(self, path):
        return [int(p) for p in path.read_text().split()] if path.exists() else []

    def test_descendants_that_left_the_session_die_too(self):
        for force in (False, True):
            with self.subTest(force=force):
                path = self.place.work / f"pids{force}"
                self.start(f"tree{force}", harness.python(TREE, str(path)))
                harness.eventually("all four run", lambda: len(self.pids(path)) == 4)
                self.assertTrue(all(map(harness.is_alive, self.pids(path))))
                self.ok("stop", f"tree{force}", *(["--force"] if force else []))
                self.assertEqual([p for p in self.pids(path) if harness.is_alive(p)], [])

    def test_a_restart_leaves_nothing_of_the_old_tree(self):
        path = self.place.work / "pids"
        self.start("tree", harness.python(TREE, str(path)))
        harness.eventually("all four run", lambda: len(self.pids(path)) == 4)
        old = self.pids(path)
        answer = self.mcp().call("restart_process", process="tree").structured
        self.assertIn(answer["old_pid"], old)
        self.assertNotIn(answer["pid"], old)
        self.assertEqual([p for p in old if harness.is_alive(p)], [])
        self.assertEqual((answer["run"], answer["restarts"]), ("p1.2", 1))

    def test_stop_all_ends_what_a_lost_process_left(self):
        path = self.place.work / "pids"
        # What holds much memory takes long to die, and shows no environment any more while it does.
        heavy = "held = b'x' * (256 << 20)\n"
        self.start("tree", harness.python(heavy + TREE, str(path)))
        harness.eventually("all four run", lambda: len(self.pids(path)) == 4)
        (shim,) = [pid for pid, line in harness.processes_of(self.place.data) if "persistproc-shim" in line]
        self.daemon.kill()
        harness.kill(shim)
        self.daemon.start()
        self.assertEqual(self.view("tree")["state"], "lost")
        self.assertIn(b"lost, 4 left running", self.ok("list").out)
        self.assertIn(b"; ended 4 programs that it had left running\n", self.ok("stop", "all").out)
        self.assertNotIn(b"left running", self.ok("list").out)
        self.assertEqual([p for p in self.pids(path) if harness.is_alive(p)], [])

    def test_what_shows_no_mark_belongs_to_a_lost_process_all_the_same(self):
        pid = self.start("bare", ["sh", "-c", "env -i sleep 600 & echo $!; exec env -i sleep 601"])["pid"]
        harness.eventually("its child", lambda: self.ok("output", "bare").out.strip())
        child = int(self.ok("output", "bare").out)
        harness.eventually("both have no environment", lambda: not any(
            pathlib.Path(f"/proc/{each}/environ").read_bytes() for each in (pid, child)))
        (shim,) = [each for each, line in harness.processes_of(self.place.data) if "persistproc-shim" in line]
        self.daemon.kill()
        harness.kill(shim)
        self.daemon.start()
        self.assertIn(b"lost, 2 left running", self.ok("list").out)
        self.assertEqual(self.cli("rm", "bare").code, 125)
        self.ok("start", "bare")
        self.assertEqual([each for each in (pid, child) if harness.is_alive(each)], [])

    def test_a_start_waits_for_a_stop_under_way(self):
        ready = self.place.work / "ready"
        code = "import pathlib, signal, sys, time\nsignal.signal(15, signal.SIG_IGN)\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(600)"
        old = self.start("slow", harness.python(code, str(ready)), "--grace", "600")
        harness.eventually("it ignores SIGTERM", ready.exists)
        stop = self.background("stop", "slow")
        harness.eventually("it is being stopped", lambda: self.view("slow")["state"] == "stopping")
        start = self.background("start", "--json", "slow")
        harness.eventually("the start is under way", start.is_connected)
        self.assertTrue(harness.is_alive(old["pid"]))
        os.kill(old["pid"], signal.SIGKILL)
        stop.wait()
        started = start.wait().json()
        self.assertEqual((started["run"], started["created"]), (old["id"] + ".2", True))
        self.assertEqual(self.view("slow")["state"], "running")
        self.ok("stop", "slow", "--force")

    def test_output_of_a_grandchild_is_recorded_after_the_exit(self):
        gate = self.place.work / "gate"
        code = (
            "import os, sys, time\nif os.fork() == 0:\n  while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
            "  print('late', flush=True); os._exit(0)\nprint('early', flush=True)"
        )
        self.start("parent", harness.python(code, str(gate)))
        self.assertEqual(self.wait_exit("parent").code, 0)
        self.assertEqual(self.view("parent")["state"], "exited")
        gate.touch()
        harness.eventually("late output", lambda: self.ok("output", "parent", "-n", "0").out == b"early\nlate\n")


if __name__ == "__main__":
    harness.main()
