"""A stop ends everything a program started."""
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
