"""Daemon or shim die at every named point of every operation, and the next daemon at every point of its recovery.

Needs a build with PERSISTPROC_KILL_POINTS. Short: every point once, and a few pairs drawn from the seed. With
PERSISTPROC_CRASH_LONG=1: every point of the daemon with every point of the recovery after it.
"""
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time
import unittest

import random_kills
from evidence import demand
from random_kills import harness

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "common" / "base" / "kill_point.hpp"
LONG = os.environ.get("PERSISTPROC_CRASH_LONG") == "1"
SEED = int(os.environ.get("PERSISTPROC_CRASH_SEED", "1"))
SHORT_PAIRS = 8
AT_ONCE = 2  # places that are worked on side by side

# Operation -> points that it passes; "name N": the N-th passing.
POINTS = {
    "start": [
        "daemon.start.recorded",
        "daemon.start.written",
        "daemon.start.prepared",
        "daemon.start.spawned",
        "daemon.start.ready",
        "daemon.start.committed",
        "daemon.start.heard",
        "daemon.record.committed",
        "shim.idle",
        "shim.locked",
        "shim.prepared",
        "shim.ready",
        "shim.commit",
        "shim.forked",
        "shim.started",
        "shim.released",
        "shim.confirmed",
        "log.rotate.data",
        "log.rotate.index",
        "log.rotate.header",
        "log.data",
        "log.record",
    ],
    "stop": [
        "daemon.stop.recorded",
        "daemon.stop.sent",
        "daemon.end.heard",
        "daemon.record.committed",
        "shim.stop.recorded",
        "shim.exit.seen",
        "shim.exit.drained",
        "shim.exit.logged",
        "shim.exit.recorded",
        "shim.exit.reaped",
        "shim.exit.told",
        "shim.leaving",
        "shim.emptied",
        "shim.left",
    ],
    "restart": [
        "daemon.restart.recorded",
        "daemon.stop.sent",
        "daemon.end.heard",
        "daemon.start.recorded",
        "daemon.start.prepared",
        "daemon.start.committed",
        "daemon.start.heard",
        "shim.exit.recorded",
        "shim.leaving",
        "shim.given",
        "shim.commit",
    ],
    # Of a project with six processes, all of which pass the points of a start, and of an end.
    "up": [
        "daemon.up.prepared",
        "daemon.up.recorded",
        "daemon.start.written 4",
        "daemon.start.recorded 3",
        "daemon.start.prepared 3",
        "daemon.start.spawned 3",
        "daemon.start.ready 3",
        "daemon.start.committed 3",
        "daemon.start.heard 3",
        "daemon.end.heard",
        "daemon.record.committed 2",
    ],
    "down": [
        "daemon.down.recorded",
        "daemon.stop.recorded 2",
        "daemon.stop.sent 3",
        "daemon.end.heard 2",
        "daemon.record.committed 4",
    ],
    # One has another name in the file, another one other values.
    "reload": [
        "daemon.down.recorded",
        "daemon.stop.sent",
        "daemon.up.removed",
        "daemon.up.prepared",
        "daemon.up.recorded",
        "daemon.restart.recorded",
        "daemon.end.heard 2",
        "daemon.start.recorded",
        "daemon.start.heard 2",
    ],
    # … after a down: each has run before, and what it ran as then is on record beside what is to come.
    "up again": ["daemon.up.recorded", "daemon.start.recorded 3", "daemon.start.committed 3", "daemon.start.heard 3"],
    "rm": ["daemon.remove.hidden", "daemon.remove.deleted", "daemon.record.committed"],
    "end": ["daemon.end.heard", "daemon.record.committed", "shim.exit.recorded"],
    "rotate": ["log.rotate.data 2", "log.rotate.index 2", "log.rotate.header 2", "log.data 20", "log.record 20"],
    "recover": [
        "daemon.adopt.loaded",
        "daemon.adopt.listed",
        "daemon.adopt.placed",
        "daemon.adopt.connected",
        "daemon.adopt.greeted",
        "daemon.adopt.answered",
        "daemon.adopt.done",
    ],
    # The daemon dies with a wish committed, the next one about to carry it out.
    "recover a stop": ["daemon.adopt.intent"],
    # … with a project on its way up, the next one about to go on with it.
    "recover an up": ["daemon.adopt.planned"],
    # … after the run was prepared, the next one when it has removed it.
    "recover a start": ["daemon.adopt.dropped"],
    "abort a start": ["shim.aborting"],
    # The shim dies, then who replaces it.
    "take_over": [
        "daemon.takeover.spawned",
        "daemon.takeover.committed",
        "shim.takeover.inherited",
        "shim.takeover.opened",
        "shim.takeover.resumed",
        "shim.takeover.recorded",
        "shim.takeover.told",
    ],
}
RECOVERY = POINTS["recover"]
OF_PROJECTS = ("up", "down", "reload", "up again", "recover an up")
SEES_A_SHIM = ["daemon.adopt.connected", "daemon.adopt.greeted", "daemon.adopt.answered"]


