"""Starts and stops, a week's work of them, and nothing that grows: descriptors, memory, zombies and files of the daemon are
the same in the last quarter as in the second. See scripts/crash-test --soak."""
import contextlib
import os
import pathlib
import shutil
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import harness

LABELS = 64
SAMPLES = 40


class Sample:
    """What a daemon holds now."""

    NAMES = ("descriptors", "memory KiB", "zombies", "files", "data KiB", "shims")
    # What may be between two looks by chance alone: descriptors of calls under way, pages, runs not yet swept.
    SLACK = (24, 3072, 8, 400, 8192, 24)

    def __init__(self, daemon, data):
        root = pathlib.Path(f"/proc/{daemon}")
        status = dict(line.split(":", 1) for line in (root / "status").read_text().splitlines())
        # What is removed meanwhile is passed over.
        files = [os.path.join(folder, name) for folder, folders, names in os.walk(data) for name in folders + names]
        children = zombies = 0
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == daemon:
                children += 1
                zombies += fields[0] == "Z"
        size = 0
        for path in files:
            with contextlib.suppress(OSError):
                size += os.lstat(path).st_blocks * 512
        self.values = (
            len(list((root / "fd").iterdir())), int(status["VmRSS"].split()[0]), zombies, len(files), size >> 10,
            children - zombies,
        )  # fmt: skip


class Soak:
    def __init__(self, rounds, clients):
        self.rounds, self.clients = rounds, clients
        self.place = harness.Place()
        self.daemon = harness.Daemon(self.place)
        self.done = 0
        self.failures = []
        self.samples = []
        self.lock = threading.Lock()

    def work(self, number):
        try:
            client = harness.Mcp(self.daemon.port)
            turn = number
            while self.claim():
                label = f"soak {number} {turn % (LABELS // self.clients)}"
                turn += 1
                started = client.call(
                    "start_process", command=["sleep", "600"], working_directory=str(self.place.work), label=label
                )
                if started.is_error:
                    raise AssertionError(f"start of {label}: {started.text}")
                stopped = client.call("stop_process", process=label)
                if stopped.is_error or stopped.structured["state"] != "stopped":
                    raise AssertionError(f"stop of {label}: {stopped.text}")
        except Exception as failed:  # the trial ends and says why
            self.failures.append(repr(failed))

    def claim(self):
        with self.lock:
            if self.failures or self.done >= self.rounds:
                return False
            self.done += 1
            return True

    def run(self):
        self.daemon.start()
        begun = time.monotonic()
        workers = [threading.Thread(target=self.work, args=(n,)) for n in range(self.clients)]
        for worker in workers:
            worker.start()
        next_sample = 0
        while any(w.is_alive() for w in workers):
            workers[0].join(0.05)
            if self.done >= next_sample:
                next_sample += self.rounds / SAMPLES
                self.samples.append(Sample(self.daemon.process.pid, self.place.data).values)
        seconds = time.monotonic() - begun
        return self.judge(seconds)

    def judge(self, seconds):
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        facts = []
        for i, name in enumerate(Sample.NAMES):
            before = statistics.median(s[i] for s in early)
            after = statistics.median(s[i] for s in late)
            facts.append(f"{name} {before:.0f} -> {after:.0f}")
            if after > before + Sample.SLACK[i]:
                self.failures.append(f"{name} grew from {before:.0f} to {after:.0f}")
        return f"{self.done} starts and stops in {seconds:.0f} s ({self.done / seconds:.0f}/s); " + ", ".join(facts)

    def close(self):
        if self.daemon.process is not None and self.daemon.process.poll() is None:
            self.daemon.process.terminate()
            self.daemon.process.wait()
        shutil.rmtree(self.place.root, ignore_errors=True)
