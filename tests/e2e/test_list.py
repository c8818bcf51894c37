"""What `list` and `status` show, to a person and to a program."""
import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import unicodedata
import unittest

import harness

COLOUR = re.compile(r"\x1b\[\d*m")


def cells(text):
    """As a terminal counts them."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in COLOUR.sub("", text)
    )


class Case(harness.TestCase):
    def screen(self, width, *arguments, **variables):
        """What the client writes to a terminal so wide, and its status."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        environment = {**self.place.environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **variables}
        client = subprocess.Popen(
            [str(harness.BIN / "persistproc"), *arguments], stdout=slave, stderr=slave, env=environment, cwd=self.place.work
        )
        os.close(slave)
        shown = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            if not more:
                break
            shown += more
        os.close(master)
        return client.wait(harness.PATIENCE), shown.decode().replace("\r\n", "\n")

    def failing(self, label, *options):
        self.start(label, ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 3"], *options)


class List(Case):
    def test_a_daemon_that_dies_while_it_is_asked_is_followed_by_another(self):
        started = self.start("web", ["sleep", "600"])["id"]
        path = (self.place.data / "run" / "daemon.sock").resolve()
        for command in (("list", "-q"), ("list", "-q", "web")):
            holder = int(re.search(r"PID (\d+)", (self.place.data / "daemon.lock").read_text())[1])
            os.kill(holder, signal.SIGKILL)
            self.daemon.process.wait(harness.PATIENCE)
            harness.eventually("the daemon is dead", lambda: not harness.is_alive(holder))
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as dying:
                dying.settimeout(harness.PATIENCE)
                dying.bind(str(path))
                dying.listen()
                asking = self.background(*command)
                connection = dying.accept()[0]
            # Nobody listens any more when the question is cut off.
            with connection:
                connection.settimeout(harness.PATIENCE)
                self.assertNotEqual(connection.recv(1 << 16), b"")
            answer = asking.wait()
            self.assertEqual(answer.code, 0, answer)
            self.assertIn(started.encode(), answer.out)

    def test_stopped_and_killed_are_apart_and_ends_have_an_age(self):
        for label in ("stopped-one", "killed-one"):
            self.start(label, ["sleep", "60"])
        self.start("ended", ["sh", "-c", "exit 3"])
        self.wait_exit("ended")
        self.ok("stop", "stopped-one")
        self.ok("signal", "TERM", "killed-one")
        self.wait_exit("killed-one")
        lines = {line.split()[1]: line for line in self.ok("list").out.decode().splitlines()}
        self.assertRegex(lines["stopped-one"], r"stopped, \d+s ago")
        self.assertRegex(lines["killed-one"], r"killed SIGTERM, \d+s ago")
        self.assertRegex(lines["ended"], r"exited 3, \d+s ago")

    def test_no_row_is_wrapped(self):
        for label in ("支付服务-日本語-ワーカー", "🚀 rocket", "e\u0301" * 30, "x" * 150, "web"):
            self.start(label, ["sleep", "60"])
        self.ok("start", "sleep", "61")
        for width in (60, 80, 200):
            for variables in ({}, {"NO_COLOR": "1"}, {"LC_ALL": "C"}):
                with self.subTest(width=width, **variables):
                    code, shown = self.screen(width, "list", **variables)
                    self.assertEqual(code, 0)
                    lines = shown.splitlines()
                    self.assertEqual(len(lines), 7, shown)
                    self.assertLessEqual(max(map(cells, lines)), width, shown)
                    self.assertEqual("\x1b[32m" in shown, "NO_COLOR" not in variables, shown)
                    self.assertEqual(shown.isascii(), variables.get("LC_ALL") == "C", shown)
                    # The states stand in one column: what is left of them is as wide in each row.
                    plain = [COLOUR.sub("", line) for line in lines[1:]]
                    self.assertEqual(len({cells(line[: line.index("running")]) for line in plain}), 1, shown)
        # A pipe is given whole labels, and none of them widens the rows of others.
        lines = self.ok("list").out.decode().splitlines()
        self.assertIn("x" * 150, self.ok("list").out.decode())
        self.assertLess(len(next(line for line in lines if " web " in line)), 150 + len(str(self.place.work)))

    def test_the_daemon_knows_which_states_there_are(self):
        self.start("web", ["sleep", "60"])
        self.assertEqual(self.ok("list", "--json", "--state", "gave-up").json()["processes"], [])
        self.assertEqual(len(self.ok("list", "--json", "--state", "running").json()["processes"]), 1)
        refused = self.cli("list", "--state", "dozings")
        self.assertEqual((refused.code, refused.out), (2, b""))
        self.assertOneLine(refused.err, 'persistproc: state: "dozings" is not one of waiting, starting, running,')

    def test_status_without_a_target_is_list(self):
        self.assertEqual(self.ok("status").out, self.ok("list").out)
        self.assertEqual(self.ok("list").out, b"no processes yet; persistproc run CMD starts one\n")
        self.start("web", ["sleep", "60"])
        self.assertEqual(self.ok("status").out.split()[-1:], self.ok("list").out.split()[-1:])
        self.assertIn(b"web", self.ok("status").out)
        self.assertEqual([view["label"] for view in self.ok("status", "--json").json()["processes"]], ["web"])

    def test_several_targets_and_ids_alone(self):
        for label in ("web", "api", "db"):
            self.start(label, ["sleep", "60"])
        self.ok("stop", "web")
        self.assertEqual(self.ok("list", "-q").out, b"p2\np3\np1\n")
        self.assertEqual(self.ok("list", "-aq", "--sort", "id").out, b"p1\np2\np3\n")
        self.assertEqual(self.ok("ps", "-q", "db", "web").out, b"p3\np1\n")
        finished = self.cli("list", "db", "nope", "web")
        self.assertEqual(finished.code, 125)
        self.assertIn(b"db", finished.out)
        self.assertIn(b"web", finished.out)
        self.assertOneLine(finished.err, "nope")
        self.assertEqual(len(self.cli("list", "db", "nope", "--json").json()["processes"]), 1)
        self.assertEqual(self.cli("list", "all", "web").code, 2)
        for sort in ("label", "memory", "cpu", "uptime", "restarts", "state"):
            self.assertEqual(len(self.ok("list", "--sort", sort).out.splitlines()), 4)
        self.assertIn(b"state, id, label", self.cli("list", "--sort", "colour").err)
        # A program sees all of them, whatever a person is shown.
        self.assertEqual(len(self.ok("list", "--json").json()["processes"]), 3)

    def test_watching(self):
        refused = self.cli("list", "--watch")
        self.assertEqual((refused.code, refused.out), (2, b""))
        self.assertOneLine(refused.err, "terminal")
        self.assertEqual(self.cli("list", "--watch", "--json").code, 2)
        self.start("web", ["sleep", "60"])
        self.place.environment["TERM"] = "xterm"
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            terminal = self.terminal("list", "--watch")
            fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            terminal.until(b"web")
            label = f"later-{end}"
            self.start(label, ["sleep", "60"])
            terminal.until(label.encode())
            os.kill(terminal.pid, end)
            self.assertEqual(terminal.wait(), 0)
            self.assertIn(b"\x1b[?1049l", terminal.seen)
            self.assertIn(label.encode(), terminal.seen.rsplit(b"\x1b[?1049l", 1)[1])

    def test_watching_leaves_the_screen_while_it_is_suspended(self):
        self.start("web", ["sleep", "60"])
        self.place.environment["TERM"] = "xterm"
        # With a parent in its session, without which the kernel suspends nobody.
        shell = 'set -m; "$0" list --watch; echo "back at the prompt"; read line; fg'
        terminal = harness.Terminal(["/bin/bash", "-c", shell, str(harness.BIN / "persistproc")], self.place.environment, self.place.work)
        self.addCleanup(terminal.close)
        terminal.until(b"web")
        terminal.type(b"\x1a")
        terminal.until(b"back at the prompt")
        begin, leave = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"
        self.assertEqual((terminal.seen.count(begin), terminal.seen.count(leave)), (1, 1))
        terminal.seen = b""
        terminal.type(b"\n")
        terminal.until(b"web")
        self.assertEqual((terminal.seen.count(begin), terminal.seen.count(leave)), (1, 0))
        terminal.type(b"\x1c")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn(leave, terminal.seen)

    def test_watching_draws_that_the_daemon_is_silent(self):
        self.start("web", ["sleep", "60"])
        self.place.environment["TERM"] = "xterm"
        terminal = self.terminal("list", "--watch")
        terminal.until(b"web")
        harness.suspend(self.daemon.process.pid)
        terminal.until(b"\x1b[H\x1b[Jthe daemon (PID")
        terminal.seen = b""
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        terminal.until(b"web")
        self.assertNotIn(b"persistproc: ", terminal.seen)
        os.kill(terminal.pid, signal.SIGINT)
        self.assertEqual(terminal.wait(), 0)

    def test_watching_says_what_there_is_no_room_for(self):
        for i in range(7):
            self.start(f"web{i}", ["sleep", "60"])
        self.place.environment["TERM"] = "xterm"
        self.place.environment["LC_ALL"] = "C.UTF-8"
        terminal = self.terminal("list", "--watch")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 80, 0, 0))
        terminal.until("… 3 more lines".encode())
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 80, 0, 0))
        terminal.seen = b""
        terminal.until(b"web6")
        self.assertNotIn(b"more line", terminal.seen)
        # Nothing is erased behind a row: it may end in the last column, where its last character would go.
        self.assertRegex(terminal.seen, rb"\x1b\[H\x1b\[JID ")
        self.assertNotRegex(terminal.seen, rb"[^H]\x1b\[[JK]")
        os.kill(terminal.pid, signal.SIGINT)
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn(b"more line", terminal.seen.rsplit(b"\x1b[?1049l", 1)[1])


