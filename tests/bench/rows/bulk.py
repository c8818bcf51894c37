"""Row 1: recording as fast as one program writes."""
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from bench import Daemon
from peers import supervisor
from table import spread

KEPT, USUAL = "all kept", "usual limits"


def measure(bench):
    size = 20_000_000 if bench.quick else 500_000_000
    rounds = 1 if bench.quick else 5
    producer = [str(bench.tests / "child"), "bulk", str(size)]
    ours, cpu, cat = {KEPT: [], USUAL: []}, {KEPT: [], USUAL: []}, []
    peers = {}
    for _ in range(rounds):  # interleaved, so that all meet the same weather
        cat.append(pipe(bench, producer, ["cat"], stdout=True))
        for kind, options in ((KEPT, ("--process-log-limit", "2GiB")), (USUAL, ())):
            took, seconds = through_shim(bench, producer, options)
            ours[kind].append(took)
            cpu[kind].append(seconds)
        for name, program, command in (
            ("s6", "s6-log", ["s6-log", "n20", "s16777215", "{dir}"]),
            ("runit", "svlogd", ["svlogd", "{dir}"]),
        ):
            if bench.peer(name, program):
                peers.setdefault(name, []).append(pipe(bench, producer, command))
        if bench.peer("supervisor", "supervisord"):
            peers.setdefault("supervisor, raw", []).append(through_supervisor(bench, producer, size))
    best = statistics.median(cat)
    gb = size / 1e9
    for kind, goal in ((KEPT, ">= 0.8 x cat"), (USUAL, ">= 1.0 x cat")):
        took = statistics.median(ours[kind])
        rates = [size / each / 1e6 for each in ours[kind]]
        bench.table.add(
            1,
            f"record {size // 1_000_000} MB of lines, {kind}",
            f"{size / took / 1e6:.0f} MB/s",
            f"{size / best / 1e6:.0f} MB/s",
            f"{best / took:.2f}",
            goal,
            spread(rates, "MB/s", 0),
        )
        if not any(c is None for c in cpu[kind]):
            per_gb = [each / gb for each in cpu[kind]]
            bench.table.add(
                1,
                f"  its CPU, {kind}",
                f"{statistics.median(per_gb):.2f} s/GB",
                "",
                "",
                "<= 0.6 s/GB",
                spread(per_gb, "s/GB"),
            )
    rates = [size / each / 1e6 for each in cat]
    bench.table.add(1, "  the limit: cat", f"{size / best / 1e6:.0f} MB/s", "", "", "", spread(rates, "MB/s", 0))
    for name, values in peers.items():
        bench.table.peer(
            1,
            name,
            "the same",
            f"{size / statistics.median(values) / 1e6:.0f} MB/s",
            f"{best / statistics.median(values):.2f}",
        )


def through_shim(bench, producer, options):
    """Seconds until the end is known, and the keeper's CPU."""
    with Daemon(bench, "row1", *options) as daemon:
        session = daemon.session()
        began = time.monotonic()
        view = daemon.call(session, "start_process", command=producer, working_directory="/", label="bulk")[
            "structuredContent"
        ]
        cpu = cpu_until_exit(view["pid"])
        daemon.call(session, "wait_for_process", process="bulk", until="exit", timeout_seconds=600)
        took = time.monotonic() - began
        session[0].close()
        return took, cpu


def through_supervisor(bench, producer, size):
    """Seconds until the whole of it is in the file, which is not rotated."""
    program = (
        f"[program:bulk]\ncommand={' '.join(producer)}\nautostart=false\nautorestart=false\nstartsecs=0\n"
        "stdout_logfile={root}/bulk\nstdout_logfile_maxbytes=0\n"
    )
    with supervisor(bench, program) as (root, ask):
        began = time.monotonic()
        subprocess.run([*ask, "start", "bulk"], check=True, stdout=subprocess.DEVNULL)
        while not (root / "bulk").exists() or (root / "bulk").stat().st_size < size:
            if time.monotonic() > began + 300:
                raise SystemExit("scripts/bench: supervisord did not record all of it")
            time.sleep(0.005)
        return time.monotonic() - began


def pipe(bench, producer, consumer, stdout=False):
    """Seconds until the consumer of the producer's output has ended."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=bench.scratch))
    consumer = [c.replace("{dir}", str(directory)) for c in consumer]
    try:
        with open(directory / "out", "wb") if stdout else open(os.devnull, "wb") as out:
            began = time.monotonic()
            first = subprocess.Popen(producer, stdout=subprocess.PIPE)
            second = subprocess.Popen(consumer, stdin=first.stdout, stdout=out)
            first.stdout.close()
            if first.wait() or second.wait():
                raise SystemExit(f"scripts/bench: {consumer} failed")
            return time.monotonic() - began
    finally:
        shutil.rmtree(directory)


def cpu_until_exit(pid):
    """CPU seconds of the parent of `pid` until it ends; None when it was too fast to be seen."""

    def stat(number):
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()

    seconds = None
    try:
        keeper = int(stat(pid)[1])
        while True:
            fields = stat(keeper)
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            stat(pid)
            time.sleep(0.002)
    except OSError:
        return seconds
