"""Row 5: what persistproc takes while nothing happens: memory of all its processes, and how often they wake."""
import contextlib
import pathlib
import re
import time

from bench import Daemon, children, children_of
from peers import keepers, supervisor


def pss_mb(pids):
    """Memory of these processes, what several share divided among them."""
    pattern = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
    return sum(int(pattern.search(pathlib.Path(f"/proc/{p}/smaps_rollup").read_text())[1]) for p in pids) * 1024 / 1e6


def wakes_of(pids):
    """How often their threads have been given a CPU until now."""
    pattern = re.compile(r"ctxt_switches:\s+(\d+)")
    tasks = (task for p in pids for task in pathlib.Path(f"/proc/{p}/task").iterdir())
    return sum(int(n) for task in tasks for n in pattern.findall((task / "status").read_text()))


def wakes_while_idle(pids, seconds):
    before = wakes_of(pids)
    time.sleep(seconds)
    return wakes_of(pids) - before


def shims_of(daemon):
    """Its children but the login shell that it asks for a PATH, which leaves."""
    found = []
    for pid in children_of(daemon):
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("persistproc-shi"):
                found.append(pid)
    return found


def eventually(what, condition):
    deadline = time.monotonic() + 120
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"scripts/bench: never happened: {what}")
        time.sleep(0.1)
    return value


def runit(bench, count):
    """PSS of runsvdir and its keepers."""
    with keepers(bench, "runit", {f"idle{i}": "sleep 3600" for i in range(count)}) as (pid, _):
        eventually("runit keeps all", lambda: len(children_of(pid)) == count)
        kept_by = children_of(pid)
        eventually("runit runs all", lambda: set(kept_by) <= set(children()))
        return pss_mb([pid, *kept_by])


def supervisord(bench, count):
    program = f"[program:idle]\ncommand=sleep 3600\nnumprocs={count}\nprocess_name=%(process_num)s\n" if count else ""
    with supervisor(bench, program) as (root, _):
        pid = int((root / "pid").read_text())
        eventually("supervisord runs all", lambda: len(children_of(pid)) == count)
        return pss_mb([pid])


def measure(bench):
    # A keeper comes to rest five seconds after its last sync.
    settle, idle = (0.3, 0.5) if bench.quick else (8, 10)
    with Daemon(bench, "row5") as daemon:
        session = daemon.session()
        started = 0
        for count, goal in ((0, ""), (10, "")) if bench.quick else ((0, ""), (100, ""), (1000, "<= 70 MB")):
            for i in range(started, count):
                arguments = {"command": ["sleep", "3600"], "working_directory": "/", "label": f"idle{i}"}
                daemon.call(session, "start_process", **arguments)
            started = count
            time.sleep(settle)
            # One more waits for the next run.
            eventually(f"a shim for each of {count}", lambda: count <= len(shims_of(daemon.process.pid)) <= count + 1)
            shims = shims_of(daemon.process.pid)
            total, own = pss_mb([daemon.process.pid, *shims]), pss_mb([daemon.process.pid])
            bench.table.add(5, f"PSS with {count} idle children", f"{total:.1f} MB", "", "", goal)
            if count:
                bench.table.add(5, "  of it the daemon", f"{own:.1f} MB", "", "", "<= 20 MB")
                shim_kb = 1000 * (total - own) / count
                bench.table.add(5, f"  each of {count} shims", f"{shim_kb:.0f} kB", "", "", "<= 80 kB")
            wakes = wakes_while_idle([daemon.process.pid, *shims], idle)
            bench.table.add(5, f"  wake-ups in {idle} s with {count}", f"{wakes}", "", "", "0")
            for name, program, peer in (("runit", "runsvdir", runit), ("supervisor", "supervisord", supervisord)):
                if bench.peer(name, program):
                    bench.table.peer(5, name, f"PSS with {count} idle children", f"{peer(bench, count):.1f} MB")
        session[0].close()
