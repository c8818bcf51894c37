"""Disks that are full or fail, people who remove what is in use, databases that are no more: the programs run on, what
is lost is counted and said, and everything works again afterwards."""
import contextlib
import errno
import http.client
import itertools
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import unittest

import harness

CHILD = harness.BUILD / "tests" / "child"
# Prints a counted line every 5 ms until the file exists, then ends with code 7.
TICKER = """
import os, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    print('line %d' % n); n += 1
    time.sleep(0.005)
sys.exit(7)
"""
INSIDE = "PERSISTPROC_TEST_OWN_MOUNTS"
HEADER, RECORD = struct.Struct("<8sHHIQQQqIH6sI"), struct.Struct("<QQIIqQBBBBIqII")
GAP, EVENT = 4, 8


class DataRemoved(harness.TestCase):
    def test_a_start_and_doctor_say_what_to_do(self):
        pid = self.start("web", ["sleep", "600"])["pid"]
        # The keeper may make its log anew meanwhile.
        subprocess.run(["rm", "-rf", str(self.place.data)], check=False)
        refused = self.cli("start", "sleep", "601")
        self.assertEqual(refused.code, 125)
        self.assertIn(b"was removed while the daemon ran", refused.err)
        self.assertIn(b"`persistproc shutdown` ends what still runs", refused.err)
        doctor = self.cli("doctor", "--json")
        found = [each for each in doctor.json()["checks"] if each["name"] == "data directory"]
        self.assertEqual((doctor.code, found[0]["status"]), (1, "problem"))
        self.assertIn("persistproc shutdown", found[0]["advice"])
        # The next daemon would know nothing of what this one keeps.
        replacing = self.cli("serve", "--detach", "--replace")
        self.assertEqual(replacing.code, 125)
        self.assertIn(b"was removed while the daemon ran", replacing.err)
        self.assertTrue(harness.is_alive(pid))
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        harness.eventually("the program has ended", lambda: not harness.is_alive(pid))

    def test_every_command_and_tool_says_so_once(self):
        self.start("web", ["sleep", "600"])
        self.start("ended", ["sh", "-c", "exit 3"])
        self.wait_exit("ended")
        agent = self.mcp()
        subprocess.run(["rm", "-rf", str(self.place.data)], check=False)
        sentence = b" was removed while the daemon ran, and nothing can be recorded: `persistproc shutdown` ends what still runs"
        answered = (
            (["list"], 0, b"running"),
            (["list", "--json"], 0, b'"processes"'),
            (["status", "web"], 0, b"running"),
            (["status", "ended"], 3, b"exited with code 3"),
            (["signal", "CONT", "web"], 0, b"sent SIGCONT"),
            (["stop", "web"], 0, b"stopped"),
        )
        for arguments, status, words in answered:
            with self.subTest(arguments=arguments):
                finished = self.cli(*arguments)
                self.assertEqual((finished.code, finished.err.count(sentence)), (status, 1), finished)
                self.assertIn(words, finished.out)
                self.assertNotIn(b"printed nothing", finished.out)
        for arguments in (["logs", "web"], ["rename", "ended", "x"], ["audit"], ["flush", "ended"], ["restart", "ended"], ["rm", "ended"]):
            with self.subTest(arguments=arguments):
                finished = self.cli(*arguments)
                self.assertEqual((finished.code, finished.out, finished.err.count(sentence)), (125, b"", 1), finished)

    def test_it_is_said_too_where_the_socket_was_in_the_directory(self):
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        del self.place.environment["XDG_RUNTIME_DIR"]
        self.daemon.start()
        pid = self.start("web", ["sleep", "600"])["pid"]
        # A keeper that makes its log anew keeps the directory.
        os.rename(self.place.data, self.place.root / "moved")
        self.assertIn(b"running", self.ok("list").out)
        for arguments in (["start", "sleep", "601"], ["logs", "web"]):
            refused = self.cli(*arguments)
            self.assertEqual(refused.code, 125)
            self.assertIn(b"was removed while the daemon ran", refused.err)
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        harness.eventually("the program has ended", lambda: not harness.is_alive(pid))

    def test_agents_are_told_too(self):
        self.start("web", ["sleep", "600"])
        agent = self.mcp()
        # A keeper that makes its log anew keeps the directory.
        os.rename(self.place.data, self.place.root / "moved")
        told = lambda: [each for each in [agent.call("list_processes")] if "the data directory was removed" in each.text]
        listed = harness.eventually("it is told", told)[0]  # what was seen may be told again for a moment
        self.assertEqual(listed.structured["processes"][0]["causes"][0]["code"], "data_removed")
        for tool, arguments in (
            ("get_process_output", {}),
            ("wait_for_process", {"until": "pattern", "pattern": "x"}),
            ("restart_process", {}),
        ):
            with self.subTest(tool=tool):
                answer = agent.call(tool, process="web", **arguments)
                self.assertTrue(answer.is_error)
                self.assertIn("was removed while the daemon ran", answer.text)


