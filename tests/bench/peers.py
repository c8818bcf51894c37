"""Other supervisors and servers, as several rows of scripts/bench start them."""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from bench import ROOT, children_of, percentile


@contextlib.contextmanager
def supervisor(bench, program):
    """A supervisord with one [program:…] section; gives its directory and the command that asks it."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="supervisor.", dir=bench.scratch))
    config = root / "conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={root}/log\npidfile={root}/pid\nchildlogdir={root}\nminfds=4096\n"
        f"[unix_http_server]\nfile={root}/s\n[supervisorctl]\nserverurl=unix://{root}/s\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n" + program.format(root=root)
    )
    server = subprocess.Popen(["supervisord", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not all((root / name).exists() for name in ("s", "pid")):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("scripts/bench: supervisord did not start")
            time.sleep(0.05)
        yield root, ["supervisorctl", "-c", str(config)]
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def keepers(bench, name, services, is_down=False):
    """runit or s6 at work on {name: command line}; gives the process that starts the keepers, and the folder of services.
    `is_down`: none is to run until it is told to."""
    server, end = {"runit": ("runsvdir", signal.SIGHUP), "s6": ("s6-svscan", signal.SIGTERM)}[name]
    with tempfile.TemporaryDirectory(dir=bench.scratch, ignore_cleanup_errors=True) as root:
        for service, command in services.items():
            folder = pathlib.Path(root, service)
            folder.mkdir()
            (folder / "run").write_text(f"#!/bin/sh\nexec {command}\n")
            (folder / "run").chmod(0o755)
            if is_down:
                (folder / "down").touch()
        most = ["-c", str(len(services) + 10)] if name == "s6" else []
        process = subprocess.Popen([server, *most, root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process.pid, pathlib.Path(root)
        finally:
            left = children_of(process.pid)
            process.send_signal(end)
            process.wait()
            # One that finds its folder gone would stay for ever.
            deadline = time.monotonic() + 20
            while any(os.path.exists(f"/proc/{pid}") for pid in left) and time.monotonic() < deadline:
                time.sleep(0.02)


def supervisor_status(bench, row, count):
    """`supervisorctl status` of `count` idle programs."""
    if not bench.peer("supervisor", "supervisord"):
        return
    program = f"[program:idle]\ncommand=sleep 3600\nnumprocs={count}\nprocess_name=%(process_num)s\n" if count else ""
    with supervisor(bench, program) as (_, ask):
        deadline = time.monotonic() + 60
        # Its exit status says whether all of them run.
        while count and subprocess.run([*ask, "status"], capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise SystemExit("scripts/bench: supervisord did not start its programs")
            time.sleep(0.2)
        times = bench.durations_ms(5, [*ask, "status"])
        bench.table.peer(row, "supervisor", f"status of {count} programs, p50", f"{percentile(times, 0.5):.0f} ms")


def sdk_server(bench):
    """The command that starts the official TypeScript SDK's server, less its port; None when it is not installed."""
    script = ROOT / "tests/conformance/sdk/peer_server.mjs"
    if not (script.parent / "node_modules").exists():
        bench.table.skipped.add("TypeScript SDK")
        return None
    return ["node", str(script)] if bench.peer("TypeScript SDK", "node") else None