def all_points():
    listed = SOURCE.read_text().split("kill_points[] = {", 1)[1].split("};", 1)[0]
    return set(re.findall(r'"([a-z.]+)"', listed))


class Scenario(random_kills.Slot):
    """One process, one operation on it, one death in between or two."""

    def __init__(self, trial, name, operation, points):
        super().__init__(trial, name, 2000)
        self.operation, self.points = operation, list(points)
        # What the shim did not live to record is lost, and said so.
        self.may_be_lost = any(not point.startswith("daemon.") for point in points)
        if operation == "take_over":
            # As long as a daemon lives shims may die as they like.
            self.may_be_lost = points[0].startswith("daemon.")

    def arm(self):
        self.trial.arm(self.points)

    def command_of(self, lines, rate=2000):
        return [str(random_kills.NUMBERED), str(self.incarnation.ledger.path), str(rate), str(lines), "7", "0"]

    def run(self):
        self.fresh_incarnation()
        getattr(self, "play_" + self.operation.replace(" ", "_"))()
        # A run that was ending has ended before the next daemon looks, or not.
        self.trial.wait_met(SEES_A_SHIM if len(self.points) > 1 and self.operation == "stop" else ())
        # Usable again, with one program, which can be stopped and forgotten.
        self.settle_again()

    def settle_again(self):
        if self.incarnation is None:
            self.fresh_incarnation()
        view = self.begin(self.command_of(1_000_000))
        demand(view["state"] == "running", f"{self.name}: started again: {view}")
        entries, copies = self.incarnation.ledger.read()
        demand(copies == 0, f"{self.name}: a copy was started")
        self.stop()
        self.remove()

    def play_start(self):
        self.arm()
        self.begin(self.command_of(1_000_000))

    def play_abort_a_start(self):
        # The daemon dies between READY and COMMIT; its shim when it hears of that.
        self.trial.arm(["daemon.start.ready"] + self.points)
        self.begin(self.command_of(1_000_000))

    def play_stop(self):
        self.begin(self.command_of(1_000_000))
        self.arm()
        self.stop()

    def play_restart(self):
        self.begin(self.command_of(1_000_000))
        self.arm()
        self.restart()

    def play_rm(self):
        self.begin(self.command_of(1_000_000))
        self.stop()
        self.arm()
        self.remove()

    def play_end(self):
        self.begin(self.command_of(3000))
        self.arm()
        self.check_view(self.settled_view())
        self.judge_at_rest()

    def play_rotate(self):
        # Segments are 128 KiB; three of them.
        self.arm()
        self.begin(self.command_of(5000, 40_000))
        self.check_view(self.settled_view())
        self.judge_at_rest()

    def play_recover(self):
        pid = self.begin(self.command_of(1_000_000))["pid"]
        self.trial.arm(self.points)
        self.trial.daemon.process.kill()
        self.trial.wait_met()
        code, view = self.trial.ask("status", self.name)
        demand(view.get("pid") == pid and view["state"] == "running", f"{self.name}: PID {pid} is told of as {view}")

    def play_take_over(self):
        self.begin(self.command_of(3000))
        run = self.incarnation.newest_run()
        state = self.incarnation.state_of(run)
        self.trial.shim_kills[self.incarnation.id, run] += 2
        self.arm()
        os.kill(state.shim_pid, signal.SIGKILL)
        self.trial.wait_met()
        self.check_view(self.settled_view())
        self.judge_at_rest()

    def play_recover_a_stop(self):
        self.begin(self.command_of(1_000_000))
        self.trial.arm(["daemon.stop.recorded"] + self.points)
        self.stop()

    def play_recover_a_start(self):
        self.trial.arm(["daemon.start.prepared"] + self.points)
        self.begin(self.command_of(1_000_000))


