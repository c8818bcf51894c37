"""`run`: exit codes, arguments, and what a signal to the client does."""
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess

import harness

# Prints a line, and another when it is told to end; the end itself is by the signal.
POLITE = """
import os, signal, sys, time
def leave(number, frame):
    print('bye', flush=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
signal.signal(signal.SIGTERM, leave)
print('hello', flush=True)
while True: time.sleep(60)
"""


class ExitCodes(harness.TestCase):
    def test_the_programs_own_code(self):
        for code in (0, 7, 255):
            with self.subTest(code):
                self.assertEqual(self.cli("run", "--label", f"c{code}", "sh", "-c", f"exit {code}").code, code)

    def test_128_plus_the_signal(self):
        finished = self.cli("run", "sh", "-c", "kill -TERM $$")
        self.assertEqual(finished.code, 143, finished)
        view = self.view("p1")
        self.assertEqual(
            (view["state"], view["signal"], view["exit_code"], view["reason"]), ("killed", "SIGTERM", None, "self")
        )

    def test_126_not_executable(self):
        (self.place.work / "plain").write_text("no program")
        finished = self.cli("run", "./plain")
        self.assertEqual(finished.code, 126, finished)
        self.assertOneLine(finished.err, "plain")

    def test_127_not_found(self):
        finished = self.cli("run", "no-such-program-here")
        self.assertEqual(finished.code, 127, finished)
        self.assertOneLine(finished.err, "no-such-program-here")

    def test_wait_exit_returns_the_programs_code(self):
        self.start("seven", ["sh", "-c", "exit 7"])
        self.assertEqual(self.wait_exit("seven").code, 7)
        self.start("crash", ["sh", "-c", "kill -SEGV $$"])
        self.assertEqual(self.wait_exit("crash").code, 139)
        self.start("sleeper", ["sleep", "60"])
        self.assertEqual(self.cli("wait", "sleeper", "--exit", "--timeout", "0.2").code, 124)

    def test_every_wait_whose_time_is_over_says_it_in_the_same_words(self):
        self.start("web", ["sleep", "600"])
        for flags, what in (([], "it did not end"), (["--exit"], "it did not end"), (["--pattern", "x"], "no line matched"),
                            (["--port", "1"], "port 1 did not listen"), (["--quiet", "60"], "it was not quiet")):
            late = self.cli("wait", "web", *flags, "--timeout", "0.05")
            why = ": it listens on nothing" if "--port" in flags else ""
            self.assertEqual((late.code, late.err.decode()), (124, f"persistproc: p1 (web) is running; {what} within 50 ms{why}\n"))
            late = self.cli("--json", "wait", "web", *flags, "--timeout", "0.05")
            self.assertEqual((late.code, late.json()["error"]["code"]), (124, "timeout"))

    def test_usage_is_2(self):
        self.assertEqual(self.cli("run").code, 2)
        self.assertEqual(self.cli("list", "--no-such-flag").code, 2)