class Status(Case):
    def test_a_policy_of_a_newer_release_is_shown_as_it_is(self):
        self.start("web", ["true"])
        self.wait_exit("web")
        self.daemon.kill()
        with contextlib.closing(sqlite3.connect(self.place.data / "persistproc.db")) as database:
            changed = database.execute(
                """UPDATE processes SET doc = replace(doc, '"restart":"never"', '"restart":"when_moon"')"""
                """ WHERE doc LIKE '%"restart":"never"%'"""
            )
            self.assertEqual(changed.rowcount, 1)
            database.commit()
        self.daemon.start()
        self.assertIn("restart policy     when_moon\n", self.cli("status", "web").out.decode())

    def test_one_that_is_suspended(self):
        self.start("web", ["sleep", "600"])
        self.ok("signal", "STOP", "web")
        harness.eventually("it is seen", lambda: self.view("web")["causes"])
        self.assertEqual([each["code"] for each in self.view("web")["causes"]], ["suspended"])
        self.assertEqual(self.view("web")["state"], "running")
        text = self.ok("status", "web").out.decode()
        self.assertRegex(text, r"\nstate +running, suspended\nto do +persistproc signal CONT web continues it\n")
        lines = self.ok("list").out.decode().splitlines()
        self.assertRegex(lines[1], r"^p1 +web +running, suspended ")
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("suspended until SIGCONT", self.mcp().call("list_processes").text)
        self.ok("signal", "CONT", "web")
        harness.eventually("it goes on", lambda: not self.view("web")["causes"])
        self.assertNotIn("to do", self.ok("status", "web").out.decode())

    def test_who_it_was(self):
        self.start("mine", ["sleep", "600"])
        self.mcp().call("start_process", command="sleep 601", working_directory="/", label="theirs")
        self.assertRegex(self.ok("status", "mine").out.decode(), r"\nstarted by +you\n")
        self.assertRegex(self.ok("status", "theirs").out.decode(), r'\nstarted by +agent "e2e" 1\n')
        self.assertRegex(self.view("mine")["started_by"], "^persistproc ")
        self.assertEqual(self.ok("stop", "mine").out, b"p1 (mine) stopped (SIGTERM)\n")

    def test_one_that_could_not_be_started_says_what(self):
        program = self.place.work / "app"
        folder = self.place.work / "folder"
        for gone, words in (("rm ../app", f"{program}: No such file"), ("rmdir ../folder", f"{folder}: No such file")):
            folder.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{gone}\nexit 1\n")
            program.chmod(0o755)
            # The policy's next run is the one that cannot begin.
            self.ok("start", "--label", "app", "--restart", "on-failure:2", "-C", "folder", str(program))
            harness.eventually("it gives up", lambda: self.view("app")["state"] == "gave_up")
            self.assertIn(words, self.cli("status", "app").out.decode())
            self.ok("rm", "app")

    def test_more_output_is_named_only_where_there_is_more(self):
        self.ok("start", "--label", "lng", "sh", "-c", "echo a; echo b; echo c; exit 3")
        harness.eventually("it ends", lambda: self.view("lng")["state"] == "exited")
        self.assertIn("the last 3 lines of p1.1:\n", self.cli("status", "lng").out.decode())

    def test_one_that_gave_up_says_what_happened_and_what_to_type(self):
        self.failing("crash", "--restart", "on-failure:2", "-e", "SECRET=hunter2", "--stop-signal", "INT", "--grace", "3s")
        harness.eventually("it gives up", lambda: self.view("crash")["state"] == "gave_up", 60)
        finished = self.cli("status", "crash")
        self.assertEqual(finished.code, 3)
        text = finished.out.decode()
        for words in (
            "gave up restarting (exited with code 3): 2 runs in a row were shorter than 10s",
            "persistproc start crash runs it again",
            "on-failure; gives up after 2 runs in a row shorter than 10s",
            "SIGINT, SIGKILL after 3s",
            "SECRET\n",
            "the last 10 lines of p1.2 (persistproc output crash has more):",
            "  line 3\n",
            "  line 12\n",
        ):
            self.assertIn(words, text)
        self.assertNotIn("  line 2\n", text)
        self.assertNotIn("hunter2", text)
        self.assertNotIn("hunter2", self.cli("status", "crash", "--json").out.decode())
        self.assertEqual(self.cli("status", "crash", "--json").json()["variables"], ["SECRET"])
        # The names outlive the daemon.
        self.daemon.restart()
        self.assertEqual(self.cli("status", "crash", "--json").json()["variables"], ["SECRET"])

    def test_one_that_waits_says_when_it_runs_again(self):
        self.failing("crash", "--restart", "on-failure")

        def waiting():
            shown = self.cli("status", "crash").out.decode()
            return shown if "waiting to be restarted" in shown else None

        shown = harness.eventually("it waits", waiting)
        self.assertRegex(shown, r"\(exited with code 3\): restarts in [\d.]+ m?s \([1-7] of 8\)\n")
        self.assertIn("persistproc stop crash never again", shown)

    def test_one_that_runs(self):
        self.start("tree", ["sh", "-c", "sleep 60 & sleep 60 & wait"])
        harness.eventually("its programs", lambda: self.view("tree")["programs"] == 3)
        text = self.ok("status", "tree").out.decode()
        self.assertRegex(text, r"programs +3\n")
        self.assertRegex(text, r"restart policy +never\n")
        self.assertNotIn("to do", text)
        self.assertNotIn("last 10", text)
        self.ok("stop", "tree")
        stopped = self.cli("status", "tree").out.decode()
        self.assertRegex(stopped, r"stopped by +you\n")
        self.assertNotIn("to do", stopped)

    def test_one_that_printed_nothing(self):
        self.start("quiet", ["sh", "-c", "exit 1"])
        self.wait_exit("quiet")
        self.assertIn(b"p1.1 printed nothing", self.cli("status", "quiet").out)

    def test_help_and_doctor_go_on_indented(self):
        for width in (60, 100):
            for words, begin in ((["doctor"], 9), (["run", "--help"], 31), (["--help"], 31)):
                with self.subTest(words, width=width):
                    _, shown = self.screen(width, *words)
                    lines = shown.splitlines()
                    # What is one word, or to be typed, is never broken.
                    for line in lines:
                        is_whole = " " not in line.strip() or "persistproc " in line or "→ " in line
                        self.assertTrue(len(line) <= width or is_whole, line)
                    indented = [line for line in lines if line.startswith(" " * begin) and line[begin] != " "]
                    self.assertTrue(indented, shown)
        # In a pipe a finding is one line.
        lines = self.ok("doctor").out.decode().splitlines()
        self.assertTrue(all(line.split()[0] in ("ok", "note", "problem") for line in lines), lines)
        self.assertLessEqual(max(len(line) for line in self.ok("run", "--help").out.decode().split("Examples:")[0].splitlines()), 80)

    def test_escapes_of_a_program_do_not_reach_the_terminal(self):
        self.start("evil", ["sh", "-c", r"printf '\033]0;title\007\033[31mred\033[0m\n'; exit 1"])
        self.wait_exit("evil")
        _, shown = self.screen(80, "status", "evil")
        self.assertNotIn("\x1b]", shown)
        self.assertIn("\x1b[31mred", shown)

    def test_carriage_returns_of_a_program_do_not_reach_our_columns(self):
        forging = ["sh", "-c", r"printf 'ok\n\rstate   running\na\r\r\nb'; exit 3"]
        self.start("evil", forging)
        self.wait_exit("evil")
        for arguments in (("status", "evil"), ("start", "--label", "more", *forging)):
            _, shown = self.screen(80, *arguments)
            self.assertIn("  state   running", shown, arguments)
            self.assertNotIn("\r", shown, arguments)
        _, shown = self.screen(80, "logs", "-t", "evil")
        for line in shown.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")
        self.assertNotIn("\r", shown)


if __name__ == "__main__":
    unittest.main()
