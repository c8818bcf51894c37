"""What a disk, a tool or a user does to the files of 200 processes while no daemon lives: the next one lists them all,
invents no code, deletes nothing and starts no copy."""
import contextlib
import os
import pathlib
import random
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import harness

SEED = int(os.environ.get("PERSISTPROC_CRASH_SEED", "1"))
PROCESSES, RUNNING = (200, 30) if os.environ.get("PERSISTPROC_CRASH_LONG") == "1" else (60, 10)
CHILD = harness.BUILD / "tests" / "child"
CODE = 7


def cut(data, rng):
    return data[: rng.randrange(len(data))] if data else data


def flip(data, rng):
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def blank(data, rng):
    begin = rng.randrange(len(data)) if data else 0
    return data[:begin] + bytes(min(64, len(data) - begin)) + data[begin + 64 :]


def garbage(data, rng):
    return rng.randbytes(rng.randrange(0, 9000))


def longer(data, rng):
    return data + rng.randbytes(rng.randrange(1, 5000))


MUTATIONS = [cut, flip, blank, garbage, longer, None]  # None: the file is gone


class Mutations(harness.TestCase):
    daemon_options = ("--keep-ended", "1000")

    def make_processes(self):
        """Label -> PID of those that run; the others have ended with CODE."""
        mcp = self.mcp()
        directory = str(self.place.work)
        for i in range(PROCESSES):
            verbs = ["print", "20", ",", "exit", str(CODE)]
            answer = mcp.call("start_process", command=[str(CHILD), *verbs], working_directory=directory, label=f"e{i}")
            self.assertFalse(answer.is_error, answer.text)
        running = {}
        for i in range(RUNNING):
            verbs = ["print", "20", ",", "wait"]
            answer = mcp.call("start_process", command=[str(CHILD), *verbs], working_directory=directory, label=f"r{i}")
            running[answer.structured["id"]] = answer.structured["pid"]
        harness.eventually(
            "all have ended",
            lambda: sum(v["state"] == "exited" for v in self.views()) == PROCESSES,
        )
        mcp.close()
        return running

    def files_of(self, process):
        root = self.place.data / "procs" / process
        return sorted(p for p in root.rglob("*") if p.is_file() and p.name != "shim.lock")

    def end_all(self, running):
        for pid in running.values():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def judge(self, running, before):
        views = {v["id"]: v for v in self.views()}
        ids = {f"p{i + 1}" for i in range(PROCESSES + RUNNING)}
        self.assertEqual(set(views), ids)
        for each, view in views.items():
            if each in running:
                # Its shim lives: it is told of by it, or left alone.
                self.assertIn(view["pid"], (running[each], None), view)
                self.assertIsNone(view["exit_code"], view)
                self.assertTrue(harness.is_alive(running[each]), view)
            else:
                self.assertIn(view["exit_code"], (CODE, None), view)
                self.assertIsNone(view["signal"], view)
        gone = [p for p in before if not p.exists()]
        self.assertEqual(gone, [])
        programs = [p for p, command in harness.processes_of(self.place.work) if command.startswith(str(CHILD))]
        self.assertEqual(len(programs), RUNNING)

    def test_two_hundred_damaged_directories(self):
        rng = random.Random(SEED)
        running = self.make_processes()
        self.addCleanup(self.end_all, running)
        self.daemon.kill()
        for i in range(PROCESSES + RUNNING):
            process = f"p{i + 1}"
            path = rng.choice(self.files_of(process))
            mutation = rng.choice(MUTATIONS)
            if mutation is None:
                path.unlink()
            else:
                path.write_bytes(mutation(path.read_bytes(), rng))
        before = [p for i in range(PROCESSES + RUNNING) for p in self.files_of(f"p{i + 1}")]
        self.daemon.start()
        self.judge(running, before)
        # Without its database it knows what the directories say, and no more.
        self.daemon.kill()
        for each in self.place.data.glob("persistproc.db*"):
            each.unlink()
        self.daemon.start()
        self.judge(running, before)
        for process in running:
            self.cli("stop", process, "--force", patience=60)
        self.end_all(running)


if __name__ == "__main__":
    unittest.main(verbosity=2)