class Arguments(harness.TestCase):
    def test_arguments_arrive_byte_for_byte(self):
        sent = [
            "two words",
            "'single'",
            '"double"',
            "--port",
            "3000",
            "-v",
            "",
            "\\back",
            "$HOME",
            "*",
            "a\nb",
            "[a,b]",
            "--",
            "ümlaut",
            "日本",
            "--label=x",
            "tab\there",
        ]
        code = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(os.fsencode(a) for a in sys.argv[1:]))"
        finished = self.cli("run", *harness.python(code, *sent))
        self.assertEqual(finished.code, 0, finished)
        self.assertEqual(finished.out.split(b"\0"), [os.fsencode(a) for a in sent])

    def test_arguments_that_are_no_text_are_never_changed(self):
        code = "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]))"
        finished = self.cli("run", *harness.python(code, "\udcff\udcfe"))
        if finished.code == 0:
            self.assertEqual(finished.out, b"\xff\xfe")
        else:
            self.assertEqual((finished.code, finished.out), (2, b""), finished)
            self.assertOneLine(finished.err)

    def test_directory_environment_and_input(self):
        (self.place.work / "sub").mkdir()
        code = (
            "import os, sys; print(os.getcwd(), os.environ['COLOUR'], os.environ['FROM_CALLER'], len(sys.stdin.read()))"
        )
        finished = self.cli("run", "-C", "sub", "-e", "COLOUR=blue", *harness.python(code), env={"FROM_CALLER": "yes"})
        self.assertEqual(finished.out.decode(), f"{os.path.realpath(self.place.work)}/sub blue yes 0\n", finished)

    def test_json_is_one_document_per_line(self):
        finished = self.cli("run", "--json", "sh", "-c", "echo one; echo two; exit 3")
        self.assertEqual(finished.code, 3, finished)
        self.assertTrue([json.loads(line) for line in finished.out.splitlines()])


    def test_what_a_program_prints_never_reaches_the_daemon_through_closed_descriptors(self):
        command = f"exec '{harness.BIN}/persistproc' run --label closed sleep 60 >&- 2>&- <&-"
        client = subprocess.Popen(["sh", "-c", command], env=self.place.environment, cwd=self.place.work)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        harness.eventually("it runs", lambda: self.view("closed").get("state") == "running")
        for fd in (0, 1, 2):
            self.assertEqual(os.readlink(f"/proc/{client.pid}/fd/{fd}"), "/dev/null")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(harness.PATIENCE), 0)


class Joining(harness.TestCase):
    def test_a_second_run_joins_and_fresh_replaces(self):
        first = self.background("run", "--label", "web", *harness.python(POLITE))
        first.until_output(b"hello\n")
        pid = self.view("web")["pid"]
        second = self.background("run", "--label", "web", "--history", "10", *harness.python(POLITE))
        second.until_output(b"hello\n")
        self.assertEqual(self.view("web")["pid"], pid)
        self.assertEqual(len(self.views()), 1)
        third = self.background("run", "--label", "web", "--fresh", *harness.python(POLITE))
        third.until_output(b"hello\n")
        self.assertNotEqual(self.view("web")["pid"], pid)
        # Whoever watched goes on with the new run: nothing missing, nothing twice.
        first.until_output(b"hello\nbye\nhello\n")
        self.assertEqual(first.out, b"hello\nbye\nhello\n")
        self.assertTrue(first.err)


