"""Row 10: from nothing to an answer, and from the death of a daemon."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from bench import INITIALIZE, LIST, PING, CannedServer, Daemon, check, percentile
from peers import keepers, sdk_server, supervisor_status
from rows.memory import eventually
from table import spread


class Bridge:
    """`persistproc mcp` of an agent, with one request at a time."""

    def __init__(self, bench, daemon):
        command = [bench.bin / "persistproc", "mcp"]
        self.process = subprocess.Popen(
            command, env=daemon.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.ask(INITIALIZE)
        self.answer()

    def ask(self, request):
        self.process.stdin.write(request.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "result" in message or "error" in message:
                return message
        raise SystemExit("scripts/bench: the bridge has ended")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def holder_of(path):
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and any(os.readlink(each) == str(path) for each in (entry / "fd").iterdir()):
                return int(entry.name)
    raise SystemExit(f"scripts/bench: nobody holds {path}")


def after_death_ms(bench, times):
    """Through a bridge whose daemon is killed: until a start on its way is answered, with its loss, and until a list that
    is asked for at once is, by the next daemon.
    """
    start = {"command": ["sleep", "3600"], "working_directory": "/", "label": "web", "wait": {"pattern": "never"}}
    call = {"name": "start_process", "arguments": {**start, "if_running": "restart"}}
    start = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    lost, listed = [], []
    with Daemon(bench, "row10") as daemon:
        bridge = Bridge(bench, daemon)
        for _ in range(times):
            for request, into in ((start, lost), (LIST, listed)):
                daemon.client("list")  # it answers
                pid = holder_of(daemon.data / "daemon.lock")
                if request is start:
                    bridge.ask(request)
                    time.sleep(0.1)  # it waits by then
                began = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                if request is LIST:
                    bridge.ask(request)
                answer = bridge.answer()
                into.append(1000 * (time.monotonic() - began))
                if ("error" in answer) != (request is start):
                    raise SystemExit(f"scripts/bench: the bridge was answered with {answer}")
        bridge.close()
        daemon.client("stop", "web")
    return lost, listed


def measure(bench):
    times = 10 if bench.quick else 100
    starts = 3 if bench.quick else 20
    nothing = percentile(bench.durations_ms(times, [bench.tests / "stamp"]), 0.5)
    versions = bench.durations_ms(times, [bench.bin / "persistproc", "version"])
    version = percentile(versions, 0.5)
    bench.table.add(
        10,
        "`version`, p50",
        f"{version:.2f} ms",
        f"{nothing:.2f} ms",
        f"{version / nothing:.1f} x",
        "<= 1 ms",
        spread(versions, "ms"),
    )
    with Daemon(bench, "row10") as daemon:
        connection, headers = daemon.session()
        connection.request("POST", "/mcp", LIST, headers)
        body = connection.getresponse().read()
        connection.close()
        lists = bench.durations_ms(times, [bench.bin / "persistproc", "list"], daemon.environment)
        ours = percentile(lists, 0.5)
        with CannedServer(bench, body) as canned:
            request = bench.request_file(canned.port, {}, LIST)
            limit = percentile(
                bench.durations_ms(times, [bench.tests / "http_load", canned.port, request, "1", "10", "1"]), 0.5
            )
        bench.table.add(
            10,
            "cold `list` of an empty daemon, p50",
            f"{ours:.2f} ms",
            f"{limit:.2f} ms",
            f"{ours / limit:.1f} x",
            "<= 1.5 ms",
            spread(lists, "ms"),
        )
        daemon.client("start", "--label", "one", "--", "sleep", "3600")
        lists = bench.durations_ms(times, [bench.bin / "persistproc", "list"], daemon.environment)
        what = "  with one process, p50"
        bench.table.add(10, what, f"{percentile(lists, 0.5):.2f} ms", "", "", "<= 1.5 ms", spread(lists, "ms"))
        port = daemon.port
        environment = daemon.environment
    path = pathlib.Path(bench.scratch) / "canned"
    path.write_bytes(body)
    first = [bench.tests / "first_answer", port, INITIALIZE, LIST]
    limits = [float(check([*first, bench.tests / "canned_server", path, port])) / 1000 for _ in range(starts)]
    values = []
    for _ in range(starts):
        data = pathlib.Path(tempfile.mkdtemp(dir=bench.scratch)) / "data"
        (data.parent / "runtime").mkdir(mode=0o700)
        values.append(
            float(
                check(
                    [*first, bench.bin / "persistprocd", "--data-dir", data, "--port", port],
                    env={**environment, "XDG_RUNTIME_DIR": str(data.parent / "runtime")},
                )
            )
            / 1000
        )
    bench.table.add(
        10,
        "daemon executed until tools/call answered, p50",
        f"{percentile(values, 0.5):.1f} ms",
        f"{percentile(limits, 0.5):.1f} ms",
        f"{percentile(values, 0.5) / percentile(limits, 0.5):.1f} x",
        "<= 6 ms",
        spread(values, "ms", 1),
    )
    ended = 200 if bench.quick else 10_000
    place = pathlib.Path(tempfile.mkdtemp(dir=bench.scratch))
    (place / "runtime").mkdir(mode=0o700)
    check([bench.tests / "fill_data", place / "data", ended])
    full = [bench.bin / "persistprocd", "--data-dir", place / "data", "--port", port, "--keep-ended", 2 * ended]
    environment = {**environment, "XDG_RUNTIME_DIR": str(place / "runtime")}
    for what, call, goal in (("ping", PING, "<= 50 ms"), ("a complete list", LIST, "<= 2000 ms")):
        values = [
            float(check([bench.tests / "first_answer", port, INITIALIZE, call, *full], env=environment)) / 1000
            for _ in range(starts)
        ]
        bench.table.add(
            10, f"  with {ended} that have ended, until {what}, p50", f"{percentile(values, 0.5):.1f} ms", "", "", goal
        )
    lost, listed = after_death_ms(bench, starts)
    for what, values, goal in (
        ("a start that it was at is answered by the bridge", lost, "<= 50 ms"),
        ("a list is answered by the next daemon", listed, "<= 50 ms"),
    ):
        value = f"{percentile(values, 0.5):.1f} ms"
        bench.table.add(10, f"daemon killed until {what}, p50", value, "", "", goal, spread(values, "ms", 1))
    if command := sdk_server(bench):
        peers = [float(check([*first, *command, port])) / 1000 for _ in range(3)]
        bench.table.peer(10, "TypeScript SDK", "executed until answered, p50", f"{percentile(peers, 0.5):.0f} ms")
    supervisor_status(bench, 10, 0)
    if bench.peer("runit", "runsvdir"):
        with keepers(bench, "runit", {"one": "sleep 3600"}) as (_, root):
            ask = ["sv", "status", root / "one"]
            eventually("runit runs it", lambda: subprocess.run(ask, capture_output=True).returncode == 0)
            values = bench.durations_ms(times, ask)
            value = f"{percentile(values, 0.5):.2f} ms"
            bench.table.peer(10, "runit", "status of one, p50", value, spread=spread(values, "ms"))
