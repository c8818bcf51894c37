"""Programs on a terminal, and with an input that stays open."""
import os
import pathlib
import shutil
import unittest

import harness
from harness import eventually

ONE_STREAM = "a terminal is one stream, which is recorded as standard output"
UNTIL_FILE = "until test -e {0}; do sleep 0.01; done"


class Helpers:
    def log_bytes(self, view):
        return b"".join(p.read_bytes() for p in sorted(pathlib.Path(view["log_path"]).parent.glob("*.log")))

    def shim_of(self, pid):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return int(stat.rsplit(")", 1)[1].split()[1])


class OnTerminal(Helpers, harness.TestCase):
    def test_the_size_is_that_of_the_caller_from_birth(self):
        run = f"stty cols 90 rows 33; exec {harness.BIN / 'persistproc'} run -t stty size"
        for _ in range(20):
            terminal = harness.Terminal(["/bin/sh", "-c", run], self.place.environment, self.place.work)
            self.addCleanup(terminal.close)
            terminal.until(b"33 90\r")
            self.assertEqual(terminal.wait(), 0)

    def test_what_is_said_of_it(self):
        view = self.start("t", ["sleep", "600"], "-t", "--size", "100x30")
        self.assertEqual((view["input"], view["size"]), ("tty", "100x30"))
        self.assertIn("terminal 100x30", self.ok("status", "t").out.decode())
        view = self.start("i", ["cat"], "-i")
        self.assertEqual((view["input"], view.get("size")), ("pipe", None))
        self.assertEqual(self.start("n", ["sleep", "600"])["input"], "none")
        self.assertEqual(self.start("both", ["sleep", "600"], "-it")["input"], "tty")
        for wrong in (["--size", "100x30"], ["-t", "--size", "9x30"], ["-t", "--size", "100"]):
            refused = self.cli("start", *wrong, "sleep", "601")
            self.assertEqual(refused.code, 2)
            self.assertOneLine(refused.err, "--size")

    def test_a_restart_gives_and_takes_it(self):
        self.start("web", ["sleep", "600"])
        rows = (
            (["--tty"], ("tty", "120x40")),
            (["--size", "90x20"], ("tty", "90x20")),
            ([], ("tty", "90x20")),
            (["--no-tty"], ("none", None)),
            (["--input"], ("pipe", None)),
            (["--tty"], ("tty", "120x40")),
        )
        for flags, expected in rows:
            with self.subTest(flags):
                view = self.ok("restart", "--json", *flags, "web").json()
                self.assertEqual((view["input"], view.get("size")), expected)
                terminal = os.readlink(f"/proc/{view['pid']}/fd/0").startswith("/dev/pts/")
                self.assertEqual(terminal, expected[0] == "tty")
        self.ok("restart", "--no-tty", "web")
        self.assertIn(b"--tty", self.cli("restart", "--size", "90x20", "web").err)
        self.assertEqual(self.cli("restart", "--tty", "--no-tty", "web").code, 2)

    def test_the_environment_is_that_of_a_terminal(self):
        stale = {"LINES": "5", "COLUMNS": "7", "TMUX": "x", "TMUX_PANE": "%1", "STY": "y", "TERM": "dumb"}
        show = harness.python(
            "import os, shutil; print(shutil.get_terminal_size(), *(os.environ.get(n) for n in"
            " ('LINES', 'COLUMNS', 'TMUX', 'TMUX_PANE', 'STY', 'TERM')))"
        )
        self.ok("start", "--label", "env", "-t", "--size", "77x33", "--", *show, env=stale)
        self.wait_exit("env")
        expected = "os.terminal_size(columns=77, lines=33) None None None None None xterm-256color"
        self.assertEqual(self.ok("output", "env").out.decode().strip(), expected)
        self.ok("start", "--label", "own", "-t", "-e", "TERM=vt100", "--", "sh", "-c", "echo $TERM", env=stale)
        self.wait_exit("own")
        self.assertEqual(self.ok("output", "own").out.strip(), b"vt100")

    def test_lines_are_read_without_their_carriage_returns(self):
        view = self.start("p", ["printf", "a\\nb\\n"], "-t")
        self.assertEqual(self.ok("wait", "p", "--pattern", "b$").code, 0)
        self.wait_exit("p")
        self.assertEqual(self.log_bytes(view), b"a\r\nb\r\n")
        self.assertIn(b"a", self.ok("output", "p", "--grep", "^a$").out)
        client = self.mcp()
        shown = client.call("get_process_output", process="p", grep="^a$")
        self.assertEqual(shown.text.splitlines()[1:], ["a"])
        clean = client.call("get_process_output", process="p")
        self.assertEqual(clean.text.splitlines()[1:], ["a", "b"])
        self.assertNotIn("\r", clean.text)

    def test_it_has_one_stream(self):
        self.start("s", ["sh", "-c", "echo out; echo err >&2"], "-t")
        self.wait_exit("s")
        self.assertEqual(self.ok("output", "s", "--out").out, b"out\r\nerr\r\n")
        errors = self.ok("output", "s", "--err")
        self.assertEqual(errors.out, b"")
        self.assertIn(ONE_STREAM, errors.err.decode())
        self.assertIn(ONE_STREAM, self.mcp().call("get_process_output", process="s", stream="stderr").text)

    def test_characters_are_whole(self):
        text = "é漢🦊" * 3000
        self.start("u", harness.python("import sys; sys.stdout.write(sys.argv[1] + '\\n')", text), "-t")
        self.wait_exit("u")
        self.assertEqual(self.ok("output", "u").out.decode().strip(), text)
        answer = self.mcp().call("get_process_output", process="u", max_bytes=65536)
        self.assertNotIn("\ufffd", answer.text)

    def test_nobody_is_needed_to_read_it(self):
        lines = "".join(f"line {i}\r\n" for i in range(100_000)).encode()
        view = self.start("much", harness.python("for i in range(100000): print('line', i)"), "-t")
        self.wait_exit("much")
        self.assertEqual(self.log_bytes(view), lines)

    def test_a_person_sees_text_and_colours(self):
        shown = "\\033[?25l\\033]0;title\\007\\033[31mred\\033[0m\\033[K\\007 end\\n"
        self.start("c", ["printf", shown], "-t")
        self.wait_exit("c")
        terminal = self.terminal("output", "c")
        terminal.wait()
        self.assertIn(b"\x1b[31mred\x1b[0m end", terminal.seen)
        for other in (b"?25l", b"title", b"\\x1b", b"\x1b[K"):
            self.assertNotIn(other, terminal.seen)

    def test_who_joins_is_told_how_to_get_one(self):
        self.start("web", ["sleep", "600"])
        joined = self.ok("start", "--label", "web", "-t", "sleep", "600")
        self.assertOneLine(joined.err, "joined without a terminal; persistproc restart --tty web")
        joined = self.ok("start", "--label", "web", "-i", "sleep", "600")
        self.assertOneLine(joined.err, "joined without an input; persistproc restart --input web")
        again = self.mcp().call(
            "start_process", command=["sleep", "600"], working_directory=str(self.place.work), label="web", tty=True
        )
        self.assertIn("not applied to it: tty", again.text)

    def test_an_agent_asks_for_one(self):
        client = self.mcp()
        started = client.call(
            "start_process", command="stty size", working_directory=str(self.place.work), tty=True, size="64x20"
        )
        self.assertEqual((started.structured["input"], started.structured["size"]), ("tty", "64x20"))
        client.call("wait_for_process", process=started.structured["id"], until="exit")
        self.assertIn("20 64", client.call("get_process_output", process=started.structured["id"]).text)
        refused = client.call("start_process", command="x", working_directory="/", size="64x20")
        self.assertTrue(refused.is_error)

    def test_a_project_has_it(self):
        (self.place.work / "persistproc.toml").write_text(
            '[process.a]\nrun = "sleep 600"\ntty = true\nsize = "90x25"\n[process.b]\nrun = "cat"\ninput = true\n'
        )
        self.ok("up")
        views = {view["project"]["process"]: view for view in self.views()}
        self.assertEqual((views["a"]["input"], views["a"]["size"]), ("tty", "90x25"))
        self.assertEqual(views["b"]["input"], "pipe")
        (self.place.work / "persistproc.toml").write_text(
            '[process.a]\nrun = "sleep 600"\nsize = "90x25"\n[process.b]\nrun = "cat"\ntty = true\ninput = true\n'
        )
        said = self.cli("check").out.decode() + self.cli("check").err.decode()
        self.assertIn("process.a.size: is that of a terminal", said)
        self.assertIn("process.b.input: tty is an input already", said)
        self.ok("down")

    def test_a_stop_ends_an_interactive_shell_at_once(self):
        if not shutil.which("bash"):
            self.skipTest("no bash")
        self.start("sh", ["bash", "--norc", "-i"], "-t", "-e", "PS1=prompt ")
        self.ok("wait", "sh", "--pattern", "prompt")
        # Longer than anybody here waits.
        self.ok("stop", "--grace", "600", "sh")
        self.assertEqual(self.view("sh")["state"], "stopped")

    def test_who_exits_is_hung_up_like_anybody(self):
        there, go = self.place.scratch / "there", self.place.scratch / "go"
        line = (
            f"sleep 600 & setsid sh -c 'touch {there}; {UNTIL_FILE.format(go)}; echo after' & "
            f"{UNTIL_FILE.format(there)}; exit 3"
        )
        view = self.start("main", ["sh", "-c", line], "-t")
        self.assertEqual(self.wait_exit("main").code, 3)
        go.touch()
        eventually("the other goes on", lambda: self.log_bytes(view) == b"after\r\n")
        self.assertEqual(self.view("main")["exit_code"], 3)