class Log:
    """A log directory as the format has it, read without the product."""

    def __init__(self, directory):
        self.end, self.gaps, self.records, self.first, self.suspects = 0, 0, [], None, []
        for index in sorted(pathlib.Path(directory).glob("*.idx")):
            data = index.read_bytes()
            if len(data) < HEADER.size:
                continue
            header = HEADER.unpack_from(data)
            begin = header[4]
            self.first = begin if self.first is None else self.first
            if header[8]:
                self.suspects.append((header[3], header[8], header[9]))
            self.end = max(self.end, begin)
            for at in range(HEADER.size, len(data) - RECORD.size + 1, RECORD.size):
                record = RECORD.unpack_from(data, at)
                self.records.append(record)
                self.end = max(self.end, begin + record[1] + record[2])
                if record[7] & GAP:
                    self.gaps += record[11]

    def events(self, kind):
        return [record[11] for record in self.records if record[7] & EVENT and record[8] == kind]


class Case(harness.TestCase):
    def log_of(self, view):
        return pathlib.Path(view["log_path"]).parent

    def until_cause(self, label, code):
        return harness.eventually(
            f"{code!r} among the causes of {label}",
            lambda: (view := self.view(label)) and code in codes_of(view) and view,
        )


def codes_of(view):
    return [cause["code"] for cause in view["causes"] or []]


