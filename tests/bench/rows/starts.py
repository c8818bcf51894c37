"""Row 3: how soon a program runs, and how many starts a second."""
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from bench import Daemon, percentile
from peers import keepers, supervisor
from table import spread


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
            "<= 2.5 ms",
            spread(delays, "ms"),
        )
        bench.table.add(3, "  p99", f"{percentile(delays, 0.99):.2f} ms", "", "", "<= 6 ms")
        bench.table.add(3, f"{times} starts one after the other, cold clients", f"{rate_of(runs):.0f}/s", "", "", ">= 350/s")
    with Daemon(bench, "row3") as daemon:
        session = daemon.session()
        began = time.monotonic()
        for i in range(times):
            daemon.call(session, "start_process", command=["true"], working_directory="/", label=f"o{i}")
        rate = times / (time.monotonic() - began)
        twice = 1000 / (2 * limit)
        what = "  over one connection; limit: two fork + exec"
        bench.table.add(3, what, f"{rate:.0f}/s", f"{twice:.0f}/s", f"{rate / twice:.2f}", ">= 0.5")
        session[0].close()
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
            f"  {share * 8} starts by 8 clients; limit: fork + exec",
            f"{rate:.0f}/s",
            f"{1000 / limit:.0f}/s",
            f"{rate * limit / 1000:.2f}",
            "",
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
        keeper_rate(bench, "runit", ["sv", "once"], times)
    if bench.peer("s6", "s6-svscan"):
        keeper_row(bench, "s6", "s6-svscan", ["s6-svc", "-o"], ["s6-svok"], times)
        keeper_rate(bench, "s6", ["s6-svc", "-o"], times)


def rate_of(runs):
    """How many of these a second, of [(began, ended)] in nanoseconds."""
    return len(runs) * 1e9 / (runs[-1][1] - runs[0][0])


def keeper_rate(bench, name, start, times):
    """The same of a daemontools descendant: each service has its keeper by then, and is started by a client of its own."""
    with keepers(bench, name, {f"s{i}": "true" for i in range(times)}, is_down=True) as (_, root):
        ready = {"runit": ["sv", "status"], "s6": ["s6-svok"]}[name]
        deadline = time.monotonic() + 60
        for i in range(times):
            while subprocess.run([*ready, root / f"s{i}"], capture_output=True).returncode:
                if time.monotonic() > deadline:
                    raise SystemExit(f"scripts/bench: {name} did not take its services in")
                time.sleep(0.05)
        rate = rate_of(bench.launch(times, [*start, f"{root}/s{{}}"]))
        bench.table.peer(3, name, f"{times} starts one after the other", f"{rate:.0f}/s")


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
            for i in range(2 if bench.quick else 10):
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
