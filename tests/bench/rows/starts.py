"""Row 3: how soon a program runs, and how many starts a second."""
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from bench import Daemon, percentile
from peers import supervisor


def measure(bench):
    times = 20 if bench.quick else 200
    limit = percentile(bench.durations_ms(times, [bench.tests / "stamp"]), 0.5)
    with Daemon(bench, "row3") as daemon:
        stamps = daemon.root / "stamps"
        runs = bench.launch(
            times,
            [bench.bin / "persistproc", "start", "--label", "s{}", "--", bench.tests / "stamp", stamps],
            daemon.environment,
        )
        for i in (times - 1,):
            daemon.client("wait", f"s{i}", "--exit", "--timeout", "20")
        seen = sorted(map(int, stamps.read_text().split()))
        delays = [(stamp - begin) / 1e6 for (begin, _), stamp in zip(runs, seen)]
        bench.table.add(
            3,
            "cold `start` until it runs, p50",
            f"{percentile(delays, 0.5):.2f} ms",
            f"{limit:.2f} ms",
            f"{percentile(delays, 0.5) / limit:.1f} x",
            "<= 5 ms",
        )
        bench.table.add(3, "  p99", f"{percentile(delays, 0.99):.2f} ms", "", "", "")
    with Daemon(bench, "row3") as daemon:
        sessions = [daemon.session() for _ in range(8)]
        share = times // 8

        def starts(number):
            for i in range(share):
                daemon.call(
                    sessions[number],
                    "start_process",
                    command=["true"],
                    working_directory="/",
                    label=f"t{number}.{i}",
                )

        threads = [threading.Thread(target=starts, args=(i,)) for i in range(8)]
        began = time.monotonic()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        rate = share * 8 / (time.monotonic() - began)
        bench.table.add(
            3,
            f"  {share * 8} durable starts by 8 clients",
            f"{rate:.0f}/s",
            f"{1000 / limit:.0f}/s",
            f"{rate * limit / 1000:.2f}",
            ">= 550/s",
        )
        for connection, _ in sessions:
            connection.close()
    supervisor_starts(bench, times)
    if bench.peer("pm2", "pm2"):
        home = {**os.environ, "PM2_HOME": str(pathlib.Path(bench.scratch) / "pm2")}
        try:
            values = bench.durations_ms(5, ["pm2", "start", "sleep", "--name", "s{}", "--", "60"], home)
            bench.table.peer(3, "pm2", "cold start, p50", f"{percentile(values, 0.5):.0f} ms")
        finally:
            subprocess.run(["pm2", "kill"], env=home, capture_output=True)
    if bench.peer("runit", "runsvdir"):
        keeper_row(bench, "runit", "runsvdir", ["sv", "once"], ["sv", "status"], times)
    if bench.peer("s6", "s6-svscan"):
        keeper_row(bench, "s6", "s6-svscan", ["s6-svc", "-o"], ["s6-svok"], times)


def supervisor_starts(bench, times):
    if not bench.peer("supervisor", "supervisord"):
        return
    program = f"[program:stamp]\ncommand={bench.tests}/stamp {{root}}/stamps\nautostart=false\nautorestart=false\nstartsecs=0\n"
    with supervisor(bench, program) as (root, ask):
        runs = bench.launch(min(times, 10), [*ask, "start", "stamp"])
        seen = sorted(map(int, (root / "stamps").read_text().split()))
        delays = [(s - b) / 1e6 for (b, _), s in zip(runs, seen)]
        bench.table.peer(3, "supervisor", "cold start, p50", f"{percentile(delays, 0.5):.0f} ms")


def keeper_row(bench, name, server, start, is_ready, times):
    """Both daemontools descendants: a directory per service, a keeper that is told to run it once."""
    with tempfile.TemporaryDirectory(dir=bench.scratch, ignore_cleanup_errors=True) as root:
        service, stamps = pathlib.Path(root, "stamp"), pathlib.Path(root, "stamps")
        service.mkdir()
        (service / "down").touch()
        (service / "run").write_text(f"#!/bin/sh\nexec {bench.tests}/stamp {stamps}\n")
        (service / "run").chmod(0o755)
        keeper = subprocess.Popen([server, root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        delays = []
        try:
            deadline = time.monotonic() + 20
            while subprocess.run([*is_ready, service], capture_output=True).returncode and time.monotonic() < deadline:
                time.sleep(0.05)
            for i in range(min(times, 10)):
                ((begin, _),) = bench.launch(1, [*start, service])
                while not stamps.exists() or len(stamps.read_text().split()) <= i:
                    if time.monotonic() > deadline:
                        raise SystemExit(f"scripts/bench: {name} did not run its service")
                    time.sleep(0.01)
                delays.append((int(stamps.read_text().split()[i]) - begin) / 1e6)
                time.sleep(1.1)  # both wait a second between two starts
                deadline += 2
            bench.table.peer(3, name, "cold start, p50", f"{percentile(delays, 0.5):.1f} ms")
        finally:
            keeper.send_signal(signal.SIGHUP if name == "runit" else signal.SIGTERM)
            keeper.wait()