class ProjectScenario:
    """A project of six processes, one operation on all of them, one death in between or two."""

    NAMES = ("db", "cache", "migrate", "api", "worker", "web")

    def __init__(self, trial, name, operation, points):
        self.trial, self.name, self.operation, self.points = trial, name, operation, list(points)
        self.directory = trial.place.work / name
        self.directory.mkdir()
        self.value = f"value-of-{name}"

    def write(self, api="one", web="web"):
        def process(name, line, *needs):
            return f"[process.{name}]\nrun = '{line}'\ndepends_on = {list(needs)}\n"

        text = f'name = "{self.name}"\n'
        text += process("db", "echo db >> ran; exec sleep 3600")
        text += process("cache", "echo cache >> ran; exec sleep 3600")
        text += process("migrate", "echo migrate >> ran", "db") + "oneshot = true\n"
        text += process("api", "echo api $SECRET >> ran; exec sleep 3600", "db", "migrate", "cache")
        text += f'env = {{ SECRET = "{self.value}-{api}" }}\n'
        text += process("worker", "echo worker >> ran; exec sleep 3600", "migrate")
        text += process(web, f"echo {web} >> ran; exec sleep 3600", "api")
        path = self.directory / "persistproc.toml"
        path.write_text(text)
        path.chmod(0o600)

    def ran(self):
        return sorted((self.directory / "ran").read_text().splitlines())

    def expect(self, *more, times=1):
        names = [name if name != "api" else f"api {self.value}-one" for name in self.NAMES]
        demand(self.ran() == sorted([*names * times, *more]), f"{self.name}: began {self.ran()}")

    def ask(self, command):
        code, answer = self.trial.ask(command, "-C", str(self.directory))
        demand(code == 0, f"{self.name}: {command}: exit {code}: {answer}")

    def labels(self):
        code, answer = self.trial.ask("list", "-a", "--project", self.name)
        demand(code == 0, f"{self.name}: list: exit {code}: {answer}")
        return {view["label"]: view["state"] for view in answer["processes"]}

    def run(self):
        self.write()
        if self.operation not in ("up", "recover an up"):
            self.ask("up")
            self.expect()
        if self.operation == "up again":
            self.ask("down")
        if self.operation == "recover an up":
            self.points.insert(0, "daemon.up.recorded")
        if self.operation == "reload":
            self.write(api="two", web="site")
        self.trial.arm(self.points)
        self.ask("down" if self.operation == "down" else "up")
        self.trial.wait_met()
        if self.operation != "down":
            # Whatever was on its way is there, once.
            self.ask("up")
        if self.operation == "reload":
            self.expect(f"api {self.value}-two", "site")
        else:
            self.expect(times=2 if self.operation == "up again" else 1)
        self.check_values()
        self.ask("down")
        left = {label: state for label, state in self.labels().items() if state not in ("stopped", "exited")}
        demand(not left, f"{self.name}: down, and there is {left}")
        self.trial.ask("prune")

    def check_values(self):
        """Values stand in specs alone."""
        files = [path for path in self.trial.place.data.rglob("*") if path.is_file() and path.name != "spec"]
        holders = []
        for path in files:
            with contextlib.suppress(OSError):
                if self.value.encode() in path.read_bytes():
                    holders.append(path)
        demand(not holders, f"{self.name}: a value stands in {holders}")


