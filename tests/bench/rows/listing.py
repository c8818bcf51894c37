"""Row 4: `list` of many processes."""
import time

from bench import LIST, CannedServer, Daemon, children, percentile
from peers import keepers, supervisor_status
from rows.memory import eventually
from table import spread


def of_keepers(bench, name, command, count):
    """What a daemontools descendant takes to start all of them, and to tell of them."""
    began = time.monotonic()
    services = {f"idle{i}": "sleep 3600" for i in range(count)}
    with keepers(bench, name, services) as (pid, root):
        eventually(f"{name} runs all", lambda: runs_all(pid, count))
        bench.table.peer(4, name, f"{count} starts", f"{time.monotonic() - began:.1f} s")
        times = bench.durations_ms(10, [*command, *(root / each for each in services)])
        what = f"status of {count} programs, p50"
        bench.table.peer(4, name, what, f"{percentile(times, 0.5):.1f} ms", spread=spread(times, "ms", 1))


def runs_all(pid, count):
    below = children()
    kept_by = below.get(pid, [])
    return len(kept_by) >= count and all(each in below for each in kept_by)


def measure(bench):
    count = 30 if bench.quick else 1000
    times = 10 if bench.quick else 50
    with Daemon(bench, "row4") as daemon:
        session = daemon.session()
        began = time.monotonic()
        for i in range(count):
            daemon.call(
                session, "start_process", command=["sleep", "3600"], working_directory="/", label=f"idle{i}"
            )
        took = time.monotonic() - began
        bench.table.add(4, f"{count} starts over one connection", f"{took:.2f} s", "", "", "<= 2.5 s")
        listed = daemon.client("list")
        if len(listed.splitlines()) < count:
            raise SystemExit(f"scripts/bench: list shows {len(listed.splitlines())} lines of {count} processes")
        command = [bench.bin / "persistproc", "list"]
        ours = bench.durations_ms(times, command, daemon.environment)
        aged = []
        for _ in range(2 if bench.quick else 10):
            time.sleep(1.1)  # CPU, memory and ports are to be looked at again
            aged += bench.durations_ms(1, command, daemon.environment)
        connection, headers = session
        connection.request("POST", "/mcp", LIST, headers)
        body = connection.getresponse().read()
        connection.close()
        with CannedServer(bench, body) as canned:
            request = bench.request_file(canned.port, {}, LIST)
            limit = percentile(
                bench.durations_ms(times, [bench.tests / "http_load", canned.port, request, "1", "10", "1"]), 0.5
            )
        bench.table.add(
            4,
            f"cold `list` with {count} processes, p50",
            f"{percentile(ours, 0.5):.2f} ms",
            f"{limit:.2f} ms",
            f"{percentile(ours, 0.5) / limit:.1f} x",
            "<= 4 ms",
            spread(ours, "ms"),
        )
        what = "  more than a second after the last, p50"
        bench.table.add(4, what, f"{percentile(aged, 0.5):.2f} ms", "", "", "<= 14 ms", spread(aged, "ms"))
    supervisor_status(bench, 4, count)
    if bench.peer("runit", "runsvdir"):
        of_keepers(bench, "runit", ["sv", "status"], count)
    if bench.peer("s6", "s6-svscan"):
        # It tells of one service at a time.
        of_keepers(bench, "s6", ["sh", "-c", 'for each; do s6-svstat "$each"; done', "sh"], count)
