"""Kills the daemon (or shims) at random moments while programs write and clients work, and judges what became of it.

Every actor draws from a generator of its own, made of the seed and its name, so that a seed repeats what is asked and
when; what the machine makes of it differs as far as its timing does. See scripts/crash-test.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import evidence
import harness
from evidence import Violation, demand

NUMBERED = harness.BUILD / "tests" / "numbered"
PROCESS_LOG = 16 << 20  # of each process; what it has written is judged long before that is full
JUDGED_AT = 6 << 20
MOST_RUNS = 4  # of a process before it is removed: the daemon keeps five
CLIENT_SECONDS = 120
GIVE_UP_SECONDS = 120


class Settings:
    def __init__(self, **given):
        self.seed = 0
        self.kills = 1000
        self.minutes = None
        self.writers = 20
        self.lines_per_second = 100_000
        self.clients = 6
        self.shims = False
        self.pause = 0.2  # seconds from a daemon that serves to its death, on average
        self.longest_life = 30.0
        self.__dict__.update(given)


class DaemonOnTrial:
    """One persistprocd after another on the same directory."""

    def __init__(self, place, report):
        self.place, self.report = place, report
        self.process = None
        self.ready_fd = None
        self.has_served = False
        self.log = open(place.root / "daemon.stderr", "ab")

    def spawn(self, log_limit=PROCESS_LOG):
        """Starts it without waiting."""
        self.has_served = False
        self.ready_fd, write = os.pipe()
        self.process = subprocess.Popen(
            [
                str(harness.BIN / "persistprocd"),
                *("--data-dir", str(self.place.data), "--port", "0", "--keep-ended", "100000"),
                *("--process-log-limit", str(log_limit), "--total-log-limit", str(1 << 40), "--ready-fd", str(write)),
            ],
            env=self.place.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            pass_fds=[write],
        )
        os.close(write)

    def copy_database(self, directory):
        """The store as it is between two writes; its daemon is held for that long, and may be killed meanwhile."""
        while True:
            held = self.process
            with contextlib.suppress(ProcessLookupError):
                os.kill(held.pid, signal.SIGSTOP)
            try:
                harness.eventually("it stands still", lambda: set(states_of_threads(held.pid)) <= set("TZX"))
                for each in self.place.data.glob("persistproc.db*"):
                    shutil.copy(each, directory)
            except FileNotFoundError:
                continue  # the next daemon is at work already
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(held.pid, signal.SIGCONT)
            if held is self.process and held.poll() is None:
                return directory / "persistproc.db"

    def wait_ready(self, patience=harness.PATIENCE):
        """Seconds until it served."""
        if self.has_served:
            return 0.0
        begin, said = time.monotonic(), b""
        while b"ENDPOINT=" not in said or not said.endswith(b"\n"):
            left = patience - (time.monotonic() - begin)
            more = os.read(self.ready_fd, 4096) if select.select([self.ready_fd], [], [], max(0, left))[0] else b""
            if not more:
                raise Violation(f"the daemon did not become ready: {said!r}, it has ended with {self.process.poll()}")
            said += more
        self.has_served = True
        return time.monotonic() - begin

    def kill(self):
        """True when it was alive until then."""
        alive = self.process.poll() is None
        self.process.kill()
        code = self.process.wait()
        os.close(self.ready_fd)
        if not alive or code != -signal.SIGKILL:
            self.report(f"a daemon ended by itself with {code}")
        return alive


class Trial:
    def __init__(self, settings):
        self.settings = settings
        self.place = harness.Place()
        self.lock = threading.Lock()
        self.violations = []
        self.count = collections.Counter()
        self.ids = {}  # id -> incarnation of a process that has (or had) it
        self.shim_kills = collections.Counter()  # (id, run) -> kills
        self.ending = threading.Event()
        self.daemon = DaemonOnTrial(self.place, self.report)
        self.slowest_recovery = 0.0
        self.slots = []

    def random(self, name):
        return random.Random(f"{self.settings.seed}/{name}")

    def report(self, what):
        with self.lock:
            self.violations.append(what)
        print(f"VIOLATION: {what}", flush=True)

    def add(self, **numbers):
        with self.lock:
            self.count.update(numbers)

    # Calls

    def client(self, *arguments):
        self.add(calls=1)
        return subprocess.run(
            [str(harness.BIN / "persistproc"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLIENT_SECONDS,
            cwd=self.place.work,
            # Whoever only asks would start another daemon than the one that is killed.
            env={**self.place.environment, "PERSISTPROC_AUTOSTART": "0"},
        )

    def call(self, command, *arguments):
        """(exit status, document) of one client call, or (None, error) when nobody can tell what became of it."""
        ran = self.client(command, "--json", *arguments)
        text = ran.stdout or ran.stderr
        try:
            document = json.loads(text)
        except ValueError:
            raise Violation(f"{command} {arguments[:1]}: no JSON, exit {ran.returncode}: {text[:300]!r}") from None
        error = document.get("error") if isinstance(document, dict) else None
        if error and error["code"] in ("unavailable", "timeout"):
            self.add(unanswered=1)
            return None, error
        return ran.returncode, document

    def ask(self, *arguments):
        """The definite answer of a call that may be repeated."""
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            code, document = self.call(*arguments)
            if code is not None:
                return code, document
            if time.monotonic() > give_up:
                raise Violation(f"{arguments[:2]}: no answer in {GIVE_UP_SECONDS} s: {document}")
            time.sleep(0.01)

    def history(self, process_id):
        """What the store remembers of the runs of a process."""
        with tempfile.TemporaryDirectory(dir=self.place.scratch) as directory:
            return evidence.read_history(self.daemon.copy_database(pathlib.Path(directory)), int(process_id[1:]))

    def know_id(self, process_id, incarnation):
        with self.lock:
            known = self.ids.setdefault(process_id, incarnation)
        demand(known is incarnation, f"{process_id} was the id of {known.label} and is now that of {incarnation.label}")

    # The killers

    def kill_daemons(self):
        rng, settings = self.random("killer"), self.settings
        deadline = None if settings.minutes is None else time.monotonic() + settings.minutes * 60
        while not self.violations:
            if deadline is None and self.count["kills"] >= settings.kills:
                break
            if deadline is not None and time.monotonic() >= deadline:
                break
            early = rng.random() < 0.35
            pause = rng.uniform(0, 0.12) if early else rng.expovariate(1 / settings.pause)
            if not early:
                self.slowest_recovery = max(self.slowest_recovery, self.daemon.wait_ready())
            time.sleep(min(pause, 10 * settings.pause))
            if self.daemon.kill():
                self.add(kills=1, early_kills=int(early))
            self.daemon.spawn()
            self.tell_progress()
        self.daemon.wait_ready()

    def kill_shims(self):
        rng, settings = self.random("killer"), self.settings
        deadline = None if settings.minutes is None else time.monotonic() + settings.minutes * 60
        while not self.violations:
            if deadline is None and self.count["kills"] >= settings.kills:
                break
            if deadline is not None and time.monotonic() >= deadline:
                break
            time.sleep(min(rng.expovariate(1 / settings.pause), 10 * settings.pause))
            slot = rng.choice(self.slots)
            current = slot.incarnation
            if current is None or current.id is None:
                continue
            run = current.newest_run()
            state = current.state_of(run)
            if not state.found or state.phase != evidence.STARTED:
                continue
            with self.lock:
                # Counted before: what is judged right after it must know of it.
                self.shim_kills[current.id, run] += 1
            if kill_surely(state.shim_pid, current.runs / str(run)):
                self.add(kills=1)
            self.tell_progress()

    def tell_progress(self):
        if self.count["kills"] % 100 == 0:
            print(f"  {self.count['kills']} kills, {self.count['lines']:,} lines judged", flush=True)

    def run(self):
        """Returns the summary's line."""
        settings, begin = self.settings, time.monotonic()
        self.daemon.spawn()
        self.daemon.wait_ready()
        rate = settings.lines_per_second * 1.1 / max(1, settings.writers)  # they rest between their runs
        self.slots = [Writer(self, f"writer-{i}", int(rate)) for i in range(settings.writers)]
        self.slots += [Worker(self, f"worker-{i}", 200) for i in range(settings.clients)]
        for each in self.slots:
            each.start()
        watcher = threading.Thread(target=self.watch_views)
        watcher.start()
        try:
            (self.kill_shims if settings.shims else self.kill_daemons)()
        except Violation as violation:
            self.report(str(violation))
        seconds = time.monotonic() - begin
        written = sum(each.written_so_far() for each in self.slots)
        self.ending.set()
        for each in self.slots:
            each.join()
        watcher.join()
        self.check_end()
        return self.summary(seconds, written)

    def watch_views(self):
        """Whoever asks sees each process once, and nothing that has not been started."""
        while not self.ending.is_set():
            try:
                code, answer = self.call("list")
                if code is not None:
                    demand(code == 0, f"list: exit {code}: {answer}")
                    labels = [v["label"] for v in answer["processes"]]
                    demand(len(labels) == len(set(labels)), f"list: a label twice: {sorted(labels)}")
                    strange = [v for v in answer["processes"] if not v["label"].startswith(("writer-", "worker-"))]
                    demand(not strange, f"list: nobody started {strange}")
                    lost = [v for v in answer["processes"] if v["state"] in ("lost", "failed", "unsupported")]
                    # Of a shim's death each slot knows when it may be so.
                    demand(not lost or self.settings.shims, f"list: {lost}")
            except Violation as violation:
                self.report(str(violation))
            except Exception:
                self.report(f"list: {traceback.format_exc()}")
            self.ending.wait(0.3)

    def check_end(self):
        """The daemon goes the ordinary way; nothing of anybody's tree is left."""
        code, answer = self.call("shutdown")
        if code != 0:
            self.report(f"shutdown: exit {code}: {answer}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.process.wait(harness.PATIENCE)
        with contextlib.suppress(AssertionError):
            harness.eventually("all gone", lambda: not harness.processes_of(self.place.root))
            return
        left = harness.processes_of(self.place.root)
        self.report(f"left behind: {left}")
        for pid, _ in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def summary(self, seconds, written):
        count, settings = self.count, self.settings
        if settings.shims:
            what = f"{count['kills']} kills of shims, {count['takeovers']} takeovers, {count['missing']:,} bytes missing and announced"
        else:
            what = (
                f"{count['kills']} kills of the daemon ({count['early_kills']} before it served; "
                f"slowest recovery {self.slowest_recovery * 1000:.0f} ms)"
            )
        judged = (
            "0 lines lost or doubled, 0 processes lost or copied, 0 codes wrong"
            if not self.violations
            else f"{len(self.violations)} VIOLATIONS, the first: {self.violations[0]}"
        )
        return (
            f"seed {settings.seed}: {what}, {settings.writers} writers, {written / seconds:,.0f} lines/s for "
            f"{seconds:.0f} s, {count['lines']:,} lines of {count['runs']} runs judged, {count['calls']} calls "
            f"({count['unanswered']} unanswered): {judged}"
        )

    def close(self):
        self.daemon.log.close()
        if self.violations:
            print(f"kept for a look: {self.place.root}", flush=True)
        else:
            shutil.rmtree(self.place.root, ignore_errors=True)


def states_of_threads(pid):
    """The kernel's letters; none: it is gone."""
    for each in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            yield each.read_text().rsplit(")", 1)[1].split()[0]


def kill_surely(pid, mark):
    """SIGKILL for the process whose command line holds the path `mark`, never for one that has got its PID since."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if os.fsencode(str(mark)) not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


class Incarnation:
    """One process from its first start to its removal: what was asked for, and what was seen of it."""

    def __init__(self, slot, number):
        self.slot, self.trial, self.label = slot, slot.trial, slot.name
        self.ledger = evidence.Ledger(self.trial.place.scratch / f"{self.label}.{number}.ledger")
        self.id = None
        self.asked = 0  # starts and restarts that were asked for, answered or not
        self.promised = set()  # PIDs that an answer named
        self.forced = 0  # SIGKILLs that were asked for
        self.stops = 0
        self.outcomes = {}  # run -> outcome, once final; it never changes
        self.judged = set()

    @property
    def runs(self):
        return self.trial.place.data / "procs" / self.id / "runs"

    def run_numbers(self):
        with contextlib.suppress(FileNotFoundError):
            return sorted(int(name) for name in os.listdir(self.runs) if name.isdigit())
        return []

    def newest_run(self):
        numbers = self.run_numbers()
        return numbers[-1] if numbers else 0

    def state_of(self, run):
        return evidence.State(self.runs / str(run) / "state")

    def never_executed(self, run):
        """Whether its shim was killed before it could let the program go: nobody can take over then."""
        pid = self.state_of(run).pid
        return self.trial.shim_kills[self.id, run] > 0 and all(entry.pid != pid for entry in self.ledger.read()[0])

    def judge(self):
        """All runs that have ended, against the ledger. Only called when nothing of the process is alive."""
        name = f"{self.label} ({self.id})"
        entries, copies = self.ledger.read()
        demand(copies == 0, f"{name}: {copies} executions met a living one")
        demand(len(entries) <= self.asked, f"{name}: executed {len(entries)} times, asked for {self.asked} times")
        states = {run: self.state_of(run) for run in self.run_numbers()}
        known = {state.pid for state in states.values()}
        if self.promised - known or any(entry.pid not in known for entry in entries):
            # The daemon keeps the directories of five runs; what a restart that was asked for again adds goes beyond.
            states = {**{run: r for run, r in self.trial.history(self.id).items() if r.pid}, **states}
        by_pid = collections.defaultdict(list)
        for run, state in states.items():
            if state.phase == evidence.EXITED:
                by_pid[state.pid].append(run)
            else:
                may_be_lost = self.slot.may_be_lost or self.never_executed(run)
                known_lost = may_be_lost and state.phase in (evidence.STARTED, evidence.EXEC_FAILED)
                demand(state.phase <= evidence.ABORTED or known_lost, f"{name} run {run}: phase {state.phase} at rest")
            if state.final:
                known = self.outcomes.setdefault(run, state.outcome())
                demand(known == state.outcome(), f"{name} run {run}: its outcome was {known}, is {state.outcome()}")
        if self.slot.may_be_lost:
            # Its shim may have died before it recorded what became of it; what it did record is judged.
            entries = [entry for entry in entries if by_pid[entry.pid]]
        else:
            vanished = self.promised - set(by_pid)
            demand(not vanished, f"{name}: the answers named PIDs {vanished}, of which no run is known")
        logs = evidence.read_log(self.runs.parent / "log", name)
        for entry in entries:
            demand(by_pid[entry.pid], f"{name}: an execution with PID {entry.pid} is known to no run directory")
            run = by_pid[entry.pid].pop(0)
            what = f"{name} run {run} (PID {entry.pid})"
            state = states[run]
            if entry.left:
                demand(
                    state.killed == 0 and state.exit_value == entry.code,
                    f"{what}: ended with code {entry.code}, recorded as {state.outcome()}",
                )
            else:
                demand(self.forced > 0 or self.slot.may_be_lost, f"{what}: was killed and nobody asked for it: {state.outcome()}")
                demand(state.killed == 1 and state.exit_value == 9, f"{what}: SIGKILL, recorded as {state.outcome()}")
            if run not in self.judged:
                self.judge_log(logs.get(run, evidence.RunLog()), run, entry, state, what)
        for pid, left in by_pid.items():
            for run in left:
                # It was told to end before its first instruction.
                state = states[run]
                demand(
                    state.killed == 1 and state.exit_value in (9, 15) and (self.stops or self.forced),
                    f"{name} run {run} (PID {pid}): {state.outcome()}, but it was never executed",
                )

    def judge_log(self, log, run, entry, state, what):
        kills = self.trial.shim_kills[self.id, run] or int(self.slot.may_be_lost)
        last = [value for event, value in log.events if event in (evidence.EXITED_EVENT, evidence.KILLED_EVENT)]
        # A shim that was killed between the two leaves its successor to say it again.
        told = last == [state.exit_value] or (kills > 0 and set(last) == {state.exit_value})
        demand(told, f"{what}: the log tells of the ends {last}, its state of {state.exit_value}")
        if kills == 0:
            demand(not log.taken_over(), f"{what}: was taken over from a shim that nobody killed")
            self.trial.add(lines=evidence.check_streams(log, entry, what))
        else:
            lines, missing = evidence.check_streams_with_gaps(log, entry, kills, what)
            self.trial.add(lines=lines, missing=missing, takeovers=len(log.taken_over()))
        self.trial.add(runs=1)
        self.judged.add(run)


class Slot(threading.Thread):
    """Owns one label, and is the only one to act on it."""

    def __init__(self, trial, name, rate):
        super().__init__(name=name, daemon=True)
        self.trial, self.rate = trial, rate
        self.rng = trial.random(name)
        self.may_be_lost = False
        self.incarnation = None
        self.number = 0
        self.written_before = 0

    def run(self):
        try:
            while not self.trial.ending.is_set() and not self.trial.violations:
                self.live()
            self.finish()
        except Violation as violation:
            self.trial.report(str(violation))
        except Exception:
            self.trial.report(f"{self.name}: {traceback.format_exc()}")

    def written_so_far(self):
        current = self.incarnation
        if current is None:
            return self.written_before
        return self.written_before + sum(e.out + e.err for e in current.ledger.read()[0])

    def fresh_incarnation(self):
        self.number += 1
        self.incarnation = Incarnation(self, self.number)

    def command(self):
        """What to run next, drawn anew each time: the same label takes the new definition."""
        seconds = self.rng.uniform(0.05, self.trial.settings.longest_life)
        lines = max(1, int(seconds * self.rate / 2))
        code, style = self.rng.randrange(0, 100), self.rng.randrange(0, 2)
        return [str(NUMBERED), str(self.incarnation.ledger.path), *map(str, (self.rate, lines, code, style))]

    def begin(self, command):
        """Starts it, however often that takes. Returns the view."""
        current = self.incarnation
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            current.asked += 1
            code, view = self.trial.call("start", "--no-autostart", "--label", self.name, "--", *command)
            if code is not None:
                break
            demand(time.monotonic() < give_up, f"{self.name}: the label cannot be used again: {view}")
            time.sleep(0.01)
        demand(code == 0, f"{self.name}: start: exit {code}: {view}")
        self.learn(view)
        return view

    def learn(self, view):
        current = self.incarnation
        demand(view["label"] == self.name, f"{self.name}: the answer is about {view['label']}")
        if current.id is None:
            current.id = view["id"]
        demand(view["id"] == current.id, f"{self.name}: was {current.id} and is {view['id']}")
        if view["pid"]:
            current.promised.add(view["pid"])
        self.trial.know_id(view["id"], current)

    def wait_until_over(self):
        """The client's word on how it ended; it must be the program's."""
        code, answer = self.trial.ask("wait", self.name, "--exit", "--timeout", "600")
        view = self.settled_view()
        return code, view

    def settled_view(self):
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            code, view = self.trial.ask("status", self.name)
            demand("state" in view, f"{self.name}: status: {view}")
            self.learn(view)
            if view["state"] in ("exited", "killed", "stopped"):
                return view
            if view["state"] in ("lost", "failed") and self.may_be_lost_now(view):
                return view
            demand(view["state"] != "lost", f"{self.name}: lost: {view}")
            demand(time.monotonic() < give_up, f"{self.name}: never comes to rest: {view}")
            time.sleep(0.01)

    def may_be_lost_now(self, view):
        return self.may_be_lost or self.incarnation.never_executed(int(view["run"].split(".")[1]))

    def check_view(self, view):
        """A process at rest is told of as its program left it."""
        entries, _ = self.incarnation.ledger.read()
        run = int(view["run"].split(".")[1])
        if not entries or self.incarnation.state_of(run).pid != entries[-1].pid:
            return  # told to end before its first instruction; judged with the rest
        last = entries[-1]
        if view["state"] in ("lost", "failed") and self.may_be_lost_now(view):
            demand(view["exit_code"] is None and view["signal"] is None, f"{self.name}: lost, and yet: {view}")
            return
        if last.left:
            is_right = view["state"] in ("exited", "stopped") and (view["exit_code"], view["signal"]) == (last.code, None)
            demand(is_right, f"{self.name}: ended with {last.code}, and is told of as {view}")
        else:
            is_right = view["state"] in ("killed", "stopped") and view["signal"] == "SIGKILL"
            demand(is_right, f"{self.name}: was killed: {view}")

    def stop(self, *options):
        current = self.incarnation
        current.stops += 1
        if "--force" in options:
            current.forced += 1
        code, answer = self.trial.ask("stop", self.name, *options)
        demand(code == 0, f"{self.name}: stop: exit {code}: {answer}")
        view = self.settled_view()
        self.check_view(view)
        return view

    def restart(self):
        current = self.incarnation
        current.stops += 1
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            current.asked += 1
            code, answer = self.trial.call("restart", self.name)
            if code is not None:
                break
            demand(time.monotonic() < give_up, f"{self.name}: cannot be restarted: {answer}")
        demand(code == 0, f"{self.name}: restart: exit {code}: {answer}")
        self.learn(answer)

    def remove(self):
        """Forgets the process and its files; the next one with this label is another."""
        current = self.incarnation
        self.judge_at_rest()
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            code, answer = self.trial.call("rm", self.name)
            if code == 0 or (code is not None and answer.get("error", {}).get("code") == "not_found"):
                break
            demand(code is None or "still run" in str(answer), f"{self.name}: rm: exit {code}: {answer}")
            demand(time.monotonic() < give_up, f"{self.name}: cannot be removed: {answer}")
            time.sleep(0.01)
        code, answer = self.trial.ask("status", self.name)
        demand(code == 4, f"{self.name}: is removed, and status says {code}: {answer}")
        demand(not current.runs.parent.exists(), f"{self.name}: {current.runs.parent} outlives its removal")
        self.written_before = self.written_so_far()
        self.incarnation = None
        current.ledger.path.unlink()
        self.trial.add(removals=1)

    def judge_at_rest(self):
        current = self.incarnation
        if current is not None and current.id is not None:
            current.judge()

    def log_bytes(self):
        log = self.incarnation.runs.parent / "log"
        with contextlib.suppress(FileNotFoundError):
            return sum(each.stat().st_size for each in log.glob("*.log"))
        return 0

    def remove_when_large(self):
        if self.log_bytes() > JUDGED_AT or self.incarnation.newest_run() >= MOST_RUNS:
            self.remove()

    def finish(self):
        if self.incarnation is None:
            return
        code, answer = self.trial.ask("stop", self.name)
        if code == 0:
            self.incarnation.stops += 1
            if self.incarnation.id is None:
                self.learn(self.settled_view())
            self.judge_at_rest()


class Writer(Slot):
    """Runs to its end, while daemons come and go; then the next one."""

    def live(self):
        if self.incarnation is None:
            self.fresh_incarnation()
        view = self.begin(self.command())
        pid = view["pid"]
        while not self.trial.ending.is_set() and not self.trial.violations:
            entries, _ = self.incarnation.ledger.read()
            if entries and entries[-1].left:
                break
            code, seen = self.trial.call("status", self.name)
            if code is not None:
                entries, _ = self.incarnation.ledger.read()
                running = seen.get("state") == "running" and seen.get("pid") in (pid, entries[-1].pid)
                demand(
                    running or entries[-1].left,
                    f"{self.name}: its program (PID {entries[-1].pid}) runs, and status says {seen}",
                )
            self.trial.ending.wait(self.rng.uniform(0.2, 1.5))
        if self.trial.ending.is_set():
            return
        code, view = self.wait_until_over()
        last = self.incarnation.ledger.read()[0][-1]
        demand(code == last.code, f"{self.name}: ended with {last.code}, and wait said {code}")
        self.check_view(view)
        self.judge_at_rest()
        self.remove_when_large()


class Worker(Slot):
    """Does with its process what clients do, all of it, while daemons come and go."""

    def live(self):
        if self.incarnation is None:
            self.fresh_incarnation()
        self.begin(self.command())
        for _ in range(self.rng.randrange(1, 4)):
            if self.trial.ending.is_set():
                return
            self.trial.ending.wait(self.rng.uniform(0, 0.2))
            getattr(self, self.rng.choice(["look", "restart", "restart", "refuse_removal", "stop_and_start", "stop"]))()
            if self.incarnation.newest_run() >= MOST_RUNS:
                break
        deed = self.rng.random()
        if deed < 0.4:
            self.stop()
        elif deed < 0.6:
            self.stop("--force")
        elif deed < 0.8:
            self.kill_program()
        else:
            self.stop("--grace", "5")
        self.settled_view()
        self.judge_at_rest()
        if self.rng.random() < 0.5 or self.incarnation.newest_run() >= 2:
            self.remove()

    def look(self):
        shown = self.trial.client("output", self.name, "-n", "5")
        demand(shown.returncode == 0 or b"daemon" in shown.stderr, f"{self.name}: output: {shown}")

    def refuse_removal(self):
        view = self.trial.ask("status", self.name)[1]
        code, answer = self.trial.call("rm", self.name)
        entries, _ = self.incarnation.ledger.read()
        if code == 0 or (code is None and self.trial.ask("status", self.name)[0] == 4):
            # Right when it had ended by itself before.
            demand(not entries or entries[-1].left or view["state"] != "running", f"{self.name}: removed while it runs")
            self.written_before += sum(e.out + e.err for e in entries)
            self.fresh_incarnation()
            self.begin(self.command())
        elif code is not None:
            demand(answer["error"]["code"] in ("conflict", "not_found"), f"{self.name}: rm: {answer}")

    def stop_and_start(self):
        self.stop()
        self.begin(self.command())

    def kill_program(self):
        """By somebody else, behind everybody's back."""
        entries, _ = self.incarnation.ledger.read()
        view = self.trial.ask("status", self.name)[1]
        if entries and not entries[-1].left and view.get("state") == "running" and view["pid"] == entries[-1].pid:
            self.incarnation.forced += 1
            kill_surely(entries[-1].pid, self.incarnation.ledger.path)
            self.check_view(self.settled_view())
        else:
            self.stop()