class Ground(random_kills.Trial):
    """A place for one scenario after the other; a daemon that dies is replaced at once."""

    def __init__(self):
        super().__init__(random_kills.Settings(seed=SEED))
        self.armed = self.place.root / "armed"
        self.armed.mkdir()
        self.place.environment["PERSISTPROC_KILL_AT"] = str(self.armed)
        self.over = threading.Event()
        self.daemon.spawn(log_limit=1 << 20)
        self.daemon.wait_ready()
        self.keeper = threading.Thread(target=self.replace_daemons, daemon=True)
        self.keeper.start()

    def arm(self, points):
        for each in points:
            name, _, passing = each.partition(" ")
            unfinished = self.armed / ".unfinished"
            unfinished.write_text(passing)
            unfinished.rename(self.armed / name)

    def wait_met(self, perhaps=()):
        """Until all that is armed has killed; what is `perhaps` passed no longer matters then."""
        with contextlib.suppress(AssertionError):
            harness.eventually("met", lambda: not set(os.listdir(self.armed)) - set(perhaps), 20)
        left = set(os.listdir(self.armed)) - set(perhaps)
        demand(not left, f"never passed: {left}")
        for each in perhaps:
            (self.armed / each).unlink(missing_ok=True)

    def replace_daemons(self):
        while not self.over.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.process.wait(0.05)
            if self.daemon.process.poll() is None or self.over.is_set():
                continue
            if self.daemon.process.returncode != -signal.SIGKILL:
                self.report(f"a daemon ended by itself with {self.daemon.process.returncode}")
                return
            os.close(self.daemon.ready_fd)
            self.daemon.spawn(log_limit=1 << 20)

    def finish(self):
        self.over.set()
        self.keeper.join()
        if self.daemon.process.poll() is None:
            self.daemon.wait_ready()
        self.check_end()


class KillPoints(unittest.TestCase):
    def play(self, scenarios):
        """All of them, `AT_ONCE` side by side."""
        failures, shared, lock = [], list(enumerate(scenarios)), threading.Lock()

        def work():
            ground = Ground()
            try:
                while True:
                    with lock:
                        if not shared:
                            break
                        number, (operation, points) = shared.pop(0)
                    name = f"{operation.replace(' ', '-')}-{number}"
                    begun = time.monotonic()
                    try:
                        scenario = ProjectScenario if operation in OF_PROJECTS else Scenario
                        scenario(ground, name, operation, points).run()
                    except Exception as failed:
                        failures.append(f"{operation} killed at {' then '.join(points)}: {type(failed).__name__}: {failed}")
                        break  # what it left would spoil the next
                    print(f"{operation}: {' then '.join(points)}: {time.monotonic() - begun:.2f} s", flush=True)
            finally:
                ground.finish()
                failures.extend(ground.violations)
                if not ground.violations:
                    ground.close()

        workers = [threading.Thread(target=work) for _ in range(AT_ONCE)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        left = [] if failures else shared
        self.assertEqual((failures, left), ([], []))

    def test_every_point_is_met_by_a_scenario(self):
        met = {point.split()[0] for points in POINTS.values() for point in points}
        self.assertEqual(met, all_points())

    def test_one_death(self):
        self.play([(operation, [point]) for operation, points in POINTS.items() for point in points])

    def test_and_one_more_during_the_recovery(self):
        pairs = [
            (operation, [point, again])
            for operation, points in POINTS.items()
            for point in points
            if point.startswith("daemon.") and operation not in ("recover a start", "recover an up")
            for again in RECOVERY
            if again != point
            # Where nothing runs any more no shim is connected.
            if again not in SEES_A_SHIM
            or operation in ("stop", "recover", "recover a stop")
            and point not in ("daemon.end.heard", "daemon.record.committed")
        ]
        if not LONG:
            print(f"seed {SEED}", flush=True)
            pairs = random.Random(SEED).sample(pairs, SHORT_PAIRS)
        self.play(pairs)


if __name__ == "__main__":
    unittest.main(verbosity=2)