class OnExit(harness.TestCase):
    def attached(self, policy):
        shown = self.background("run", "--label", "polite", "--on-exit", policy, *harness.python(POLITE))
        shown.until_output(b"hello\n")
        return shown

    def test_detach(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                shown = self.attached("detach")
                pid = self.view("polite")["pid"]
                shown.signal(number)
                finished = shown.wait()
                self.assertEqual(finished.code, 0, finished)
                self.assertIn(b"polite", finished.err)
                self.assertTrue(harness.is_alive(pid))
                self.ok("stop", "polite")

    def test_a_closed_terminal_says_so_more_than_once(self):
        code = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: time.sleep(0.3) or exit(0))\n" \
               "print('there', flush=True)\nwhile True: time.sleep(60)"
        shown = self.background("run", "--label", "slow", "--on-exit", "stop", *harness.python(code))
        shown.until_output(b"there")
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            shown.signal(number)
        self.assertEqual(shown.wait().code, 0)
        view = self.view("slow")
        self.assertEqual((view["state"], view["exit_code"]), ("stopped", 0))

    def test_three_at_once_are_no_reason_to_leave_before_it_is_gone(self):
        code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" \
               "print('there', flush=True)\nwhile True: time.sleep(60)"
        shown = self.background("run", "--label", "deaf", "--on-exit", "stop", *harness.python(code))
        shown.until_output(b"there")
        for _ in range(3):
            shown.signal(signal.SIGINT)
            # Two that wait are one.
            harness.eventually("it was taken", lambda: self.pending(shown.process.pid) == 0)
        self.assertEqual(shown.wait().code, 0)
        self.assertEqual((self.view("deaf")["state"], self.view("deaf")["signal"]), ("stopped", "SIGKILL"))

    def pending(self, pid):
        """Signals that a process has not taken yet."""
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return 0
        return sum(int(value, 16) for value in re.findall(r"^(?:ShdPnd|SigPnd):\s+(\w+)", status, re.MULTILINE))

    def test_stop(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                shown = self.attached("stop")
                pid = self.view("polite")["pid"]
                shown.signal(number)
                finished = shown.wait()
                self.assertEqual((finished.code, finished.out), (0, b"hello\nbye\n"), finished)
                self.assertFalse(harness.is_alive(pid))
                self.assertEqual(self.view("polite")["reason"], "stopped")

    def test_a_second_interrupt_forces(self):
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
        shown = self.background("run", "--label", "deaf", "--on-exit", "stop", *harness.python(code))
        shown.until_output(b"deaf\n")
        shown.signal(signal.SIGINT)
        harness.eventually("it is being stopped", lambda: self.view("deaf")["state"] == "stopping")
        shown.signal(signal.SIGINT)
        self.assertEqual(shown.wait(8).code, 0)
        self.assertEqual(self.view("deaf")["signal"], "SIGKILL")

    def test_an_interrupt_before_the_start_is_answered_counts_once_it_is(self):
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
        self.start("deaf", harness.python(code), "--grace", "1")
        for policy, state in (("detach", "running"), ("stop", "stopped")):
            with self.subTest(policy):
                self.ok("wait", "deaf", "--pattern", "deaf")
                run = int(self.view("deaf")["run"].split(".")[1])
                shown = self.background(
                    "run", "--fresh", "--label", "deaf", "--grace", "1", "--on-exit", policy, *harness.python(code)
                )
                harness.eventually("the old run is stopping", lambda: self.view("deaf")["state"] == "stopping")
                shown.signal(signal.SIGINT)
                finished = shown.wait()
                self.assertEqual(finished.code, 0, finished)
                view = self.view("deaf")
                self.assertEqual((view["run"], view["state"]), (f"p1.{run + 1}", state))

    def test_an_interrupt_between_the_answer_and_the_first_output_counts(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        full = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writing, b"x" * full)
        client = subprocess.Popen(
            [harness.BIN / "persistproc", "run", "--label", "late", "sleep", "600"],
            env=self.place.environment, cwd=self.place.work, stdin=subprocess.DEVNULL, stderr=writing,
        )
        os.close(writing)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        harness.eventually("it runs", lambda: self.view("late").get("state") == "running")
        # Its first words say what was started, and wait for somebody who reads them.
        syscall = pathlib.Path(f"/proc/{client.pid}/syscall")
        harness.eventually("it is writing to stderr", lambda: syscall.read_text().split()[1:2] == ["0x2"])
        client.send_signal(signal.SIGINT)
        while os.read(reading, full):
            pass
        self.assertEqual(client.wait(harness.PATIENCE), 0)
        self.assertEqual(self.view("late")["state"], "running")

    def test_ctrl_c_in_a_terminal_detaches(self):
        terminal = self.terminal("run", "--label", "polite", *harness.python(POLITE))
        terminal.until(b"hello")
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(self.view("polite")["state"], "running")

    def test_ctrl_c_of_one_that_follows_leaves_no_half_line(self):
        self.start("web", ["sh", "-c", "echo hello; exec sleep 600"])
        terminal = self.terminal("output", "-f", "web")
        terminal.until(b"hello\r\n")
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(terminal.seen.endswith(b"^C\r\n"), terminal.seen)

    def test_a_closed_terminal_detaches(self):
        terminal = self.terminal("run", "--label", "polite", *harness.python(POLITE))
        terminal.until(b"hello")
        terminal.hang_up()
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(self.view("polite")["state"], "running")

    def test_a_closed_terminal_stops(self):
        terminal = self.terminal("run", "--label", "polite", "--on-exit", "stop", *harness.python(POLITE))
        terminal.until(b"hello")
        pid = self.view("polite")["pid"]
        terminal.hang_up()
        self.assertEqual(terminal.wait(), 0)
        self.assertFalse(harness.is_alive(pid))
        self.assertEqual(self.view("polite")["reason"], "stopped")


if __name__ == "__main__":
    harness.main()
