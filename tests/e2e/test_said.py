"""Nothing is silent: what `run`, `start`, `output -f`, `wait`, `stop` and `restart` say of beginnings and ends."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios

import harness

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
# Prints once a file is there, then ends with a code.
GATED = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nsys.exit(int(sys.argv[2]))"


def notes(finished_or_bytes):
    """What the client said, without its name."""
    err = getattr(finished_or_bytes, "err", finished_or_bytes).decode()
    return [line.removeprefix("persistproc: ") for line in err.splitlines() if line.startswith("persistproc: ")]


class Beginnings(harness.TestCase):
    def test_run_says_what_it_started_and_how_it_ended(self):
        gate = self.place.work / "gate"
        client = self.background("run", "--label", "seven", *harness.python(GATED, str(gate), "7"))
        pid = harness.eventually("it runs", lambda: self.view("seven").get("pid"))
        gate.touch()
        finished = client.wait()
        self.assertEqual(finished.code, 7)
        first, last = notes(finished)
        self.assertEqual(first, f"started p1 (seven), PID {pid}; Ctrl+C detaches, it goes on")
        self.assertRegex(last, r"^p1 \(seven\) exited with code 7 after [\d.]+ m?s$")

    def test_one_without_a_label_is_called_by_its_command(self):
        self.assertIn("started p1 (true)", notes(self.ok("run", "true", stdin=None))[0])

    def test_quiet_silences_all_of_it(self):
        finished = self.cli("run", "-q", "--label", "seven", "sh", "-c", "exit 7", stdin=b"input")
        self.assertEqual((finished.code, finished.err), (7, b""))

    def test_what_is_piped_in_is_said_not_to_arrive(self):
        self.assertIn("input is empty", notes(self.ok("run", "cat", stdin=b"dropped"))[1])
        (self.place.work / "text").write_text("dropped")
        with open(self.place.work / "text", "rb") as text, open(os.devnull, "rb") as null:
            for stdin, is_said in ((text, True), (null, False)):
                ran = subprocess.run(
                    [harness.BIN / "persistproc", "run", "cat"],
                    stdin=stdin,
                    capture_output=True,
                    env=self.place.environment,
                    cwd=self.place.work,
                    timeout=harness.PATIENCE,
                )
                self.assertEqual(b"input is empty" in ran.stderr, is_said, ran)

    def test_joining_shows_the_last_lines_and_what_does_not_apply(self):
        command = harness.python("import time\nfor i in range(30): print('line', i)\ntime.sleep(600)")
        self.start("api", command, "-e", "PORT=1", "-e", "SAME=s3cret")
        self.ok("wait", "api", "--pattern", "line 29")

        def joined(*flags):
            client = self.background("run", "--label", "api", *flags, *command)
            client.until_output(b"line 29\n")
            client.signal(signal.SIGINT)
            return client.wait()

        plain = joined()
        self.assertEqual(plain.out.decode().splitlines(), [f"line {i}" for i in range(20, 30)])
        self.assertRegex(notes(plain)[0], r"^joined p1 \(api\), PID \d+; Ctrl\+C detaches, it goes on$")
        self.assertEqual(notes(plain)[1:], ["detached; p1 (api) goes on", "back: persistproc output -f api; stop: persistproc stop api"])
        self.assertEqual(joined("--history", "2").out, b"line 28\nline 29\n")

        other = joined("-e", "PORT=s3cret2", "-e", "SAME=s3cret")
        self.assertIn("joined with another environment (PORT); persistproc restart -e PORT=… api", notes(other))
        (self.place.work / ".env").write_text("HOST=s3cret3\n")
        filed = joined("--env-file", ".env", "-e", "PORT=s3cret4")
        self.assertIn(
            "joined with another environment (HOST, PORT); persistproc restart -e PORT=… --env-file .env api",
            notes(filed),
        )
        settings = joined("--restart", "always", "--grace", "3", "-e", "PORT=2")
        self.assertIn("joined as it is, without --restart, --grace, environment (PORT); --fresh replaces it", notes(settings))
        for each in (other, filed):
            self.assertNotIn(b"s3cret", each.err)
        started = self.cli("start", "--label", "api", "-e", "PORT=2", *command)
        self.assertIn("joined with another environment (PORT); persistproc restart -e PORT=… api", notes(started))
        agent = self.mcp().call(
            "start_process", command=command, working_directory=str(self.place.work), label="api", environment={"PORT": "s3cret"}
        )
        self.assertIn("environment PORT", agent.text)
        self.assertNotIn("s3cret", json.dumps(agent.result))

    def test_a_join_that_may_stop_it_says_so(self):
        self.start("web", harness.python(DEAF))
        client = self.background("run", "--label", "web", "--on-exit", "stop", *harness.python(DEAF))
        client.until_output(b"deaf\n")
        self.assertIn("Ctrl+C will stop it for all", notes(client.err)[0])
        self.ok("stop", "--force", "web")

    def test_colours_are_asked_for_by_a_flag_alone(self):
        show = ["sh", "-c", 'echo "<$FORCE_COLOR$CLICOLOR_FORCE>"']
        self.place.environment.pop("FORCE_COLOR", None)
        self.place.environment.pop("CLICOLOR_FORCE", None)
        self.assertEqual(self.ok("run", *show).out, b"<>\n")
        self.assertEqual(self.ok("run", "--color", *show).out, b"<11>\n")
        self.assertEqual(self.ok("run", "--color", "-e", "FORCE_COLOR=0", *show).out, b"<01>\n")

    def test_a_signal_that_was_ignored_stays_ignored(self):
        client = subprocess.Popen(
            ["nohup", harness.BIN / "persistproc", "run", "--label", "web", *harness.python(DEAF)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.place.environment,
            cwd=self.place.work,
        )
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        self.assertEqual(client.stdout.readline(), b"deaf\n")
        client.send_signal(signal.SIGHUP)
        self.ok("signal", "TERM", "web")  # it is deaf; the client has had time to leave
        self.ok("wait", "web", "--quiet", "0.2")
        self.assertIsNone(client.poll())
        client.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(harness.PATIENCE), 0)


class Ends(harness.TestCase):
    def followed(self, label, *arguments):
        """`run` and `output -f` of one process."""
        clients = [
            self.background("run", "--label", label, *arguments),
            self.background("output", "-f", label),
        ]
        for client in clients:
            client.until_output(b"up\n")
        return clients

    def test_who_stopped_it(self):
        command = ["sh", "-c", "echo up; exec sleep 600"]
        self.start("api", command)
        for client in self.followed("api", *command):
            self.addCleanup(client.wait)
        clients = self.followed("api", *command)
        waiting = self.background("wait", "api", "--exit")
        harness.eventually("it waits", lambda: waiting.process.poll() is None)
        self.mcp().call("stop_process", process="api")
        for client in [*clients, waiting]:
            self.assertRegex(notes(client.wait())[-1], r'^p1 \(api\) was stopped by agent "e2e" after [\d.]+ m?s$')
        self.ok("start", "api")
        again = self.background("output", "-f", "api")
        again.until_output(b"up\n")
        self.ok("stop", "api")
        self.assertRegex(notes(again.wait())[-1], r"^p1 \(api\) was stopped from a command line after ")

    def test_a_crash(self):
        finished = self.cli("run", "--label", "crash", "sh", "-c", "kill -SEGV $$")
        self.assertEqual(finished.code, 139)
        self.assertRegex(notes(finished)[-1], r"^p1 \(crash\) was killed by SIGSEGV after [\d.]+ m?s")

    def test_restarts_and_what_comes_next(self):
        gate = self.place.work / "gate"
        client = self.background("run", "--label", "loop", "--restart", "on_failure:3", *harness.python(GATED, str(gate), "3"))
        harness.eventually("it runs", lambda: self.cli("list").out.count(b"running"))
        gate.touch()
        finished = client.wait()
        self.assertEqual(finished.code, 3)
        said = notes(finished)
        self.assertRegex(said[1], r"^p1 \(loop\) exited with code 3 after .*s; (restarts in [\d.]+ m?s|it will be restarted)$|"
                                  r"^p1 \(loop\) exited with code 3$")
        self.assertTrue(any(line.startswith("restarted as p1.2, PID ") for line in said), said)
        self.assertIn("; it ended too often and is not restarted any more", said[-1])

    def test_json_streams_hold_them_as_objects(self):
        finished = self.cli("run", "--json", "--label", "seven", "sh", "-c", "echo one; exit 7")
        line, end = [json.loads(each) for each in finished.out.splitlines()]
        self.assertEqual(line["text"], "one")
        self.assertEqual((end["event"], end["run"], end["exit_code"]), ("exited", "p1.1", 7))
        self.start("web", ["sh", "-c", "echo up; exec sleep 600"])
        follower = self.background("output", "-f", "--json", "web")
        follower.until_output(b"up")
        self.ok("restart", "web")
        follower.until_output(b"restarted")
        self.mcp().call("stop_process", process="web")
        objects = [json.loads(each) for each in follower.wait().out.splitlines()]
        events = [each for each in objects if "event" in each]
        self.assertEqual([each["event"] for each in events], ["restarted", "stopped"])
        self.assertEqual(events[0]["run"], "p2.2")
        self.assertIsInstance(events[0]["pid"], int)
        self.assertEqual((events[1]["run"], events[1]["stopped_by"], events[1]["signal"]), ("p2.2", 'agent "e2e" 1', "SIGTERM"))

    def test_wait_says_what_came_instead(self):
        gate = self.place.work / "gate"
        self.start("web", harness.python(GATED, str(gate), "3"))
        waiting = self.background("wait", "web", "--port", "21031")
        gate.touch()
        finished = waiting.wait()
        self.assertRegex(notes(finished)[-1], r"^p1 \(web\) exited with code 3 after [\d.]+ m?s before port 21031 listened$")

    def test_a_wait_for_what_had_ended_knows_nothing_of_before(self):
        self.start("web", ["sleep", "600"])
        self.ok("stop", "web")
        for condition in (["--port", "21031"], ["--ready"], ["--quiet", "1"]):
            with self.subTest(condition):
                finished = self.cli("wait", "web", *condition, "--timeout", "20")
                self.assertEqual(finished.code, 125)
                self.assertRegex(notes(finished)[-1],
                                 r"^p1 \(web\) was stopped from a command line after [\d.]+ m?s before this wait began$")
        told = self.mcp().call("wait_for_process", process="web", until="port")
        self.assertIn("; run p1.1 ended before this wait began (port)", told.text)

    def test_wait_ends_with_an_error(self):
        self.start("web", ["sh", "-c", "echo 'ValueError: bad' >&2; exec sleep 600"])
        waited = self.cli("wait", "web", "--pattern", "^ready", "--timeout", "20")
        self.assertEqual(waited.code, 125)
        self.assertEqual(
            waited.err.decode(),
            "persistproc: p1 (web) printed an error before a line matched: ValueError: bad\n  ValueError: bad\n",
        )
        told = self.cli("wait", "web", "--pattern", "^ready", "--timeout", "20", "--json").json()["error"]
        self.assertEqual((told["code"], told["printed"]["message"]), ("conflict", "ValueError: bad"))

    def test_a_wait_for_one_that_crashes_again_and_again_says_how(self):
        crashes = ["sh", "-c", "echo 'ValueError: bad' >&2; exit 3"]
        self.start("loop", crashes, "--restart", "always")
        # Of one that has failed twice it is known in every state; which one it is in then is chance.
        harness.eventually("it has failed twice", lambda: int((self.view("loop")["run"] or "p1.0").split(".")[1]) > 2)
        waited = self.cli("wait", "loop", "--pattern", "^ready", "--timeout", "0.05")
        self.assertEqual(waited.code, 124)
        self.assertRegex(
            waited.err.decode(),
            r"(?s)^persistproc: p1 \(loop\) is .*; no line matched within 50 ms; lived .*\n  ValueError: bad\n$",
        )
        self.assertNotRegex(waited.err.decode(), r"\d{4}-\d\d-\d\dT")

    def test_wait_tells_of_an_end_when_it_was(self):
        self.start("ok", ["true"])
        self.start("web", ["sleep", "600"])
        self.ok("stop", "web")
        for label in ("ok", "web"):
            waited, view = self.cli("wait", label, "--exit", "--json").json(), self.view(label)
            self.assertEqual((waited["started_at"], waited["ended_at"]), (view["started_at"], view["ended_at"]))
        both = self.cli("wait", "ok", "web", "--exit", "--json").json()["waits"]
        self.assertEqual([each["ended_at"] for each in both], [self.view(each)["ended_at"] for each in ("ok", "web")])

    def test_the_end_of_one_in_its_pause_is_that_of_its_next_run(self):
        script = "test -e gate && exit 7; exit 4"
        self.cli("start", "--label", "bk", "--restart", "on-failure:5", "sh", "-c", script, cwd=self.place.work)
        harness.eventually("its pause", lambda: self.view("bk")["state"] == "backoff" and self.view("bk")["run"] == "p1.3")
        (self.place.work / "gate").touch()
        waited = self.cli("wait", "bk", "--exit")
        self.assertEqual(waited.code, 7, waited)

    def test_what_several_printed_stands_behind_their_labels(self):
        for label in ("x", "y"):
            self.start(label, ["sh", "-c", "echo ready; exec sleep 600"])
        waited = self.ok("wait", "x", "y", "--pattern", "ready")
        self.assertEqual(sorted(waited.out.decode().splitlines()), ["p1 (x): ready", "p2 (y): ready"])

    def test_a_slow_stop_says_what_it_waits_for(self):
        self.start("slow", harness.python(DEAF), "--grace", "2")
        self.ok("wait", "slow", "--pattern", "deaf")
        stopped = self.ok("stop", "slow")
        self.assertEqual(
            notes(stopped),
            [
                "stopping p1 (slow), up to 2 s; Ctrl+C leaves, the stop goes on",
                "at once: persistproc stop --force slow",
            ],
        )
        self.start("slow3", harness.python(DEAF), "--grace", "2")
        self.ok("wait", "slow3", "--pattern", "deaf")
        removed = self.ok("rm", "-f", "slow3")
        self.assertEqual(notes(removed)[0], "stopping p2 (slow3), up to 2 s; Ctrl+C leaves, the stop goes on")
        client = self.background("run", "--label", "slow2", "--grace", "2", "--on-exit", "stop", *harness.python(DEAF))
        client.until_output(b"deaf\n")
        client.signal(signal.SIGINT)
        finished = client.wait()
        self.assertEqual(finished.code, 0)
        self.assertEqual(notes(finished)[1], "stopping p3 (slow2), up to 2 s; Ctrl+C again kills it")
        self.assertRegex(notes(finished)[2], r"^p3 \(slow2\) was stopped after ")

    def test_what_waits_for_a_slow_end_says_so(self):
        command = harness.python(DEAF)
        self.start("slow", command, "--grace", "2")

        def said(*arguments):
            self.ok("wait", "slow", "--pattern", "deaf")
            return notes(self.ok(*arguments))

        again = ["stopping p1 (slow), up to 2 s; Ctrl+C leaves, the start goes on", "at once: persistproc signal KILL slow"]
        self.assertEqual(said("start", "--fresh", "--label", "slow", "--grace", "2", *command), again)
        self.assertEqual(said("start", "--fresh", "slow"), again)
        self.assertEqual(
            said("restart", "slow"),
            [again[0].replace("start", "restart"), "at once: persistproc restart --force slow"],
        )
        self.ok("wait", "slow", "--pattern", "deaf")
        stop = self.background("stop", "slow", "--grace", "600")
        harness.eventually("it is being stopped", lambda: self.view("slow")["state"] == "stopping")
        start = self.background("start", "slow")
        harness.eventually("it is told", lambda: len(notes(start.err)) == 2)
        self.assertEqual(notes(start.err), [again[0].replace("2 s", "10m 0s"), again[1]])
        os.kill(self.view("slow")["pid"], signal.SIGKILL)
        self.assertEqual((start.wait().code, stop.wait().code), (0, 0))
        self.ok("wait", "slow", "--pattern", "deaf")
        client = self.background("run", "--fresh", "--label", "slow", "--grace", "2", *command)
        client.until_output(b"deaf")
        client.signal(signal.SIGINT)
        self.assertEqual(
            notes(client.wait())[:2], [again[0].replace("Ctrl+C leaves", "Ctrl+C twice leaves"), again[1]]
        )

    def test_what_is_said_to_end_it_at_once_does(self):
        self.start("slow", harness.python(DEAF), "--grace", "600")
        self.ok("wait", "slow", "--pattern", "deaf")
        pid = self.view("slow")["pid"]
        client = self.background("restart", "slow")
        harness.eventually("it is told", lambda: len(notes(client.err)) == 2)
        self.ok(*notes(client.err)[1].removeprefix("at once: persistproc ").split())
        self.assertEqual(client.wait().code, 0)
        self.assertNotEqual(self.view("slow")["pid"], pid)
        self.ok("stop", "--force", "slow")

    def test_ctrl_c_in_start_leaves_and_the_start_goes_on(self):
        self.start("slow", harness.python(DEAF), "--grace", "600")
        self.ok("wait", "slow", "--pattern", "deaf")
        client = self.background("start", "--fresh", "slow")
        harness.eventually("it is being stopped", lambda: self.view("slow")["state"] == "stopping")
        harness.eventually("it is told", lambda: len(notes(client.err)) == 2)
        client.signal(signal.SIGINT)
        finished = client.wait()
        self.assertEqual((finished.code, notes(finished)[-1]), (-signal.SIGINT, "left; the start goes on"), finished)
        self.ok("signal", "KILL", "slow")
        harness.eventually("it runs again", lambda: self.view("slow")["run"] == "p1.2")

    def test_a_slow_shutdown_says_what_it_waits_for(self):
        self.start("slow", harness.python(DEAF), "--grace", "2")
        self.ok("wait", "slow", "--pattern", "deaf")
        said = notes(self.ok("shutdown"))
        self.assertEqual(said, [
            "stopping p1 (slow), up to 2 s; Ctrl+C leaves, the shutdown goes on",
            "at once: persistproc signal KILL slow",
            "the daemon has ended; 1 process was stopped",
        ])

    def test_ctrl_c_in_shutdown_leaves_and_the_shutdown_goes_on(self):
        pid = self.start("slow", harness.python(DEAF), "--grace", "600")["pid"]
        self.ok("wait", "slow", "--pattern", "deaf")
        client = self.background("shutdown")
        harness.eventually("it is told", lambda: len(notes(client.err)) == 2)
        client.signal(signal.SIGINT)
        finished = client.wait()
        self.assertEqual((finished.code, notes(finished)[-1]), (-signal.SIGINT, "left; the shutdown goes on"), finished)
        os.kill(pid, signal.SIGKILL)
        self.daemon.process.wait(harness.PATIENCE)

    def test_ctrl_c_while_a_beginning_is_watched_leaves_what_has_begun(self):
        for command in (["start", "--label", "s5", "--settle", "600", "sleep", "33"], ["restart", "--settle", "600", "s5"]):
            before = [view["run"] for view in self.views()]
            client = self.background(*command)
            harness.eventually("it runs", lambda: [v["run"] for v in self.views() if v["state"] == "running"] not in ([], before))
            # Whoever asks behind it has been answered: so has it.
            self.ok("list")
            client.signal(signal.SIGINT)
            finished = client.wait()
            self.assertEqual((finished.code, notes(finished)), (-signal.SIGINT, ["left; p1 (s5) goes on"]), finished)

    def test_one_who_watches_a_beginning_goes_on_with_what_a_restart_begins(self):
        for number, command in enumerate((["start", "--label", "j12", "--settle", "600", "sleep", "30"], ["restart", "--settle", "600", "j12"])):
            before = [view["run"] for view in self.views()]
            client = self.background(*command)
            harness.eventually("it runs", lambda: [v["run"] for v in self.views() if v["state"] == "running"] not in ([], before))
            self.ok("restart", "j12")
            os.kill(self.view("j12")["pid"], signal.SIGUSR1)
            finished = client.wait()
            self.assertEqual((finished.code, finished.out), (1, b""), finished)
            self.assertIn(b"p1 (j12) was killed by SIGUSR1", finished.err, number)

    def test_one_that_is_removed_while_its_beginning_is_watched_is_told_as_that(self):
        client = self.background("start", "--label", "sw", "--settle", "600", "sleep", "100")
        harness.eventually("it runs", lambda: [v["state"] for v in self.views()] == ["running"])
        # Whoever asks behind it has been answered: so has it.
        self.ok("list")
        harness.suspend(client.process.pid)
        self.ok("rm", "-f", "sw")
        client.signal(signal.SIGCONT)
        finished = client.wait()
        self.assertEqual((finished.code, notes(finished)), (1, ["p1 (sw) was stopped and removed from a command line"]), finished)

    def test_ctrl_c_in_stop_leaves_and_the_stop_goes_on(self):
        self.start("slow", harness.python(DEAF), "--grace", "20")
        self.ok("wait", "slow", "--pattern", "deaf")
        # As a client without a handler ends: a shell goes on with its script where one merely exits.
        for command, number, said in (
            ("stop slow", signal.SIGINT, "left; the stop goes on"),
            ("stop slow", signal.SIGTERM, "left; the stop goes on"),
            ("restart slow", signal.SIGHUP, "left; the restart goes on"),
            ("wait slow --exit", signal.SIGINT, "no longer waiting for slow"),
        ):
            client = self.background(*command.split())
            # Its handler is there once it has asked.
            caught = lambda: re.search(r"^SigCgt:\s+(\w+)", pathlib.Path(f"/proc/{client.process.pid}/status").read_text(), re.M)[1]
            harness.eventually("it waits", lambda: int(caught(), 16) >> (number - 1) & 1)
            harness.eventually("it is being stopped", lambda: self.view("slow")["state"] == "stopping")
            client.signal(number)
            finished = client.wait()
            self.assertEqual((finished.code, notes(finished)[-1]), (-number, said), finished)
        self.assertEqual(self.view("slow")["state"], "stopping")
        self.ok("stop", "--force", "slow")

    def test_a_terminal_shows_none_of_it_behind_other_words(self):
        terminal = self.terminal("run", "--label", "web", "sh", "-c", "printf half; exec sleep 600")
        terminal.until(b"half")
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn(b"half^C\r\npersistproc: detached; p1 (web) goes on\r\npersistproc: back: ", terminal.seen)

    def test_what_is_typed_is_said_once_not_to_arrive(self):
        terminal = self.terminal("run", "--label", "web", "sh", "-c", "echo hello; exec sleep 600")
        terminal.until(b"hello")
        terminal.type(b"yes\n")
        terminal.until(b"persistproc: its input is empty: what is typed here is not passed on\r\n")
        terminal.type(b"again\n")
        terminal.until(b"again\r\n")
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(terminal.seen.count(b"not passed on"), 1)

    def test_a_program_that_ends_at_once_for_want_of_input_is_explained(self):
        for command, times in ((["cat"], 1), (["sh", "-c", "printf '>>> '; read line; exit 0"], 1), (["echo", "done"], 0),
                               (["false"], 0)):
            terminal = self.terminal("run", *command)
            self.assertEqual(terminal.wait(), command == ["false"])
            self.assertEqual(terminal.seen.count(b"its input is empty: what is typed here is not passed on"), times, terminal.seen)

    def test_a_file_of_both_streams_shows_none_of_it_behind_other_words(self):
        both = subprocess.run(
            [harness.BIN / "persistproc", "run", "--label", "web", "printf", "half"],
            env=self.place.environment, cwd=self.place.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.assertRegex(both.stdout.decode(), r"\nhalf\npersistproc: p1 \(web\) exited with code 0 after ")


class Settling(harness.TestCase):
    def test_what_fails_at_once_is_told_with_its_last_words(self):
        script = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; done; exit 5"
        failed = self.cli("start", "--settle", "10", "--label", "ff", "sh", "-c", script)
        self.assertEqual((failed.code, failed.out), (1, b""), failed)
        lines = failed.err.decode().splitlines()
        self.assertRegex(lines[0], r"^persistproc: p1 \(ff\) exited with code 5 after [\d.]+ m?s; its last output:$")
        self.assertEqual(lines[1:], [f"  line {i}" for i in range(11, 21)])
        again = self.cli("start", "--settle", "10", "ff")
        self.assertEqual(again.code, 1, again)
        silent = self.cli("start", "--settle", "10", "false")
        self.assertEqual(silent.code, 1)
        self.assertOneLine(silent.err, "p2 (false) exited with code 1 after", "it printed nothing")
        document = self.cli("start", "--settle", "10", "--json", "--label", "ff", "sh", "-c", "exit 5")
        self.assertEqual((document.code, document.json()["exit_code"]), (1, 5))

    def test_what_is_wrong_is_told_where_the_last_words_do_not_say_it(self):
        stack = "Error: no such module\n" + "".join(f"    at f (a.js:{i}:1)\n" for i in range(1, 21))
        (self.place.work / "stack").write_text(stack)
        failed = self.cli("start", "--settle", "10", "--label", "ff", "sh", "-c", "cat stack >&2; exit 5")
        lines = failed.err.decode().splitlines()
        self.assertRegex(lines[0], r"^persistproc: p1 \(ff\) exited with code 5 after [\d.]+ m?s; its last error: a\.js:1:1: Error: no such module$")
        self.assertEqual(lines[1:], ["persistproc: its last output:", *(f"      at f (a.js:{i}:1)" for i in range(11, 21))])
        (self.place.work / "stack").write_text("Error: no such module\n    at f (a.js:1:1)\n")
        short = self.cli("restart", "--settle", "10", "ff").err
        self.assertEqual(short.count(b"no such module"), 1, short)

    def test_restart_settles_as_start_does(self):
        script = "test -e fine && exec sleep 600; echo oops; exit 5"
        self.start("web", ["sh", "-c", script])
        self.start("other", ["sleep", "600"])
        failed = self.cli("restart", "--settle", "10", "web")
        self.assertEqual((failed.code, failed.out), (1, b""), failed)
        self.assertRegex(failed.err.decode(), r"^persistproc: p1 \(web\) exited with code 5 after [\d.]+ m?s; its last output:\n  oops\n$")
        document = self.cli("restart", "--settle", "10", "--json", "web")
        self.assertEqual((document.code, document.json()["exit_code"]), (1, 5))
        several = self.cli("restart", "--settle", "1", "web", "other")
        self.assertEqual(several.code, 1, several)
        self.assertRegex(several.out.decode(), r"^p2 \(other\) is running, PID \d+ \(was \d+\)\n$")
        self.assertEqual(self.cli("restart", "web").code, 0)
        terminal = self.terminal("restart", "web")
        self.assertEqual(terminal.wait(), 1)
        self.assertIn(b"oops", terminal.seen)
        (self.place.work / "fine").touch()
        self.assertRegex(self.ok("restart", "--settle", "0.2", "web").out.decode(), r"^p1 \(web\) is running, PID \d+\n$")

    def test_nothing_is_ended_for_what_cannot_begin(self):
        program = self.place.work / "app"
        folder = self.place.work / "folder"

        def begin():
            folder.mkdir(exist_ok=True)
            program.unlink(missing_ok=True)
            shutil.copy("/bin/sleep", program)
            return self.ok("start", "--fresh", "--json", "--label", "app", "-C", "folder", str(program), "600").json()["pid"]

        for gone, code, word in ((program.unlink, 127, "no such file"), (folder.rmdir, 2, "does not exist")):
            pid = begin()
            gone()
            for again in (["restart", "app"], ["start", "--fresh", "app"], ["restart", "-e", "A=1", "app"]):
                refused = self.cli(*again)
                self.assertEqual(refused.code, code, refused)
                self.assertOneLine(refused.err, word, "nothing was done, p1 \"app\" runs on")
                self.assertEqual(self.view("app")["pid"], pid)
            answer = self.mcp().call("restart_process", process="app")
            self.assertTrue(answer.is_error)
            self.assertIn("p1 \"app\" runs on", answer.text)
        self.ok("stop", "app")
        folder.mkdir()
        program.unlink()
        self.assertOneLine(self.cli("start", "app").err, f"{program}: no such file")
        pid = begin()
        program.unlink()
        refused = self.cli("start", "--fresh", "--label", "app", "-C", "folder", str(program), "600")
        self.assertEqual(refused.code, 127, refused)
        self.daemon.restart()
        self.assertEqual(self.cli("restart", "app").code, 127)
        self.assertEqual((self.view("app")["pid"], self.view("app")["state"]), (pid, "running"))
        self.assertEqual(self.view("app")["run"], "p1.3")

    def test_the_path_that_is_asked_for_is_where_it_is_looked_for(self):
        shutil.copy("/bin/sleep", self.place.work / "dozer")
        self.start("web", ["dozer", "600"], "-e", f"PATH={self.place.work}")
        self.assertEqual(self.cli("restart", "-e", "PATH=/bin", "web").code, 127)
        self.assertEqual(self.ok("restart", "web").code, 0)

    def test_an_end_with_0_is_success(self):
        finished = self.ok("start", "--settle", "10", "true")
        self.assertRegex(finished.out.decode(), r"^p1 \(true\) exited with code 0 after [\d.]+ m?s\n$")

    def test_one_that_lives_is_running(self):
        finished = self.ok("start", "--settle", "0.2", "--label", "web", "sleep", "600")
        self.assertRegex(finished.out.decode(), r"^p1 \(web\) is running, PID \d+\n$")

    def test_ends_of_several_restarts_are_told_once(self):
        for label in ("a", "b"):
            self.cli("start", "--label", label, "sh", "-c", "exit 5")
        finished = self.cli("restart", "a", "b", "--settle", "10")
        self.assertEqual((finished.code, finished.out), (1, b""))
        self.assertEqual(finished.err.count(b"exited with code 5"), 2)

    def test_a_new_label_for_what_exists_is_a_rename(self):
        self.cli("start", "--label", "a", "sh", "-c", "exit 5")
        self.cli("wait", "a", "--exit")
        finished = self.cli("start", "a", "--label", "b")
        self.assertOneLine(finished.err, "persistproc start a starts it again as it is", "persistproc rename a LABEL")

    def test_scripts_are_not_kept_waiting_and_terminals_are(self):
        self.assertEqual(self.cli("start", "--label", "ff", "sh", "-c", "exit 5").code, 0)
        terminal = self.terminal("start", "--label", "gg", "sh", "-c", "exit 5")
        self.assertEqual(terminal.wait(), 1)
        self.assertIn(b"exited with code 5", terminal.seen)


class PrintedErrors(harness.TestCase):
    def test_a_wait_that_ends_by_one_says_where_it_is(self):
        (self.place.work / "app.py").write_text("import time\ntime.sleep(0.1)\n{}['key']\n")
        self.start("app", [sys.executable, "app.py"])
        for words in (["--exit"], ["--pattern", "never"], ["--port", "1"]):
            waited = self.cli("wait", "app", *words)
            self.assertEqual(waited.code, 1 if words == ["--exit"] else 125, waited)
            self.assertOneLine(waited.err, "p1 (app) exited with code 1 after", "; error at app.py:3: KeyError: 'key'")


class TakenPorts(harness.TestCase):
    server = (
        "import socket, sys\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "port = int(sys.argv[1])\n"
        "try: s.bind(('127.0.0.1', port))\n"
        "except OSError as e: sys.exit(f'Error: listen EADDRINUSE: address already in use 127.0.0.1:{port}')\n"
        "s.listen(); print('listening', flush=True)\nimport time; time.sleep(600)"
    )

    def test_one_of_ours_is_named_by_its_id(self):
        port = harness.free_port()
        self.start("api", harness.python(self.server, str(port)))
        self.ok("wait", "api", "--port", str(port))
        second = harness.python(self.server, str(port))
        for arguments in (["run", "--label", "dup"], ["start", "--settle", "10", "--label", "dup2"]):
            finished = self.cli(*arguments, *second)
            self.assertEqual(finished.code, 1)
            self.assertEqual(notes(finished)[-1], f'port {port} is held by p1 "api": persistproc stop p1')
        # Whoever asks about it is told, too, whether its words name the port or its command does.
        said = f'port {port} is held by p1 "api": persistproc stop p1'
        server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        self.start("dup3", server)
        for waiting in (["--exit"], ["--port", str(port)]):
            waited = self.cli("wait", "dup3", *waiting)
            self.assertOneLine(waited.err, f"p4 (dup3) exited with code 1 after ", f"; {said}")
        self.assertEqual(self.cli("wait", "dup3", "--json").json()["failure"]["holder_process"], "p1")
        self.assertRegex(self.cli("status", "dup3").out.decode(), f"\nwhy +lived [^\n]*; {said}\n")
        self.assertNotIn("failure", self.cli("wait", "api", "--exit", "--json", "--timeout", "0").out.decode())

    def test_another_is_named_by_its_program(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            finished = self.cli("run", *harness.python(self.server, str(port)))
        self.assertRegex(notes(finished)[-1], rf"^port {port} is held by \S+ \(PID {os.getpid()}\)$")

    def test_a_wait_for_a_port_that_the_program_does_not_want(self):
        """Its holder is a fact, and to stop it no advice."""
        api, web = harness.free_port(), harness.free_port()
        self.start("api", harness.python(self.server, str(api)))
        self.start("web", harness.python(self.server, str(web)))
        for label, port in (("api", api), ("web", web)):
            self.ok("wait", label, "--port", str(port))
        told = self.mcp().call("wait_for_process", process="web", port=api, timeout_seconds=0.1)
        self.assertIn(f': port (it listens on {web}); ', told.text)
        self.assertIn(f'; port {api} is held by p1 "api"; cursor', told.text)
        self.assertEqual((told.meta["failure"]["held_port"], told.meta["failure"]["only_awaited"]), (api, True))
        late = self.cli("wait", "web", "--port", str(api), "--timeout", "0.1")
        self.assertOneLine(late.err, f"port {api} did not listen within 100 ms: it listens on {web}", f'port {api} is held by p1 "api"')
        self.assertNotIn(b"persistproc stop", late.err)
        # One that was given the port wants it.
        self.start("other", ["sh", "-c", "sleep 600 # $0", str(api)])
        self.start("third", ["sleep", "600"], "-e", f"PORT={api}")
        for label in ("other", "third"):
            late = self.cli("wait", label, "--port", str(api), "--timeout", "0.1")
            self.assertOneLine(late.err, f'port {api} is held by p1 "api": persistproc stop p1')

    def test_a_later_end_names_it_too(self):
        """Whose first end had another reason."""
        port = harness.free_port()
        self.start("api", harness.python(self.server, str(port)))
        self.ok("wait", "api", "--port", str(port))
        script = 'if test -e "$1"; then echo "listen EADDRINUSE: address already in use :$2"; fi; touch "$1"; exit 1'
        words = ["--restart", "on-failure:9", "sh", "-c", script, "sh", str(self.place.work / "again"), str(port)]
        shown = self.background("run", "--label", "loop", *words)
        harness.eventually("it is named", lambda: f'port {port} is held by p1 "api"'.encode() in shown.err)
        self.ok("stop", "loop")

    def test_pythons_own_words_hold_no_number(self):
        port = harness.free_port()
        server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        self.start("web", server)
        self.ok("wait", "web", "--port", str(port))
        finished = self.cli("start", "--settle", "20", "--label", "again", *server)
        self.assertEqual((finished.code, notes(finished)[-1]), (1, f'port {port} is held by p1 "web": persistproc stop p1'), finished)


class Silence(harness.TestCase):
    def test_output_of_nothing_says_so(self):
        self.start("mute", ["sleep", "600"])
        shown = self.ok("output", "mute")
        self.assertEqual(shown.out, b"")
        self.assertRegex(
            notes(shown)[0], r"^p1 \(mute\) has printed nothing yet \(running for [\d.]+ m?s; it may buffer its output\)$"
        )
        self.cli("run", "--label", "over", "true")
        self.assertRegex(notes(self.ok("output", "over"))[0], r"^p2 \(over\) exited with code 0 after .*; it printed nothing$")
        self.assertEqual(notes(self.ok("output", "-f", "over"))[0], "p2 (over) printed nothing")
        following = self.background("output", "-f", "mute", "over")
        harness.eventually("told", lambda: b"none of them has printed anything yet\n" in following.err)
        self.cli("run", "--label", "loud", "echo", "x")
        self.assertEqual(self.ok("output", "loud").err, b"")
        self.assertEqual(notes(self.ok("output", "loud", "--err")), ["nothing was printed to stderr"])

    def test_a_run_that_printed_nothing_and_a_log_that_was_flushed_say_so(self):
        self.start("w", ["sh", "-c", "test -e quiet || echo old; exec sleep 600"])
        self.ok("wait", "w", "--pattern", "old")
        (self.place.work / "quiet").touch()
        self.ok("restart", "w")
        self.assertEqual(notes(self.ok("output", "w", "--run", "2")), ["nothing was printed in run 2"])
        self.ok("flush", "w")
        flushed = "p1 (w) has printed nothing since it was flushed"
        for words in (["output", "w"], ["logs", "w", "-n", "0"]):
            self.assertEqual(notes(self.ok(*words)), [flushed])
        for words in (["logs"], ["logs", "all"]):
            self.assertEqual(notes(self.ok(*words)), ["none of them has printed anything since it was flushed"])
        following = self.background("output", "-f", "w")
        harness.eventually("told", lambda: flushed.encode() in following.err)
        answer = self.mcp().call("get_process_output", process="w")
        self.assertIn("4 older bytes gone (size limit, flushed, or files changed)", answer.text)
        self.ok("stop", "w")
        self.assertIn(flushed, notes(self.ok("output", "w")))

    def test_logs_of_nothing_are_followed_with_a_word(self):
        following = self.background("logs", "-f")
        harness.eventually("told", lambda: b"no processes yet; what is started is followed\n" in following.err)
        self.start("a", ["sh", "-c", "echo up; exec sleep 600"])
        harness.eventually("followed", lambda: b"up" in following.out)

    def test_an_unfinished_line_does_not_stand_before_the_prompt(self):
        self.cli("run", "--label", "half", "printf", "65%%")
        self.assertEqual(self.ok("output", "half").out, b"65%")
        terminal = self.terminal("output", "half")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(terminal.seen, b"65%\r\n")


class NewEnvironments(harness.TestCase):
    # As it was given, not as a shell would set it.
    show = ["sh", "-c", 'echo "<$OWN|$INHERITED|$LATER|$PYTHONUNBUFFERED>"; exec sleep 600']

    def shown(self, run):
        self.ok("wait", "api", "--pattern", "<")
        return self.ok("output", "api", "--run", str(run)).out.decode().strip()

    def test_restart_sets_and_updates(self):
        self.place.environment.update({"INHERITED": "a"})
        self.place.environment.pop("PYTHONUNBUFFERED", None)
        self.start("api", self.show, "-e", "OWN=1")
        self.assertEqual(self.shown(1), "<1|a||1>")
        self.place.environment["INHERITED"] = "b"
        self.ok("restart", "-e", "LATER=x", "api")
        self.assertEqual(self.shown(2), "<1|a|x|1>")
        self.ok("restart", "api")
        self.assertEqual(self.shown(3), "<1|a|x|1>")
        self.ok("restart", "--update-env", "api")
        self.assertEqual(self.shown(4), "<1|b|x|1>")
        (self.place.work / ".env").write_text("OWN=2\nPYTHONUNBUFFERED=\n")
        self.daemon.restart()
        self.ok("restart", "--env-file", ".env", "-e", "LATER=y", "api")
        self.assertEqual(self.shown(5), "<2|b|y|>")
        self.place.environment["INHERITED"] = "c"
        self.daemon.restart()
        self.ok("stop", "api")
        self.ok("restart", "--update-env", "api")
        self.assertEqual(self.shown(6), "<2|c|y|>")
        self.assertEqual(sorted(self.ok("status", "api", "--json").json()["variables"]), ["LATER", "OWN", "PYTHONUNBUFFERED"])

    def test_bytes_that_are_no_text_arrive(self):
        self.start("api", self.show, "-e", "OWN=1")
        self.ok("restart", "-e", "OWN=\udcff", "api")
        self.assertIn(b"<\xff|", self.ok("output", "api", "--run", "2").out if self.shown(1) else b"")

    def test_wrong_ones_change_nothing(self):
        self.start("api", self.show, "-e", "OWN=1")
        pid = self.view("api")["pid"]
        self.assertEqual(self.cli("restart", "-e", "=x", "api").code, 2)
        self.assertNotEqual(self.cli("restart", "--env-file", "missing", "api").code, 0)
        self.assertEqual(self.view("api")["pid"], pid)


class Buffering(harness.TestCase):
    def test_python_is_asked_not_to_buffer_however_it_is_started(self):
        self.place.environment.pop("PYTHONUNBUFFERED", None)
        code = "import time; print('up'); time.sleep(600)"
        command = [sys.executable, "-c", code]
        self.ok("start", "--label", "client", *command)
        self.mcp().call("start_process", command=command, working_directory="/", label="agent")
        for label in ("client", "agent"):
            self.ok("wait", label, "--pattern", "up", "--timeout", "30")
        self.ok("start", "--label", "own", "-e", "PYTHONUNBUFFERED=", "sh", "-c", 'echo "<$PYTHONUNBUFFERED>"')
        self.wait_exit("own")
        self.assertEqual(self.ok("output", "own").out, b"<>\n")


class TheFirstTenMinutes(harness.TestCase):
    """Of a person at a terminal of 80 columns; what changes from run to run stands as N and T."""

    def screen(self, *arguments, until=None, typed=b""):
        terminal = self.terminal(*arguments)
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("hhhh", 24, 80, 0, 0))
        if until:
            terminal.until(until)
            terminal.type(typed)
        status = terminal.wait()
        lines = terminal.seen.decode().replace("\r", "").splitlines()
        for line in lines:
            if line.startswith("persistproc: "):
                self.assertLessEqual(len(line), 80, line)
        shown = [re.sub(r"\d+m? \d+s|[\d.]+ m?s\b", "T", re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines]
        return status, [re.sub(r"\b\d{2,}\b", "N", line) for line in shown]

    def test_each_screen(self):
        self.place.environment.pop("PYTHONUNBUFFERED", None)
        port = str(harness.free_port())
        (self.place.work / "web.py").write_text(
            "import http.server, os, sys\n"
            "server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\n"
            "print('serving', os.environ.get('COLOUR', 'grey')); server.serve_forever()\n"
        )
        web = (sys.executable, "web.py", port)
        self.assertEqual(
            self.screen("run", "--label", "web", *web, until=b"serving grey\r\n", typed=b"\x03"),
            (
                0,
                [
                    "persistproc: started p1 (web), PID N; Ctrl+C detaches, it goes on",
                    "serving grey",
                    "^C",
                    "persistproc: detached; p1 (web) goes on",
                    "persistproc: back: persistproc output -f web; stop: persistproc stop web",
                ],
            ),
        )
        listed = self.ok("list").out.decode().splitlines()
        self.assertRegex(listed[1], r"^p1 +web +running ")
        self.assertEqual(self.screen("logs", "web"), (0, ["serving grey"]))
        self.assertEqual(
            self.screen("restart", "-e", "COLOUR=blue", "web"), (0, ["p1 (web) is running, PID N (was N)"])
        )
        self.ok("wait", "web", "--port", port)
        self.assertEqual(self.screen("logs", "web"), (0, ["serving grey", "serving blue"]))
        self.assertEqual(
            self.screen("start", "--settle", "10", "--label", "crash", "sh", "-c", "echo oops >&2; exit 3"),
            (1, ["persistproc: p2 (crash) exited with code 3 after T; its last output:", "  oops"]),
        )
        status, conflict = self.screen("start", "--settle", "20", "--label", "again", *web)
        self.assertEqual((status, conflict[0]), (1, "persistproc: p3 (again) exited with code 1 after T; its last output:"))
        self.assertEqual(conflict[-2:], ["  OSError: [Errno N] Address already in use", 'persistproc: port N is held by p1 "web": persistproc stop p1'])
        status, stopped = self.screen("stop", "web")
        self.assertEqual((status, len(stopped)), (0, 1))
        self.assertRegex(stopped[0], r"p1 \(web\).* stopped")


class Joining(harness.TestCase):
    def test_what_is_usual_is_named_too_when_it_was_typed(self):
        self.start("eq", ["sleep", "400"], "--restart", "always", "--grace", "3s")
        for typed, named in (
            (["--restart", "never"], "--restart"),
            (["--restart", "no", "--grace", "10s"], "--restart, --grace"),
        ):
            joined = self.ok("start", "--label", "eq", *typed, "sleep", "400")
            self.assertOneLine(joined.err, f"joined as it is, without {named}; --fresh replaces it")
        self.assertEqual(self.ok("start", "--label", "eq", "sleep", "400").err, b"")


class Executing(harness.TestCase):
    def refused(self, *command):
        finished = self.cli("run", *command)
        self.assertNotIn(b"execve", finished.err)
        return finished.code, notes(finished)[-1]

    def write(self, name, text, mode=0o755):
        path = self.place.work / name
        path.write_text(text)
        path.chmod(mode)

    def test_what_is_wrong_with_the_file_and_what_to_type(self):
        self.write("app.js", "console.log(1)\n", 0o644)
        self.write("old.js", "#!/usr/bin/node18\n")
        self.write("dos.sh", "#!/bin/sh\r\necho\r\n")
        self.write("plain", "text", 0o644)
        self.assertEqual(self.refused("./app.js", "-x"), (126, "./app.js: not executable; try: node ./app.js -x"))
        self.assertEqual(
            self.refused("./old.js"),
            (127, "./old.js: /usr/bin/node18, which its first line names, is missing; try: node ./old.js"),
        )
        code, said = self.refused("./dos.sh")
        self.assertEqual(code, 127)
        self.assertIn("./dos.sh: its first line ends with CR LF", said)
        self.assertIn("try: sed -i", said)
        code, said = self.refused("./plain")
        self.assertEqual((code, said), (126, "./plain: not executable, and its first line names no interpreter"))
        self.write("tool", "#!/bin/sh\n", 0o644)
        self.assertEqual(self.refused("./tool"), (126, f"./tool: not executable; try: chmod +x {self.place.work}/tool"))
        self.assertEqual(self.refused("no-such-program"), (127, "no-such-program: no such program in PATH"))
        self.write("plain.py", "import time\n")
        self.assertEqual(
            self.refused("./plain.py", "-x"),
            (126, "./plain.py: its first line names no interpreter; try: python3 ./plain.py -x"),
        )
        self.write("flag.py", f"#!{sys.executable} -u\r\nprint(1)\r\n")
        code, said = self.refused("./flag.py")
        self.assertEqual(code, 126)
        self.assertIn("./flag.py: its first line ends with CR LF, as on Windows; try: sed -i", said)
        self.write("split.py", "#!/usr/bin/env -S python9 -u\n")
        self.assertEqual(self.refused("./split.py"), (127, './split.py: "python9", which its first line names, is missing'))
        self.write("other.sh", "#!/usr/bin/nopy\n")
        missing = "./other.sh: /usr/bin/nopy, which its first line names, is missing"
        self.assertEqual(self.refused("./other.sh"), (127, missing))
        self.write("env.py", "#!/usr/bin/env python9\n")
        self.write("env.sh", "#!/usr/bin/env sh\r\n")
        self.write("folder.sh", "#! /usr\n")
        self.write("nothing.sh", "#!\n")
        self.assertEqual(
            self.refused("./env.py"), (127, './env.py: "python9", which its first line names, is missing')
        )
        self.assertIn("its first line ends with CR LF", self.refused("./env.sh")[1])
        self.assertEqual(
            self.refused("./folder.sh"),
            (126, './folder.sh: "/usr", which its first line names, is no program that can be executed'),
        )
        self.assertIn("names no interpreter", self.refused("./nothing.sh")[1])
        self.assertEqual(self.views(), [])
        # None of them has used an id.
        self.assertIn(b"started p1 ", self.ok("run", "true").err)

    def test_what_cannot_be_executed_leaves_what_has_ended_as_it_was(self):
        self.write("dos.sh", "#!/bin/sh\r\necho\r\n")
        self.ok("run", "--label", "gold", "sh", "-c", "echo precious")
        before = self.views()
        for attempt in (
            ["run", "--label", "gold", "./dos.sh"],
            ["start", "--label", "gold", "nosuch"],
            ["start", "--fresh", "--label", "gold", "nosuch"],
        ):
            self.assertEqual(self.cli(*attempt).code, 127)
            self.assertEqual(self.views(), before)
        refused = self.mcp().call("start_process", command="nosuch", working_directory="/", label="gold")
        self.assertEqual(refused.error["code"], "exec_failed")
        self.assertEqual(self.views(), before)
        self.assertEqual(self.ok("logs", "gold").out, b"precious\n")

    def test_a_directory_that_is_gone_is_named(self):
        folder = self.place.work / "gone"
        folder.mkdir()
        self.ok("run", "-C", str(folder), "--label", "homeless", "true")
        folder.rmdir()
        for command in ("start", "restart"):
            refused = self.cli(command, "homeless")
            self.assertOneLine(refused.err, f"working_directory: {folder} does not exist")


if __name__ == "__main__":
    harness.main()
