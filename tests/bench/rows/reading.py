"""Row 6: reading the end of a log, whatever its size, and searching all of it."""
import datetime
import os
import subprocess
import threading
import time

from bench import Daemon, percentile
from rows.memory import pss_mb
from table import spread

LINE = "a line as servers print them, of eighty bytes with its newline: number"
SHORT = 100  # lines, which are printed last and later than the others


def fill(bench, daemon, session, label, size):
    """A process that has printed `size` bytes and, later, so many lines; gives the time between, and its segments."""
    printed, go = daemon.root / f"printed-{label}", daemon.root / f"go-{label}"
    command = [str(bench.tests / "child"), "print", str(size // 80), LINE, ",", "touch", str(printed), ","]
    command += ["until-file", str(go), ",", "print", str(SHORT), "late"]
    arguments = {"command": command, "working_directory": "/", "label": label}
    view = daemon.call(session, "start_process", **arguments)["structuredContent"]
    while not printed.exists():
        time.sleep(0.05)
    time.sleep(0.2)
    between = datetime.datetime.now(datetime.timezone.utc).isoformat()
    go.touch()
    daemon.call(session, "wait_for_process", process=label, until="exit", timeout_seconds=50)
    folder = os.path.dirname(view["log_path"])
    return between, sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".log"))


def add_ends(bench, daemon, name, label, between, segments):
    times = 10 if bench.quick else 100
    program = [bench.bin / "persistproc", "output"]
    since = [*program, label, "--since", between, "-n", "1000"]
    for arguments in ([label, "-n", str(SHORT)], since[2:]):
        lines = daemon.client("output", *arguments).splitlines()
        if lines != [f"late {i}" for i in range(1, SHORT + 1)]:
            raise SystemExit(f"scripts/bench: output {arguments} shows {len(lines)} lines: {lines[:1]} … {lines[-1:]}")
    limit = percentile(bench.durations_ms(times, ["tail", "-n", str(SHORT), segments[-1]]), 0.5)
    for what, command, goal in (
        (f"last {SHORT} lines of {name}, cold, p50", [*program, label, "-n", str(SHORT)], "<= 2.5 x tail"),
        (f"  the same by --since, of {name}", since, "<= 2.5 x tail"),
    ):
        values = bench.durations_ms(times, command, daemon.environment)
        ours = percentile(values, 0.5)
        told = spread(values, "ms")
        bench.table.add(6, what, f"{ours:.2f} ms", f"{limit:.2f} ms", f"{ours / limit:.1f} x", goal, told)


def seconds_of(command, environment):
    """How long it takes to find nothing."""
    began = time.monotonic()
    found = subprocess.run(command, env=environment, capture_output=True)
    if found.stdout.strip() not in (b"", b"0"):
        raise SystemExit(f"scripts/bench: {command[:5]} found something: {found.stdout[:80]} {found.stderr[:200]}")
    return time.monotonic() - began


class Beside:
    """What goes on beside a search: the daemon's memory, and how long others' calls take."""

    def __init__(self, daemon):
        self.daemon, self.is_over = daemon, threading.Event()
        self.session = daemon.session()
        self.calls_ms, self.memory_mb = [], [pss_mb([daemon.process.pid])]
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.is_over.is_set():
            began = time.monotonic()
            self.daemon.call(self.session, "list_processes")
            self.calls_ms.append(1000 * (time.monotonic() - began))
            self.memory_mb.append(pss_mb([self.daemon.process.pid]))
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.session[0].close()


def search(daemon, session, label, pattern):
    """(seconds of all calls, of the longest call, number of calls) until the end of the log; nothing must be found."""
    cursor, longest, calls, began = f"{label}:0", 0, 0, time.monotonic()
    while True:
        since = time.monotonic()
        answer = daemon.call(session, "get_process_output", process=label, grep=pattern, cursor=cursor)
        longest, calls = max(longest, time.monotonic() - since), calls + 1
        told = answer["_meta"]["persistproc/result"]
        if told["lines"]:
            raise SystemExit(f"scripts/bench: the search found {answer['content']}")
        if not told.get("unread_bytes"):
            return time.monotonic() - began, longest, calls
        cursor = told["next_cursor"]


def add_searches(bench, daemon, session, name, segments, hard_mib):
    pattern = "no such line"
    ours = seconds_of([bench.bin / "persistproc", "output", "big", "-n", "0", "--grep", pattern], daemon.environment)
    limit = seconds_of(["grep", "-h", pattern, *segments], {**os.environ, "LC_ALL": "C"})
    what = f"grep of {name} without a match"
    bench.table.add(6, what, f"{ours:.2f} s", f"{limit:.2f} s", f"{ours / limit:.1f} x", "")
    big, hard = (daemon.call(session, "list_processes", process=label)["structuredContent"] for label in ("big", "hard"))
    big, hard = (each["processes"][0]["id"] for each in (big, hard))
    with Beside(daemon) as beside:
        total, _, calls = search(daemon, session, big, pattern)
    bench.table.add(6, "  by an agent, all calls", f"{total:.2f} s", "", "", "")
    bench.table.add(6, "  its calls", f"{calls} calls", "", "", "")
    more = max(beside.memory_mb) - beside.memory_mb[0]
    bench.table.add(6, "  the daemon's memory meanwhile, more", f"{max(0.0, more):.1f} MB", "", "", "flat")
    with Beside(daemon) as beside:
        _, longest, _ = search(daemon, session, hard, "(a+)+$")
    bench.table.add(6, f"(a+)+$ over {hard_mib} MiB, the longest call", f"{longest:.2f} s", "", "", "<= 2.5 s")
    with Beside(daemon) as alone:
        time.sleep(longest)
    for share, name, goal in ((0.5, "p50", ""), (1, "max", "<= 20 ms")):
        ours, limit = (percentile(each.calls_ms, share) for each in (beside, alone))
        what = f"  others' calls meanwhile; limit: without a search; {name}"
        bench.table.add(6, what, f"{ours:.1f} ms", f"{limit:.1f} ms", f"{ours / limit:.1f} x", goal)


def measure(bench):
    size = 20_000_000 if bench.quick else 2_000_000_000
    name = "20 MB" if bench.quick else "2 GB"
    with Daemon(bench, "row6", "--process-log-limit", "4GiB", "--total-log-limit", "8GiB") as daemon:
        session = daemon.session()
        small = fill(bench, daemon, session, "small", 2_000_000)
        big = fill(bench, daemon, session, "big", size)
        hard_mib = 4 if bench.quick else 64
        command = [str(bench.tests / "child"), "print", str((hard_mib << 20) // 80), "a" * 72]
        daemon.call(session, "start_process", command=command, working_directory="/", label="hard")
        daemon.call(session, "wait_for_process", process="hard", until="exit")
        add_ends(bench, daemon, "2 MB", "small", *small)
        add_ends(bench, daemon, name, "big", *big)
        add_searches(bench, daemon, session, name, big[1], hard_mib)
        session[0].close()