class Deaths(Helpers, harness.TestCase):
    """Who dies, and what the program on the terminal notices of it."""

    def begin(self):
        go = self.place.scratch / "go"
        line = f"trap 'echo HUP' HUP; echo one; {UNTIL_FILE.format(go)}; stty size; echo two; exit 5"
        view = self.start("t", ["sh", "-c", line], "-t")
        self.ok("wait", "t", "--pattern", "one")
        return view, go

    def end(self, view, go):
        go.touch()
        self.assertEqual(self.wait_exit("t").code, 5)
        self.assertEqual(self.log_bytes(view), b"one\r\n40 120\r\ntwo\r\n")

    def test_of_its_keeper_nothing(self):
        view, go = self.begin()
        harness.kill(self.shim_of(view["pid"]))
        self.end(view, go)

    def test_of_its_keeper_nothing_without_a_descriptor_of_the_terminal(self):
        go = self.place.scratch / "go"
        late = "(stty size; echo two) </dev/tty >/dev/tty"
        line = f"echo one; exec <&- >&- 2>&-; {UNTIL_FILE.format(go)}; {late}; exit 5"
        view = self.start("t", ["sh", "-c", line], "-t")
        self.ok("wait", "t", "--pattern", "one")
        standard = [pathlib.Path(f"/proc/{view['pid']}/fd/{number}") for number in range(3)]
        eventually("it has closed them", lambda: not any(os.path.lexists(each) for each in standard))
        harness.kill(self.shim_of(view["pid"]))
        self.end(view, go)

    def test_of_the_daemon_nothing(self):
        view, go = self.begin()
        for _ in range(3):
            self.daemon.restart()
            # Then it holds what keeps the terminal up.
            self.assertEqual(self.view("t")["state"], "running")
        harness.kill(self.shim_of(view["pid"]))
        self.end(view, go)

    def test_an_input_that_stays_open_survives_both_in_turn(self):
        view = self.start("i", ["sh", "-c", "echo up; cat; echo end"], "-i")
        self.ok("wait", "i", "--pattern", "up")
        self.daemon.restart()
        self.assertEqual(self.view("i")["state"], "running")
        harness.kill(self.shim_of(view["pid"]))
        self.ok("stop", "i")
        self.assertEqual(self.log_bytes(view), b"up\n")

    def test_of_both_a_hangup_and_nobody_else(self):
        other = self.start("other", ["sleep", "600"])
        view = self.start("t", ["sleep", "600"], "-t")
        shim = self.shim_of(view["pid"])
        self.daemon.kill()
        harness.kill(shim)
        eventually("it is hung up", lambda: not harness.is_alive(view["pid"]))
        self.assertTrue(harness.is_alive(other["pid"]))
        self.daemon.start()
        eventually("it is known as lost", lambda: self.view("t")["state"] == "lost")


