"""Row 1: recording as fast as one program writes."""
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from bench import Daemon


def measure(bench):
    size = 20_000_000 if bench.quick else 500_000_000
    rounds = 1 if bench.quick else 3
    producer = [str(bench.tests / "child"), "bulk", str(size)]
    ours, cpu, cat = [], [], []
    peers = {}
    for _ in range(rounds):  # interleaved, so that all meet the same weather
        cat.append(pipe(bench, producer, ["cat"], stdout=True))
        with Daemon(bench, "row1") as daemon:
            session = daemon.session()
            began = time.monotonic()
            view = daemon.call(session, "start_process", command=producer, working_directory="/", label="bulk")[
                "structuredContent"
            ]
            seconds = cpu_until_exit(view["pid"])
            daemon.call(session, "wait_for_process", process="bulk", until="exit", timeout_seconds=600)
            ours.append(time.monotonic() - began)
            cpu.append(seconds)
            session[0].close()
        for name, program, command in (
            ("s6", "s6-log", ["s6-log", "n20", "s16777215", "{dir}"]),
            ("runit", "svlogd", ["svlogd", "{dir}"]),
        ):
            if bench.peer(name, program):
                peers.setdefault(name, []).append(pipe(bench, producer, command))
    best = statistics.median(cat)
    took = statistics.median(ours)
    gb = size / 1e9
    bench.table.add(
        1,
        f"record {size // 1_000_000} MB of lines",
        f"{size / took / 1e6:.0f} MB/s",
        f"{size / best / 1e6:.0f} MB/s",
        f"{best / took:.2f}",
        ">= 0.8 x cat now, >= 1.0 wanted",
    )
    if not any(c is None for c in cpu):
        bench.table.add(1, "  its CPU", f"{statistics.median(cpu) / gb:.2f} s/GB", "", "", "<= 0.6 s/GB")
    for name, values in peers.items():
        bench.table.peer(
            1,
            name,
            "the same",
            f"{size / statistics.median(values) / 1e6:.0f} MB/s",
            f"{best / statistics.median(values):.2f}",
        )


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
