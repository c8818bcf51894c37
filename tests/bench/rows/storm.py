"""Row 2: 50 programs that print 2,000 lines a second each: what that costs, and how soon a line is in its log."""
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from bench import Daemon, cpu_seconds, parent_of
from table import spread

PEERS = (("s6", "s6-log", ["s6-log", "n20", "s16777215"]), ("runit", "svlogd", ["svlogd"]))


class Storm:
    """Programs that print steadily, all from the moment on at which they are told."""

    def __init__(self, bench):
        self.bench = bench
        self.programs, self.seconds = (10, 1) if bench.quick else (50, 10)
        self.lines = self.programs * self.seconds * 2000
        self.go = pathlib.Path(tempfile.mkdtemp(dir=bench.scratch), "go")
        self.command = [str(bench.tests / "steady"), str(self.go), "2000", str(self.seconds)]

    def watch(self, files, recorders):
        """What `delays` sees in the files, with the CPU that the recorders (PIDs) take, in percent of one."""
        watching = subprocess.Popen(
            [self.bench.tests / "delays", str(self.lines), str(60 + 10 * self.seconds), *files], stdout=subprocess.PIPE
        )
        self.go.touch()
        # Neither how they begin nor how they end is what is measured.
        time.sleep(0.1)
        before, since = cpu_seconds(recorders), time.monotonic()
        time.sleep(self.seconds - 0.3)
        used = 100 * (cpu_seconds(recorders) - before) / (time.monotonic() - since)
        seen = json.loads(watching.communicate()[0])
        if seen["lines"] != self.lines or seen["wrong"]:
            raise SystemExit(f"scripts/bench: of {self.lines} lines {seen['lines']} came, {seen['wrong']} out of order")
        return {**seen, "cpu": used}


def through_pipes(bench, recorder, file, stdout):
    """The same with one recorder behind each program; `recorder` gets its folder as last word, or writes to stdout."""
    storm = Storm(bench)
    with tempfile.TemporaryDirectory(dir=bench.scratch) as root:
        folders = [pathlib.Path(root, str(i)) for i in range(storm.programs)]
        printing, recording = [], []
        for folder in folders:
            folder.mkdir()
            (folder / "config").write_text("s0\n")  # svlogd's: one file, which is watched
            printing.append(subprocess.Popen(storm.command, stdout=subprocess.PIPE))
            command = recorder if stdout else [*recorder, folder]
            with open(folder / "stdout", "wb") as out:
                recording.append(subprocess.Popen(command, stdin=printing[-1].stdout, stdout=out, stderr=out))
            printing[-1].stdout.close()
        seen = storm.watch([folder / file for folder in folders], [each.pid for each in recording])
        for each in [*printing, *recording]:
            each.wait()
        return seen


def through_shims(bench):
    with Daemon(bench, "row2") as daemon:
        session = daemon.session()
        storm = Storm(bench)
        views = []
        for i in range(storm.programs):
            arguments = {"command": storm.command, "working_directory": "/", "label": f"storm{i}"}
            views.append(daemon.call(session, "start_process", **arguments)["structuredContent"])
        session[0].close()
        shims = [parent_of(view["pid"]) for view in views]
        return storm.watch([view["log_path"] for view in views], [daemon.process.pid, *shims])


def measure(bench):
    present = [each for each in PEERS if bench.peer(each[0], each[1])]
    passes = []
    for _ in range(1 if bench.quick else 3):  # interleaved, so that all meet the same weather
        seen = {"": through_shims(bench), "cat": through_pipes(bench, ["cat"], "stdout", stdout=True)}
        for name, _, command in present:
            seen[name] = through_pipes(bench, command, "current", stdout=False)
        passes.append(seen)

    def of(name, key):
        return [each[name][key] / (1 if key == "cpu" else 1000) for each in passes]

    lines = f"{10 if bench.quick else 50} x 2000 lines/s"
    for key, what, unit, goal in (
        ("cpu", f"{lines}, none lost: CPU", "%", "<= 12 %"),
        ("p50", "  from write to log, p50", "ms", ""),
        ("p99", "  from write to log, p99", "ms", "<= 6 ms"),
        ("max", "  from write to log, max", "ms", "<= 50 ms"),
    ):
        ours, limit = statistics.median(of("", key)), statistics.median(of("cat", key))
        told = spread(of("", key), unit, 1) + "; cat " + spread(of("cat", key), unit, 1)
        bench.table.add(2, what, f"{ours:.1f} {unit}", f"{limit:.1f} {unit}", f"{ours / limit:.1f} x", goal, told)
        for name, *_ in present:
            value = f"{statistics.median(of(name, key)):.1f} {unit}"
            bench.table.peer(2, name, what.strip(), value, spread=spread(of(name, key), unit, 1))
