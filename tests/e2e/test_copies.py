"""A data directory that is copied while its programs run, or moved."""

import os
import pathlib
import shutil
import subprocess
import unittest

import harness

# Prints without end, so that the copy is of files that are written meanwhile.
TALKS = ["sh", "-c", "while :; do echo on; sleep 0.01; done"]


class Copies(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.other = self.place.root / "other"
        self.copied = None
        self.addCleanup(self.end_copy)

    def end_copy(self):
        """Before what the original leaves is looked at."""
        if self.copied is not None and self.copied.process.poll() is None:
            self.at_copy("shutdown")
            self.copied.process.wait(harness.PATIENCE)

    def serve_copy(self):
        """A daemon of `other`, with a port of its own."""
        place = harness.Place.__new__(harness.Place)
        place.root, place.data = self.place.root, self.other
        place.environment = {**self.place.environment, "PERSISTPROC_DATA_DIR": str(self.other)}
        self.copied = harness.Daemon(place).start()

    def at_copy(self, *arguments):
        return self.cli(*arguments, env=self.copied.place.environment)

    def copy_view(self, target):
        return self.at_copy("status", target, "--json").json()

    def test_a_copy_is_another_directory_and_touches_nothing_that_lives(self):
        pids = {
            "talks": self.start("talks", TALKS)["pid"],
            "always": self.start("always", ["sleep", "600"], "--restart", "always")["pid"],
            "orphan": self.start("orphan", ["sleep", "600"], "--restart", "on-failure")["pid"],
        }
        self.start("ended", ["sh", "-c", "exit 7"])
        self.wait_exit("ended")
        harness.eventually("some output", lambda: b"on" in self.ok("output", "talks").out)
        subprocess.run(["cp", "-a", self.place.data, self.other], check=True)
        # What the copy's daemon knows of it is its keeper's PID, which is nobody's by now.
        shim = int(pathlib.Path(f"/proc/{pids['orphan']}/stat").read_text().rsplit(")", 1)[1].split()[1])
        harness.kill(shim)
        harness.eventually("another keeper", lambda: self.view("orphan")["causes"])

        self.serve_copy()
        for _ in range(2):
            for label in pids:
                view = self.copy_view(label)
                self.assertEqual((view["state"], view["pid"]), ("lost", None))
                self.assertEqual([each["code"] for each in view["causes"]][0], "data_copied")
            self.assertEqual(self.copy_view("ended")["exit_code"], 7)
            self.assertIn(b"this data directory is a copy", self.at_copy("status", "talks").out)
            self.copied.kill()
            self.copied.start()
        self.assertIn(b"on", self.at_copy("output", "talks", "-n", "1").out)
        checks = {each["name"]: each["status"] for each in self.at_copy("doctor", "--json").json()["checks"]}
        self.assertEqual(checks["shims"], "ok")
        self.at_copy("stop", "all")
        self.assertEqual(self.at_copy("restart", "talks").code, 0)
        self.assertEqual(self.copy_view("talks")["state"], "running")
        self.assertEqual(self.at_copy("rm", "always").code, 0)
        self.assertEqual(self.at_copy("start", "--label", "orphan", "sleep", "600").code, 0)
        self.assertEqual(self.at_copy("shutdown").code, 0)

        self.daemon.restart()
        for label, pid in pids.items():
            view = self.view(label)
            self.assertEqual((view["state"], view["pid"], view["restarts"]), ("running", pid, 0))

    def test_a_directory_that_is_moved_stays_what_it_is(self):
        pid = self.start("web", ["sleep", "600"])["pid"]
        self.daemon.kill()
        self.place.data.rename(self.other)
        self.serve_copy()
        view = self.copy_view("web")
        self.assertEqual((view["state"], view["pid"]), ("running", pid))
        self.assertEqual(self.at_copy("stop", "web").code, 0)
        self.assertFalse(harness.is_alive(pid))

    def test_what_is_put_back_from_a_backup_of_what_ran_is_lost(self):
        self.start("web", ["sleep", "600"], "--restart", "always")
        subprocess.run(["cp", "-a", self.place.data, self.other], check=True)
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        shutil.rmtree(self.place.data)
        subprocess.run(["cp", "-a", self.other, self.place.data], check=True)
        self.daemon.start()
        view = self.view("web")
        self.assertEqual((view["state"], view["causes"][0]["code"]), ("lost", "data_copied"))
        self.ok("restart", "web")
        self.assertEqual(self.view("web")["state"], "running")


if __name__ == "__main__":
    harness.main()
