"""Row 7: how soon the end of a program and what it prints are known, and how soon it runs again."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from bench import Daemon, children, children_of, percentile, result_in
from peers import keepers, supervisor
from table import spread


def known_ms(daemon, times):
    """From the kill of a program until a waiting client has the answer."""
    session = daemon.session()
    connection, headers = session
    out = []
    for i in range(times):
        arguments = {"command": ["sleep", "3600"], "working_directory": "/", "label": f"ends{i}"}
        view = daemon.call(session, "start_process", **arguments)["structuredContent"]
        waiting = {"name": "wait_for_process", "arguments": {"process": view["id"], "until": "exit"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": waiting}
        connection.request("POST", "/mcp", json.dumps(body), headers)
        time.sleep(0.05)  # it waits by then
        began = time.monotonic()
        os.kill(view["pid"], signal.SIGKILL)
        answer = result_in(connection.getresponse())
        out.append(1000 * (time.monotonic() - began))
        if "SIGKILL" not in answer["content"][0]["text"]:
            raise SystemExit(f"scripts/bench: the wait was answered with {answer}")
    connection.close()
    return out


def shown_ms(bench, daemon, seconds):
    """From each write of a program that prints 100 lines a second until a client that follows it has shown the line."""
    session, go = daemon.session(), daemon.root / "go"
    command = [str(bench.tests / "steady"), str(go), "100", str(seconds)]
    daemon.call(session, "start_process", command=command, working_directory="/", label="prints")
    session[0].close()
    following = subprocess.Popen(
        [bench.bin / "persistproc", "logs", "-f", "prints"], env=daemon.environment, stdout=subprocess.PIPE
    )
    time.sleep(0.2)  # it follows by then
    go.touch()
    out = []
    for line in following.stdout:
        out.append((time.monotonic_ns() - int(line.split()[0])) / 1e6)
    following.wait()
    if len(out) != 100 * seconds:
        raise SystemExit(f"scripts/bench: logs -f has shown {len(out)} of {100 * seconds} lines")
    return out


def again_ms(stamps, pids, lived):
    """From the kill of each program, one after the other, until it has written its second time of start into its file."""
    first = [stamps_in(path, 1) for path in stamps]
    time.sleep(max(0.0, max(each[0] for each in first) / 1e9 + lived - time.monotonic()))
    out = []
    for path, pid in zip(stamps, pids):
        began = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        out.append((stamps_in(path, 2)[1] - began) / 1e6)
    return out


def stamps_in(path, count):
    """The first `count` times in the file, once they are there."""
    deadline = time.monotonic() + 30
    while not path.exists() or path.read_text().count("\n") < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"scripts/bench: {path.name} did not run again")
        time.sleep(0.002)
    return [int(line) for line in path.read_text().split()[:count]]


def ours_again_ms(bench, daemon, times, lived):
    session = daemon.session()
    stamps, pids = [daemon.root / f"again{i}" for i in range(times)], []
    for path in stamps:
        command = [str(bench.tests / "stamp"), str(path), "stay"]
        arguments = {"command": command, "working_directory": "/", "label": path.name, "restart": "always"}
        pids.append(daemon.call(session, "start_process", **arguments)["structuredContent"]["pid"])
    session[0].close()
    return again_ms(stamps, pids, lived)


def keepers_again_ms(bench, name, times, lived):
    folder = pathlib.Path(tempfile.mkdtemp(dir=bench.scratch))
    stamps = [folder / f"again{i}" for i in range(times)]
    with keepers(bench, name, {path.name: f"{bench.tests}/stamp {path} stay" for path in stamps}) as (pid, _):
        for path in stamps:
            stamps_in(path, 1)
        programs, below = {}, children()
        for each in below[pid]:
            for program in below.get(each, []):
                programs[pathlib.Path(f"/proc/{program}/cwd").resolve().name] = program
        return again_ms(stamps, [programs[path.name] for path in stamps], lived)


def supervisor_again_ms(bench, times, lived):
    program = (
        f"[program:again]\ncommand={bench.tests}/stamp {{root}}/stamps%(process_num)s stay\nnumprocs={times}\n"
        "process_name=%(process_num)s\nautorestart=true\n"
    )
    with supervisor(bench, program) as (root, _):
        stamps = [root / f"stamps{i}" for i in range(times)]
        for path in stamps:
            stamps_in(path, 1)
        commands = {}
        for pid in children_of(int((root / "pid").read_text())):
            commands[pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1].decode()] = pid
        return again_ms(stamps, [commands[str(path)] for path in stamps], lived)


def measure(bench):
    times = 5 if bench.quick else 40
    # A shorter life is taken for a failure: ours and others' pause before they run it again.
    lived = 0.1 if bench.quick else 11
    with Daemon(bench, "row7") as daemon:
        known = known_ms(daemon, times)
        again = ours_again_ms(bench, daemon, times, lived)
        shown = shown_ms(bench, daemon, 1 if bench.quick else 5)
    for what, values, goal in (
        ("ended until known", known, "<= 1 ms"),
        ("ended until it runs again", again, "<= 2 ms"),
        ("printed until `logs -f` shows it", shown, "<= 1 ms"),
    ):
        bench.table.add(7, f"{what}, p50", f"{percentile(values, 0.5):.2f} ms", "", "", goal, spread(values, "ms"))
        bench.table.add(7, f"{what}, p90", f"{percentile(values, 0.9):.2f} ms", "", "", "")
    for name, program, of_peer in (
        ("runit", "runsvdir", lambda: keepers_again_ms(bench, "runit", times, lived)),
        ("s6", "s6-svscan", lambda: keepers_again_ms(bench, "s6", times, lived)),
        ("supervisor", "supervisord", lambda: supervisor_again_ms(bench, times, lived)),
    ):
        if bench.peer(name, program):
            values = of_peer()
            what = "ended until it runs again, p50"
            bench.table.peer(7, name, what, f"{percentile(values, 0.5):.2f} ms", spread=spread(values, "ms"))
            bench.table.peer(7, name, "the same, p90", f"{percentile(values, 0.9):.2f} ms")