def own_mounts():
    """The command that gives a program mounts of its own, or None."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*command, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return command
    return None


class OnItsOwnMount(unittest.TestCase):
    """Runs the tests of FullDisk where mounting a small file system touches nobody."""

    def test_full_disk(self):
        command = own_mounts()
        if command is None:
            self.skipTest("neither root nor a user namespace that may mount")
        ran = subprocess.run(
            [*command, sys.executable, "-B", "-m", "unittest", "-v", "test_faults.FullDisk"],
            env={**os.environ, INSIDE: "1"},
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
        )
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)


@unittest.skipUnless(os.environ.get(INSIDE), "run by OnItsOwnMount")
class FullDisk(Case):
    autostart = False

    def setUp(self):
        super().setUp()
        self.place.data.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", self.place.data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.place.data])
        self.filler = self.place.data / "filler"
        self.stop, self.count = self.place.work / "stop", self.place.work / "count"

    def test_a_flood_on_one_mebibyte(self):
        self.filler.write_bytes(b"x" * 300 * 1024)
        self.daemon.start()
        view = self.start("flood", [str(CHILD), "flood", str(self.stop), str(self.count), ",", "exit", "7"])
        log = self.log_of(view)
        full = self.until_cause("flood", "output_dropped")
        self.assertEqual((full["state"], full["pid"]), ("running", view["pid"]))
        shown = self.ok("status", "flood").out.decode()
        self.assertIn("make room", shown)
        self.assertIn("make room", self.ok("list").out.decode())
        # Counted while it lasts, too.
        harness.eventually("a gap is told of", lambda: Log(log).gaps > 0)

        before = Log(log).end
        self.filler.unlink()
        harness.eventually("recording goes on", lambda: Log(log).end > before)
        self.until_cause("flood", "output_dropped")
        checks = {check["name"]: check for check in self.cli("doctor", "--json").json()["checks"]}
        self.assertEqual(checks["disk space"]["status"], "problem")
        self.assertIn("being dropped", checks["processes"]["detail"])

        self.stop.touch()
        self.assertEqual(self.wait_exit("flood").code, 7)
        ended = self.view("flood")
        self.assertEqual((ended["state"], ended["exit_code"], ended["reason"]), ("exited", 7, "self"))
        printed, recorded = int(self.count.read_text()), Log(log)
        self.assertEqual(recorded.end + recorded.gaps, printed, recorded.gaps)
        self.assertEqual(recorded.first, 0)
        self.assertEqual(recorded.events(2), [7])
        self.assertIn({"code": "output_lost", "bytes": recorded.gaps}, ended["causes"])

        # All of it is said where the output is read.
        whole = self.cli("output", "flood", "-n", "0")
        self.assertEqual(len(whole.out), recorded.end)
        self.assertIn(b"bytes were lost here", whole.err)
        document = self.ok("output", "flood", "-n", "0", "--json").json()
        self.assertEqual(document["lost_bytes"], recorded.gaps)
        answer = self.mcp().call("get_process_output", process="flood", lines=1000000, max_bytes=1048576, view="raw")
        self.assertEqual(answer.meta["lost_bytes"], recorded.gaps)
        self.assertIn(", marks [;", answer.text.splitlines()[0])
        self.assertIn("bytes were lost here", answer.text)
        self.assertEqual(answer.text.count("\n") - 1 - answer.text.count("\n["), answer.meta["lines"])

        # And it works again, and what was missing is remembered.
        subprocess.run(["mount", "-o", "remount,size=8m", self.place.data], check=True)
        self.daemon.restart()
        self.assertEqual(self.view("flood")["causes"], ended["causes"])
        self.start("again", [str(CHILD), "line", "hello"])
        self.assertEqual(self.wait_exit("again").code, 0)
        self.assertEqual(self.ok("output", "again").out, b"hello\n")

    def test_room_comes_back_while_the_program_is_silent(self):
        self.daemon.start()
        gate, more = self.place.work / "gate", self.place.work / "more"
        script = ["line", "first", ",", "until-file", str(gate), ",", "bulk", "400000", ",", "until-file", str(more)]
        view = self.start("quiet", [str(CHILD), *script, ",", "line", "last"])
        log = self.log_of(view)
        harness.eventually("the first line", lambda: Log(log).end > 0)
        self.fill_up()
        gate.touch()
        self.until_cause("quiet", "output_dropped")
        self.filler.unlink()
        harness.eventually("it is well again", lambda: "output_dropped" not in codes_of(self.view("quiet")))
        more.touch()
        self.assertEqual(self.wait_exit("quiet").code, 0)
        recorded = Log(log)
        self.assertEqual(recorded.end + recorded.gaps, len("first\n") + 400000 + len("last\n"))
        self.assertTrue(self.ok("output", "quiet").out.endswith(b"last\n"))

    def test_an_end_on_a_full_disk(self):
        self.daemon.start()
        rows = {"own": (["exit", "7"], ("exited", 7, None)), "signal": (["kill", "9"], ("killed", None, "SIGKILL"))}
        logs = {}
        for label, (end, _) in rows.items():
            command = ["line", "first", ",", "until-file", str(self.stop), ",", "line", "dropped", ",", *end]
            view = self.start(label, [str(CHILD), *command])
            logs[label] = self.log_of(view)
            harness.eventually("the first line", lambda at=logs[label]: Log(at).end > 0)
        self.fill_up()
        self.stop.touch()
        for label, (_, expected) in rows.items():
            self.wait_exit(label)
            view = self.view(label)
            self.assertEqual((view["state"], view["exit_code"], view["signal"]), expected)
            recorded = Log(logs[label])
            self.assertEqual(len(recorded.events(2)) + len(recorded.events(3)), 1)
            self.assertEqual(recorded.end + recorded.gaps, len("first\ndropped\n"))
        # What the daemon could not write down it finds again in the directories.
        self.filler.unlink()
        self.daemon.restart()
        for label, (_, expected) in rows.items():
            view = self.view(label)
            self.assertEqual((view["state"], view["exit_code"], view["signal"]), expected)

    def test_a_start_on_a_full_disk_leaves_nothing(self):
        self.daemon.start()
        self.start("first", ["sleep", "60"])
        self.fill_up()
        before = sorted(each.name for each in (self.place.data / "procs").iterdir())
        finished = self.cli("start", "--label", "second", "--", "sleep", "60")
        self.assertEqual(finished.code, 125, finished)
        self.assertOneLine(finished.err)
        self.assertRegex(finished.err.decode(), "full|No space left")
        self.assertEqual([view["label"] for view in self.views()], ["first"])
        # That it is removed is on record by a name until its row's end is.
        left = [each.name for each in (self.place.data / "procs").iterdir() if not each.name.startswith(".removed-")]
        self.assertEqual(sorted(left), before)
        # A full disk keeps nobody from stopping a program.
        self.ok("stop", "first")
        self.filler.unlink()
        self.assertEqual(self.start("second", ["sleep", "60"])["state"], "running")

    def test_flush_and_rm_make_room(self):
        self.daemon.start()
        for label in ("runs", "ended", "forgotten", "last"):
            end = ["until-file", str(self.stop)] if label == "runs" else ["exit", "7"]
            view = self.start(label, [str(CHILD), "bulk", "100000", ",", *end])
            harness.eventually("its output", lambda at=self.log_of(view): Log(at).end == 100000)
            if label != "runs":
                self.assertEqual(self.wait_exit(label).code, 7)
        for doomed, begins_full in (("ended", False), ("forgotten", True)):
            self.fill_up()
            if begins_full:
                self.daemon.restart()
            self.ok("flush", "runs")
            self.assertEqual(self.ok("output", "runs").out, b"")
            self.fill_up()
            self.ok("flush", doomed)
            self.fill_up()
            self.ok("rm", doomed)
            self.assertNotIn(doomed, [view["label"] for view in self.ok("list", "-a", "--json").json()["processes"]])
        # Nothing comes back.
        self.fill_up()
        self.daemon.restart()
        states = {view["label"]: view["state"] for view in self.ok("list", "-a", "--json").json()["processes"]}
        self.assertEqual(states, {"runs": "running", "last": "exited"})
        self.filler.unlink()
        procs = {each.name for each in (self.place.data / "procs").iterdir() if not each.name.startswith(".removed-")}
        self.assertEqual(procs, {"p1", "p4"})

    def test_a_daemon_that_begins_on_a_full_disk(self):
        self.begin_without_room("disk full at", self.fill_up, lambda: self.filler.unlink())

    def test_a_daemon_that_begins_on_a_read_only_disk(self):
        def close():
            # What is open stays so: a mount that nobody writes through lies over the other.
            subprocess.run(["mount", "--bind", self.place.data, self.place.data], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", self.place.data], check=True)

        self.begin_without_room("read-only", close, lambda: subprocess.run(["umount", "-l", self.place.data], check=True))

    def begin_without_room(self, why, close, make_room):
        self.daemon.start()
        web = self.start("web", ["sleep", "60"])
        self.start("other", ["sleep", "60"])
        gate = self.place.work / "gate"
        self.start("ends", [str(CHILD), "until-file", str(gate), ",", "exit", "7"])
        close()
        self.daemon.restart()
        self.assertEqual([view["state"] for view in self.views()], ["running"] * 3)
        for arguments in (("start", "--label", "new", "--", "sleep", "60"), ("restart", "web"), ("rename", "web", "x")):
            finished = self.cli(*arguments)
            self.assertEqual(finished.code, 125, finished)
            self.assertOneLine(finished.err, why, str(self.place.data))
        self.assertEqual(self.view("web")["pid"], web["pid"])
        gate.touch()
        self.assertEqual(self.wait_exit("ends").code, 7)
        self.ok("stop", "web")
        self.assertEqual([view["label"] for view in self.views() if view["state"] == "running"], ["other"])
        self.ok("audit")
        make_room()
        if why == "read-only":  # the daemon began below that mount
            self.daemon.restart()
        self.assertEqual(self.start("new", ["sleep", "60"])["state"], "running")
        if why != "read-only":
            self.assertIn(b" stop p1\n", self.ok("audit").out)
        self.daemon.restart()
        states = {view["label"]: view["state"] for view in self.ok("list", "-a", "--json").json()["processes"]}
        self.assertEqual(states, {"web": "stopped", "other": "running", "ends": "exited", "new": "running"})

    def fill_up(self):
        with open(self.filler, "wb") as file:
            for size in (65536, 4096):
                try:
                    while True:
                        os.write(file.fileno(), b"x" * size)
                except OSError:
                    pass


class Removed(Case):
    """`rm` under the writer."""

    def run_ticker(self):
        self.stop = self.place.work / "stop"
        view = self.start("ticker", harness.python(TICKER, str(self.stop)))
        log = self.log_of(view)
        harness.eventually("some output", lambda: Log(log).end > 200)
        return log

    def end_ticker(self, log):
        harness.eventually("recording goes on", lambda: Log(log).end > 200 and Log(log).records)
        view = self.until_cause("ticker", "output_removed")
        self.assertEqual(view["state"], "running")
        self.stop.touch()
        self.assertEqual(self.wait_exit("ticker").code, 7)
        recorded = Log(log)
        self.assertLess(recorded.gaps, 1000)  # until there is a directory again
        self.assertEqual(recorded.events(2), [7])
        self.assertGreater(sum(recorded.events(9)), 200)
        self.assertEqual(sum(recorded.events(9)), recorded.first)
        answer = self.mcp().call("get_process_output", process="ticker", lines=100000, max_bytes=1048576, view="raw")
        self.assertIn("\n[somebody removed or changed files of recorded output before this", answer.text)
        lines = [line for line in answer.text.splitlines()[1:] if not line.startswith("[")]
        # Whole lines in order, and nothing between them missing.
        numbers = [int(line.split()[1]) for line in lines[1:]]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        return recorded

    def test_the_files(self):
        log = self.run_ticker()
        for each in log.iterdir():
            each.unlink()
        self.end_ticker(log)

    def test_the_directory_while_it_is_followed(self):
        log = self.run_ticker()
        shown = self.background("run", "--label", "ticker", *harness.python(TICKER, str(self.stop)))
        harness.eventually("it follows", lambda: shown.out)
        # The shim may make a segment in it meanwhile.
        is_gone = False
        while not is_gone:
            try:
                shutil.rmtree(log)
                is_gone = True
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOTEMPTY)
        printed = len(shown.out)
        harness.eventually("output is followed on", lambda: len(shown.out) > printed + 500)
        self.end_ticker(log)
        self.assertEqual(shown.wait().code, 7)

    def test_a_file_that_is_emptied(self):
        log = self.run_ticker()
        os.truncate(log / "00000001.log", 0)
        harness.eventually("recording goes on elsewhere", lambda: (log / "00000002.idx").exists())
        self.until_cause("ticker", "output_removed")
        self.stop.touch()
        self.assertEqual(self.wait_exit("ticker").code, 7)
        self.assertNotIn(b"\0", self.ok("output", "ticker", "-n", "0").out)


class Limits(Case):
    def test_a_limit_that_keeps_a_daemon_from_beginning_is_named(self):
        for which, most, says in (
            (resource.RLIMIT_FSIZE, 4096, "File too large (the limit is 4096 bytes: ulimit -f raises it where"),
            (resource.RLIMIT_NOFILE, 20, "Too many open files (the limit is 20: ulimit -n raises it where"),
        ):
            place = harness.Place()
            self.addCleanup(shutil.rmtree, place.root, ignore_errors=True)
            refused = subprocess.run(
                [harness.BIN / "persistproc", "--port", str(harness.free_port()), "run", "true"], env=place.environment,
                capture_output=True, stdin=subprocess.DEVNULL, timeout=harness.PATIENCE,
                preexec_fn=lambda which=which, most=most: resource.setrlimit(which, (most, most)))
            self.assertEqual(refused.returncode, 125, refused)
            self.assertOneLine(refused.stderr, "the daemon did not start: ", says)

    def test_a_limit_on_the_size_of_files(self):
        """What is more than one file may hold goes into the next one."""
        stop, count = self.place.work / "stop", self.place.work / "count"
        own = resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (512 * 1024, own[1]))
        command = [str(CHILD), "print", "50000", ",", "flood", str(stop), str(count), ",", "exit", "3"]
        view = self.start("large", command)
        log = self.log_of(view)
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, own)
        harness.eventually("a fifth segment", lambda: (log / "00000005.idx").exists())
        stop.touch()
        self.assertEqual(self.wait_exit("large").code, 3)
        recorded = Log(log)
        self.assertEqual(recorded.gaps, 0)
        self.assertLessEqual(max(each.stat().st_size for each in log.iterdir()), 512 * 1024)
        head = sum(len(f"line {i}\n") for i in range(1, 50001))
        self.assertEqual(recorded.end, head + int(count.read_text()))
        self.assertIsNone(self.view("large")["causes"])


# What the directories hold of a process.
FACTS = ("id", "label", "command", "working_directory", "state", "pid", "started_at", "ended_at", "exit_code", "signal")
FACTS += ("reason", "run", "restarts", "started_by")


class Database(Case):
    def setUp(self):
        super().setUp()
        self.file = self.place.data / "persistproc.db"

    def populate(self):
        """Processes of every kind; returns what is to be known of them."""
        for i in range(3):
            self.start(f"live {i}", ["sleep", "60"])
        self.start("coded", [str(CHILD), "line", "said", ",", "exit", "3"])
        self.wait_exit("coded")
        self.start("stopped", ["sleep", "60"])
        self.ok("stop", "stopped")
        self.start("twice", ["sleep", "60"])
        self.ok("restart", "twice")
        self.cli("start", "--", str(CHILD), "kill", "9")
        harness.eventually("the end", lambda: any(view["state"] == "killed" for view in self.views()))
        return self.facts()

    def facts(self):
        return [{name: view[name] for name in FACTS} for view in self.views()]

    def overwrite(self):
        for each in (self.file, pathlib.Path(f"{self.file}-wal")):
            if each.exists():
                with open(each, "r+b") as file:
                    file.write(os.urandom(each.stat().st_size))

    def set_aside(self):
        return sorted(each.name for each in self.place.data.glob("persistproc.db.damaged-*"))

    def test_random_bytes_while_no_daemon_lives(self):
        before = self.populate()
        self.daemon.kill()
        self.overwrite()
        self.daemon.start()
        self.assertEqual(self.facts(), before)
        self.assertTrue(self.set_aside())
        self.assertOneLine(self.warnings().encode(), "the database was damaged", "is kept as")
        self.assertEqual(self.ok("output", "coded").out, b"said\n")

    def test_random_bytes_under_a_daemon_that_notices_nothing_more(self):
        before = self.populate()
        self.overwrite()
        self.daemon.restart()
        self.assertEqual(self.facts(), before)
        self.ok("stop", "live 0")

    def test_a_daemon_that_writes_again_begins_a_new_one(self):
        for what in ("overwritten", "removed", "replaced"):
            with self.subTest(what):
                before = self.populate() if what == "overwritten" else self.facts()
                if what == "overwritten":
                    self.overwrite()
                elif what == "removed":
                    self.file.unlink()
                else:
                    self.file.rename(self.place.work / "elsewhere")
                    self.file.write_bytes(b"something else")
                label = f"after it was {what}"
                self.start(label, ["sleep", "60"])
                self.assertIn("the database was damaged", self.warnings().splitlines()[-1])
                self.daemon.restart()
                known = self.facts()
                self.assertEqual([each for each in known if each["label"] != label], before)
                self.assertEqual(known[-1]["state"], "running")

    def test_one_that_another_program_has_locked(self):
        self.populate()
        self.daemon.kill()
        other = sqlite3.connect(self.file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            ran = subprocess.run(
                self.daemon.command(), env=self.place.environment, capture_output=True, timeout=harness.PATIENCE
            )
        finally:
            other.close()
        self.assertEqual(ran.returncode, 125, ran)
        self.assertOneLine(ran.stderr, "persistproc.db", "locked", f"(PID {os.getpid()})", "end it")
        self.daemon.start()
        self.assertEqual(self.view("live 1")["state"], "running")

    def damage_rows(self, table, condition):
        with sqlite3.connect(self.file) as other:
            changed = other.execute(f"UPDATE {table} SET doc = '{{' WHERE {condition}").rowcount
        other.close()
        self.assertGreater(changed, 0)

    def test_a_damaged_row_forgets_neither_a_stop_nor_a_rename(self):
        self.ok("start", "--label", "loop", "--restart", "always", "--", "false")
        harness.eventually("its pause", lambda: self.view("loop")["state"] == "backoff")
        self.ok("stop", "loop")
        self.start("first", ["sleep", "60"])
        self.ok("rename", "first", "second")
        self.start("first", ["sleep", "61"])
        self.start("taken", ["sleep", "62"])
        self.ok("rename", "taken", "kept")
        before = {view["label"]: (view["id"], view["state"]) for view in self.views()}
        self.daemon.kill()
        self.damage_rows("processes", "doc LIKE '%\"loop\"%' OR doc LIKE '%\"second\"%' OR doc LIKE '%\"kept\"%'")
        self.daemon.start()
        self.assertEqual({view["label"]: (view["id"], view["state"]) for view in self.views()}, before)

    def test_a_run_is_not_forgotten_with_its_state(self):
        live = self.start("live", ["sh", "-c", "echo said; exec sleep 60"])
        for label, code in (("coded", "7"), ("gone", "8")):
            self.cli("start", "--label", label, "--", str(CHILD), "exit", code)
            self.wait_exit(label)
        self.daemon.kill()
        shim = int(pathlib.Path(f"/proc/{live['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])
        harness.kill(shim)
        procs = self.place.data / "procs"
        for each in ("p1", "p2"):
            # What a power cut leaves of a file that was written a moment before.
            (procs / each / "runs" / "1" / "state").write_bytes(bytes(4096))
        shutil.rmtree(procs / "p3" / "runs" / "1")
        self.daemon.start()
        self.assertEqual([view["state"] for view in self.views()], ["lost", "exited", "exited"])
        self.assertEqual([view["exit_code"] for view in self.views()], [None, 7, 8])
        self.assertEqual(self.ok("output", "live").out, b"said\n")
        self.ok("stop", "live")
        harness.eventually("nothing of it is left", lambda: not harness.is_alive(live["pid"]))

    def warnings(self):
        return "\n".join(line for line in self.daemon.log().splitlines() if "database" in line)


class Paths(Case):
    autostart = False

    def move_to(self, folders):
        """A data directory below so many folders of long names."""
        self.place.data = self.place.root.joinpath(*["d" * 190] * folders) / "data"
        self.place.data.parent.mkdir(parents=True)
        self.place.environment["PERSISTPROC_DATA_DIR"] = str(self.place.data)
        self.daemon = harness.Daemon(self.place)

    def test_a_long_path_works(self):
        self.move_to(2)
        self.daemon.start()
        self.start("ends", [str(CHILD), "line", "hello", ",", "exit", "4"])
        self.assertEqual(self.wait_exit("ends").code, 4)
        self.start("lives", ["sleep", "60"])
        self.daemon.restart()
        self.assertEqual(self.view("lives")["state"], "running")
        self.assertEqual(self.ok("output", "ends").out, b"hello\n")
        self.ok("stop", "lives")

    def test_a_path_longer_than_the_database_takes_is_refused(self):
        self.move_to(4)
        ran = subprocess.run(
            self.daemon.command(), env=self.place.environment, capture_output=True, timeout=harness.PATIENCE
        )
        self.assertEqual(ran.returncode, 125, ran)
        self.assertOneLine(ran.stderr, "at most", "shorter --data-dir")


class Resources(Case):
    def open_files(self):
        return len(list(pathlib.Path(f"/proc/{self.daemon.process.pid}/fd").iterdir()))

    def lasting_files(self):
        """Where the descriptors lead that the daemon keeps, by number: none of a file that is synced behind a start."""
        out = {}
        for each in pathlib.Path(f"/proc/{self.daemon.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed since
                link = os.readlink(each)
                if not link.startswith(str(self.place.data / "procs")) and not (
                    link.endswith("-wal") and link in out.values()
                ):
                    out[int(each.name)] = link
        return out

    def cpu_seconds(self):
        words = pathlib.Path(f"/proc/{self.daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def test_children_get_the_limits_of_their_caller(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE), (hard, hard))
        command = ["sh", "-c", "ulimit -Sn; ulimit -Hn"]
        ran = subprocess.run(
            ["prlimit", "--nofile=123:456", str(harness.BIN / "persistproc"), "start", "--label", "own", "--", *command],
            env=self.place.environment,
            capture_output=True,
        )
        self.assertEqual(ran.returncode, 0, ran)
        self.wait_exit("own")
        self.assertEqual(self.ok("output", "own").out, b"123\n456\n")
        agent = self.mcp()
        agent.call("start_process", command=command, working_directory=str(self.place.work), label="agent")
        self.wait_exit("agent")
        shown = ["unlimited" if each == resource.RLIM_INFINITY else str(each) for each in (soft, hard)]
        self.assertEqual(self.ok("output", "agent").out.decode().split(), shown)

    def test_no_descriptors(self):
        def sockets():
            return sum(link.startswith("socket:") for link in self.lasting_files().values())

        own_sockets = sockets()
        self.start("first", ["sleep", "60"])
        self.kill_idle_shim()  # which the next run needs fewer descriptors with
        # Asking the login shell takes some, too.
        children = self.children
        harness.eventually("it is alone with its shims", lambda: all(b"-shim" in each for each in children().values()))
        pid = self.daemon.process.pid
        own = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        before = sorted(each.name for each in (self.place.data / "procs").iterdir())
        # The channels of the shim of "first" and of the one that was killed are left.
        harness.eventually("no client is connected", lambda: sockets() <= own_sockets + 2)
        rest = self.open_files()
        # The limit is one of numbers, and a number above it may be in use: three are free below.
        kept = self.lasting_files()
        last_free = list(itertools.islice((number for number in itertools.count() if number not in kept), 3))[-1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (last_free + 1, own[1]))
        finished = self.cli("start", "--label", "second", "--", "sleep", "60", patience=60)
        self.assertEqual(finished.code, 125, finished)
        self.assertOneLine(finished.err, "Too many open files")
        self.assertEqual([view["label"] for view in self.views()], ["first"])
        # To remove a directory takes a descriptor, too: what is hidden is swept later.
        left = [each.name for each in (self.place.data / "procs").iterdir() if not each.name.startswith(".removed-")]
        self.assertEqual(sorted(left), before)

        # Callers without end: some are let in, nobody spins, and one with a question still gets an answer.
        callers = [socket.create_connection(("127.0.0.1", self.daemon.port)) for _ in range(100)]
        used, began = self.cpu_seconds(), time.monotonic()
        self.assertEqual(self.view("first")["state"], "running")
        while time.monotonic() - began < 1.0:
            self.view("first")
            time.sleep(0.1)
        self.assertLess(self.cpu_seconds() - used, 0.5)
        for each in callers:
            each.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, own)
        self.assertEqual(self.start("second", ["sleep", "60"])["state"], "running")
        harness.eventually("all descriptors are given back", lambda: self.open_files() <= rest + 8)

    def test_no_memory(self):
        """Without memory a daemon may refuse or die; what it keeps does not notice either."""
        gate = self.place.work / "gate"
        first = self.start("first", ["sh", "-c", 'until test -e "$0"; do echo tick; sleep 0.01; done; exit 7', str(gate)])
        pid = self.daemon.process.pid
        size = int(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmSize:")[1].split()[0]) << 10
        if size > 1 << 40:
            self.skipTest("a sanitizer needs all addresses there are")
        own = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (size + (2 << 20), own[1]))
        text = "x" * (3 << 20)
        for _ in range(8):
            # Refused, answered or cut off: all the same here.
            with contextlib.suppress(OSError, http.client.HTTPException, harness.McpError, AssertionError):
                self.mcp().call("start_process", command=["true", text], working_directory="/", label="large")
        try:
            # It ends with one line where the memory for an answer was missing; else it has refused.
            self.daemon.process.wait(2)
            self.assertIn("out of memory", self.daemon.log())
            self.daemon.start()
        except subprocess.TimeoutExpired:
            resource.prlimit(pid, resource.RLIMIT_AS, own)
        view = self.view("first")
        self.assertEqual((view["state"], view["pid"]), ("running", first["pid"]))
        gate.touch()
        self.assertEqual(self.wait_exit("first").code, 7)

    def serve_from(self, folder):
        """The next daemon is executed there."""
        shutil.copy(harness.BIN / "persistprocd", folder)
        own = self.daemon.command()
        self.daemon.command = lambda ready_fd=None: [
            str(folder / "persistprocd"),
            *own[1:],
            *([] if ready_fd is None else ["--ready-fd", str(ready_fd)]),
        ]

    def test_a_restart_that_gets_no_shim_ends_nothing(self):
        first = self.start("first", ["sleep", "60"])
        folder = self.place.root / "bin"
        folder.mkdir()
        (folder / "persistproc-shim").write_bytes(b"#!/bin/sh\n")
        self.daemon.kill()
        self.serve_from(folder)
        self.daemon.start()
        for arguments in (["restart", "first"], ["start", "--fresh", "first"]):
            finished = self.cli(*arguments)
            self.assertEqual(finished.code, 125, finished)
            self.assertOneLine(finished.err, "persistproc-shim", "Permission denied", "nothing was done")
            view = self.view("first")
            self.assertEqual((view["state"], view["pid"]), ("running", first["pid"]))

    def test_a_shim_that_cannot_be_executed(self):
        folder = self.place.root / "bin"
        folder.mkdir()
        self.daemon.kill()
        self.serve_from(folder)
        for content, word in ((None, "No such file"), (b"#!/bin/sh\n", "Permission denied")):
            if content:
                (folder / "persistproc-shim").write_bytes(content)
            self.daemon.start()
            finished = self.cli("start", "--label", "none", "--", "sleep", "60")
            self.assertEqual(finished.code, 125, finished)
            self.assertOneLine(finished.err, "persistproc-shim", word)
            self.assertEqual(self.views(), [])
            self.assertEqual([p.name for p in (self.place.data / "procs").iterdir() if not p.name.startswith(".")], [])
            if content is None:
                # It is looked for each time: an upgrade may have taken it away for a moment.
                shutil.copy(harness.BIN / "persistproc-shim", folder)
                self.start("one", ["sleep", "60"])
                self.ok("stop", "one")
                self.ok("rm", "one")
                (folder / "persistproc-shim").unlink()
            self.daemon.kill()

    def test_a_suspended_shim_keeps_nobody_else_waiting(self):
        for label in ("stuck", "other"):
            self.start(label, harness.python(TICKER, str(self.place.work / "stop")))
        shim = int(pathlib.Path(f"/proc/{self.view('stuck')['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])
        harness.suspend(shim)
        try:
            for what in (
                lambda: self.assertEqual(len(self.views()), 2),
                lambda: self.view("stuck"),
                lambda: self.ok("output", "stuck"),
                lambda: self.ok("restart", "other"),
                lambda: self.ok("stop", "other"),
                lambda: self.start("third", ["sleep", "60"]),
            ):
                began = time.monotonic()
                what()
                # Who waited for that shim would do so for 5 s.
                self.assertLess(time.monotonic() - began, 4.5)
            finished = self.cli("signal", "CONT", "stuck")
            self.assertEqual(finished.code, 125, finished)
            self.assertOneLine(finished.err, "was suspended; no signal was sent", f"kill -CONT {shim}")
        finally:
            os.kill(shim, signal.SIGCONT)
        self.assertEqual(self.view("stuck")["state"], "running")
        self.ok("stop", "stuck")


@harness.needs_root
class AnotherUser(Case):
    """What root is not refused: a database that cannot be written, one process too many."""

    autostart = False
    users = itertools.count(61234)

    def setUp(self):
        # One for each test: what ended in another test counts as that user's process until init has reaped it.
        self.user = next(self.users)
        super().setUp()

    def as_user(self, *command):
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--", *command]

    def cli(self, *arguments, **options):
        ran = subprocess.run(
            self.as_user(str(harness.BIN / "persistproc"), *arguments),
            env=self.place.environment,
            cwd=self.place.work,
            capture_output=True,
            timeout=harness.PATIENCE,
        )
        return harness.Finished(ran.returncode, ran.stdout, ran.stderr)

    def limit(self, pid, most):
        # Root without CAP_SYS_RESOURCE may not; the user itself may.
        subprocess.run(self.as_user("prlimit", f"--pid={pid}", f"--nproc={most}:"), check=True)

    def start_daemon(self):
        for folder in (self.place.root, *self.place.root.iterdir()):
            os.chown(folder, self.user, self.user)
        command = self.daemon.command
        self.daemon.command = lambda ready_fd=None: self.as_user(*command(ready_fd))
        self.daemon.start()

    def test_a_database_that_may_not_be_written(self):
        self.start_daemon()
        self.start("lives", ["sleep", "60"])
        self.daemon.kill()
        file = self.place.data / "persistproc.db"
        file.chmod(0o400)
        ran = subprocess.run(
            self.daemon.command(), env=self.place.environment, capture_output=True, timeout=harness.PATIENCE
        )
        self.assertEqual(ran.returncode, 125, ran)
        self.assertOneLine(ran.stderr, str(file), "chmod u+rw", "Permission denied")
        file.chmod(0o600)
        self.daemon.start()
        self.assertEqual(self.view("lives")["state"], "running")

    def test_fork_failures(self):
        # The daemon asks this user's login shell for the PATH, and what has not ended yet counts as a process.
        asked = self.place.work / "asked"
        shell = self.place.root / "shell"
        shell.write_text(f"#!/bin/sh\n: > {asked}\n")
        shell.chmod(0o755)
        self.place.environment["SHELL"] = str(shell)
        self.start_daemon()
        pid = self.daemon.process.pid
        harness.eventually("the login shell was asked", asked.exists)
        tasks = pathlib.Path(f"/proc/{pid}/task")
        harness.eventually(
            "the login shell has ended", lambda: not any(each.read_text() for each in tasks.glob("*/children"))
        )
        own = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        threads = len(list(tasks.iterdir()))
        # With each process more that is allowed it comes further: the shim cannot be forked, then the program, then
        # all is well. The client is a process, too.
        refusals = []
        for most in range(threads, threads + 20):
            self.limit(pid, most)
            finished = self.cli("start", "--label", "works", "--", "sleep", "60")
            if finished.code == 0:
                break
            self.assertOneLine(finished.err, "Resource temporarily unavailable")
            refusals.append((finished.code, "persistproc-shim: clone" in finished.err.decode()))
            self.assertEqual(self.views(), [])
            harness.eventually("nothing is left of it", lambda: not list((self.place.data / "procs").iterdir()))
        self.assertEqual(set(refusals), {(125, True), (126, False)})
        self.assertEqual(self.view("works")["state"], "running")
        self.limit(pid, own)
        self.ok("stop", "works")


class WithoutInotify(Case):
    """Nothing tells of a log that grows: it is looked at."""

    autostart = False

    def setUp(self):
        super().setUp()
        harness.need_own_inotify_limits(self)
        plain = self.daemon.command
        self.daemon.command = lambda ready_fd=None: harness.NO_INOTIFY + plain(ready_fd)
        self.daemon.start()

    def test_waits_see_what_is_printed(self):
        go, stop = self.place.work / "go", self.place.work / "stop"
        code = (
            "import os, sys, time\n"
            "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
            "print('serving', flush=True)\n"
            "while not os.path.exists(sys.argv[2]): print('.', flush=True); time.sleep(0.05)\n"
            "time.sleep(600)\n"
        )
        self.start("web", harness.python(code, str(go), str(stop)))
        waiting = self.background("wait", "web", "--pattern", "serving", "--timeout", "20")
        go.touch()
        self.assertEqual(waiting.wait().code, 0, waiting)
        printing = self.cli("wait", "web", "--quiet", "1", "--timeout", "2")
        self.assertNotEqual(printing.code, 0, printing)
        stop.touch()
        self.ok("wait", "web", "--quiet", "0.5", "--timeout", "20")

    def test_doctor_says_so(self):
        arguments = [*harness.NO_INOTIFY, str(harness.BIN / "persistproc"), "doctor", "--json"]
        told = subprocess.run(arguments, env=self.place.environment, cwd=self.place.work, capture_output=True, timeout=60)
        checks = {each["name"]: each for each in json.loads(told.stdout)["checks"]}
        self.assertEqual(checks["log watches"]["status"], "note", checks)
        self.assertIn("max_user_instances", checks["log watches"]["advice"])
        self.assertEqual(next(c for c in self.cli("doctor", "--json").json()["checks"] if c["name"] == "log watches")["status"], "ok")


if __name__ == "__main__":
    harness.main()