class WithoutInput(harness.TestCase):
    def test_an_input_that_ends_at_once_or_stays(self):
        self.start("ends", ["cat"])
        self.assertEqual(self.wait_exit("ends").code, 0)
        self.start("stays", ["sh", "-c", "echo up; cat; echo end"], "--input")
        self.ok("wait", "stays", "--pattern", "up")
        self.assertEqual(self.view("stays")["state"], "running")
        self.ok("stop", "stays")
        self.assertNotIn(b"end", self.ok("output", "stays").out)


@harness.needs_root
class WithoutTerminals(harness.TestCase):
    """/dev/pts is covered for the daemon and all it starts."""

    def setUp(self):
        inner = harness.Daemon.command

        def covered(daemon, ready_fd=None):
            hidden = 'mount -t tmpfs none /dev/pts && exec "$@"'
            return ["unshare", "-m", "sh", "-c", hidden, "sh", *inner(daemon, ready_fd)]

        harness.Daemon.command = covered
        try:
            super().setUp()
        finally:
            harness.Daemon.command = inner

    def test_a_start_fails_and_leaves_nothing(self):
        for _ in range(3):
            failed = self.cli("start", "-t", "sleep", "600")
            self.assertNotEqual(failed.code, 0)
            self.assertIn(b"pty", failed.err)
        self.assertEqual([v for v in self.views() if v["state"] == "running"], [])
        self.start("piped", ["sleep", "600"])


if __name__ == "__main__":
    unittest.main()
