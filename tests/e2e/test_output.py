"""Every byte a program prints comes out again."""
import json
import os
import pathlib
import shutil
import subprocess

import harness

SANITIZED = b"__asan_init" in (harness.BIN / "persistprocd").read_bytes()


class Cursor(harness.TestCase):
    daemon_options = ("--process-log-limit", "2MiB")  # segments of 256 KiB
    kills = 20 if os.environ.get("PERSISTPROC_CRASH_LONG") else 2
    lines = 136000

    def test_nothing_is_lost_or_doubled_through_rotations_and_deaths_of_the_daemon(self):
        # It is never further ahead of its reader than the bound allows. A pipe takes up to 4096 bytes whole or not at all,
        # also a full one: no line of one stream stands within one of the other.
        code = (
            "import os, sys, time\n"
            "for i in range(0, int(sys.argv[1]), 40):\n"
            "    while i - int(open('seen').read()) > 8000: time.sleep(0.001)\n"
            "    os.write(1 + i // 40 % 2, b''.join(b'%08d %s\\n' % (j, b'x' * 90) for j in range(i, i + 40)))"
        )

        def tell(seen):
            (self.place.work / "seen.new").write_text(str(seen))
            (self.place.work / "seen.new").rename(self.place.work / "seen")

        tell(0)
        self.start("numbers", harness.python(code, str(self.lines)))
        agent, cursor, seen, kills = self.mcp(), "p1:0", set(), 0
        while len(seen) < self.lines:
            answer = agent.call(
                "get_process_output", process="numbers", cursor=cursor, lines=0, max_bytes=1 << 18, view="raw"
            )
            self.assertFalse(answer.is_error, answer.text)
            self.assertEqual(answer.meta["evicted_bytes"], 0)
            # What came to both streams at one moment may stand in another order.
            for number in [int(line[:8]) for line in answer.text.split("\n")[1:-1]]:
                self.assertNotIn(number, seen)
                seen.add(number)
            cursor = answer.meta["next_cursor"]
            tell(len(seen))
            if len(seen) * (self.kills + 1) > self.lines * (kills + 1) and kills < self.kills:
                kills += 1
                self.daemon.restart()
                agent = self.mcp()
        self.assertEqual((len(seen), max(seen), kills), (self.lines, self.lines - 1, self.kills))
        log = self.place.data / "procs" / "p1" / "log"
        self.assertGreater(max(int(each.stem) for each in log.glob("*.log")), 50)


class Output(harness.TestCase):
    def test_colours_of_a_program_are_left_out_where_none_are_wanted(self):
        red = b"\x1b[31mred\x1b[0m"
        self.start("a", harness.python("print('\\x1b[31mred\\x1b[0m', flush=True); import time; time.sleep(600)"))
        self.ok("wait", "a", "--pattern", "red")
        shown = lambda *words, **options: self.ok("output", *words, **options).out
        self.assertEqual(shown("a"), red + b"\n")
        self.assertEqual(shown("a", "--no-color"), b"red\n")
        self.assertEqual(shown("a", "--no-color", "--grep", "red"), b"red\n")
        self.assertEqual(shown("all", "--no-color"), b"a | red\n")
        self.assertEqual(shown("a", "--no-color", "--raw"), red + b"\n")
        self.assertIn("\x1b[31m", self.ok("output", "a", "--no-color", "--json").json()["lines"][0]["text"])
        # What is redirected may be no text.
        self.place.environment["NO_COLOR"] = "1"
        self.assertEqual(shown("a"), red + b"\n")
        terminal = self.terminal("output", "a")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(terminal.seen, b"red\r\n")
        del self.place.environment["NO_COLOR"]
        terminal = self.terminal("output", "a")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn(b"\x1b[31mred", terminal.seen)

    def test_what_a_search_leaves_out_of_a_long_line_is_told(self):
        size = 3000000
        code = f"import sys; sys.stdout.write('x' * {size} + '\\nmatch\\nlast\\n' + 'x' * {size})"
        self.start("long", harness.python(code))
        self.wait_exit("long")
        whole = self.ok("output", "--grep", "match", "-C", "1", "long")
        self.assertTrue(whole.out == b"x" * size + b"\nmatch\nlast\n" and whole.err == b"", repr(whole))
        for words, end, all_bytes in (
            (("--grep", "match", "-B", "1", "-n", "0"), b"x\nmatch\n", size),
            (("--grep", "^x"), b"x\n", 2 * size),
        ):
            part = self.ok("output", *words, "long")
            shown = part.out.count(b"x")
            self.assertTrue(part.out.endswith(end) and 0 < shown < all_bytes, repr(part))
            self.assertOneLine(part.err, f"{all_bytes - shown} bytes of lines that are too long for a search are left out")

    def test_100000_lines_of_a_program_that_exits_at_once(self):
        command = harness.python("import sys; sys.stdout.write(''.join('line %06d\\n' % i for i in range(100000)))")
        expected = b"".join(b"line %06d\n" % i for i in range(100000))
        shown = self.cli("run", "--label", "burst", *command)
        self.assertEqual(shown.code, 0, shown.err)
        self.assertTrue(shown.out == expected, f"run: {len(shown.out)} of {len(expected)} bytes")
        recorded = self.ok("output", "burst", "-n", "0").out
        self.assertTrue(recorded == expected, f"output: {len(recorded)} of {len(expected)} bytes")
        self.assertEqual(self.ok("output", "burst", "-n", "3").out, b"line 099997\nline 099998\nline 099999\n")
        self.assertEqual(self.ok("output", "burst", "-n", "0", "--grep", "line 0999[0-9]0$").out.count(b"\n"), 10)

    def test_a_mebibyte_of_random_bytes_is_identical(self):
        data = os.urandom(1 << 20)
        (self.place.work / "random").write_bytes(data)
        shown = self.cli("run", "--label", "random", "cat", "random")
        self.assertEqual(shown.code, 0, shown.err)
        self.assertTrue(shown.out == data, f"run: {len(shown.out)} bytes")
        recorded = self.ok("output", "random", "-n", "0", "--raw").out
        self.assertTrue(recorded == data, f"output --raw: {len(recorded)} bytes")
        segments = sorted((self.place.data / "procs" / "p1" / "log").glob("*.log"))
        self.assertTrue(b"".join(s.read_bytes() for s in segments) == data, "the log is not the plain bytes")

    def test_what_is_no_text_or_has_no_end_is_recorded_byte_for_byte_and_shown_as_valid_json(self):
        odd = b"a\0b\n\xc3\nhalf \xe2\x82\n" + "e".encode() + "\u0301".encode() * 1000000 + b"\n"
        code = (
            "import sys\n"
            "out = sys.stdout.buffer\n"
            "out.write(open('odd', 'rb').read())\n"
            "for _ in range(16): out.write(b'0123456789abcdef' * 65536)\n"
            "out.write(b'needle\\nready> ')\n"
            "out.flush()\n"
            "sys.stdin.close()\n"
            "__import__('time').sleep(600)"
        )
        (self.place.work / "odd").write_bytes(odd)
        self.start("odd", harness.python(code))
        self.assertEqual(self.ok("wait", "odd", "--pattern", "^ready> $").out, b"ready> \n")
        recorded = self.ok("output", "odd", "-n", "0", "--raw").out
        expected = odd + b"0123456789abcdef" * (16 << 16) + b"needle\nready> "
        self.assertTrue(recorded == expected, f"output --raw: {len(recorded)} of {len(expected)} bytes")
        found = self.ok("output", "odd", "--json", "--grep", "needle$|^ready", "-n", "2").json()["lines"]
        self.assertTrue(found[0]["text"].endswith("needle"), len(found))
        self.assertEqual([len(found), found[1]["text"]], [2, "ready> "])
        self.assertGreaterEqual(len(self.ok("output", "odd", "--json", "-n", "0").json()["lines"]), 6)
        agent = self.mcp()
        for view in ("clean", "raw"):
            answer = agent.call("get_process_output", process="odd", lines=20, max_bytes=4096, view=view)
            self.assertIn("ready> ", answer.text)
        keepers = [pid for pid, command in harness.processes_of(self.place.data) if "persistproc-shim" in command]
        peak = pathlib.Path(f"/proc/{keepers[0]}/status").read_text().split("VmHWM:")[1].split()[0]
        if not SANITIZED:
            self.assertLess(int(peak), 2048, "KiB of the keeper")

    def test_json_is_one_document_with_a_cursor_to_go_on_from(self):
        self.cli("run", "--label", "three", "sh", "-c", "echo one; echo two; echo three")
        answer = self.ok("output", "three", "--json").json()
        self.assertEqual([line["text"] for line in answer["lines"]], ["one", "two", "three"])
        self.assertEqual({line["stream"] for line in answer["lines"]}, {"stdout"})
        rest = self.ok("output", "three", "--json", "--cursor", answer["next_cursor"]).json()
        for flags in (["--cursor"], ["-f", "--cursor"], ["--grep", "o", "-C", "1", "-f", "--cursor"]):
            beyond = self.cli("output", "three", *flags, "p1:zzz")
            self.assertEqual((beyond.code, beyond.out), (2, b""), beyond)
            self.assertIn(f"{flags[-1]}: \"p1:zzz\" stands behind the end of its output, p1:", beyond.err.decode())
        self.assertEqual((rest["process"], rest["lines"]), ("p1", []))
        found = self.ok("output", "three", "--json", "--grep", "^t", "-n", "1").json()
        self.assertEqual([line["text"] for line in found["lines"]], ["three"])
        self.assertEqual(self.cli("output", "three", "--json", "--grep", "(").json()["error"]["code"], "invalid")
        followed = self.ok("output", "three", "--json", "-f", "-n", "2").out.splitlines()
        self.assertEqual([json.loads(line)["text"] for line in followed[:-1]], ["two", "three"])
        self.assertEqual(json.loads(followed[-1])["event"], "exited")

    def test_a_log_that_somebody_removed_is_not_taken_for_silence(self):
        self.cli("run", "--label", "web", "sh", "-c", "echo one; exit 3")
        log = self.place.data / "procs" / "p1" / "log"
        shutil.rmtree(log)
        shown = self.cli("output", "web")
        self.assertEqual((shown.code, shown.out), (125, b""))
        self.assertOneLine(shown.err, f"what p1 printed is gone: {log} was removed")
        shown = self.cli("status", "web")
        self.assertNotIn(b"printed nothing", shown.out)
        self.assertOneLine(shown.err, "was removed")

    def test_only_one_run(self):
        for word in ("first", "second"):
            self.ok("run", "--label", "again", "sh", "-c", f"echo {word}")
        for run, expected in (("1", b"first\n"), ("p1.2", b"second\n")):
            self.assertEqual(self.ok("output", "again", "--run", run).out, expected)
        finished = self.cli("output", "again", "--run", "3")
        self.assertEqual((finished.code, finished.out), (125, b""), finished)
        self.assertOneLine(finished.err, "p1", "no run 3", "p1.2")

    def test_thirty_one_line_programs_are_all_printed(self):
        for i in range(30):
            shown = self.cli("run", "--label", f"one{i}", "echo", f"only line {i}")
            self.assertEqual((shown.code, shown.out), (0, f"only line {i}\n".encode()), shown)

    def test_a_prompt_without_newline_is_visible_while_the_program_waits(self):
        code = "import time; print('Password: ', end='', flush=True); time.sleep(600)"
        shown = self.background("run", "--label", "prompt", *harness.python(code))
        shown.until_output(b"Password: ")
        self.assertEqual(self.ok("output", "prompt", "-n", "0").out, b"Password: ")

    def test_streams_stay_apart_and_in_order(self):
        code = "import sys\nfor i in range(50): print(i, file=sys.stderr if i % 2 else sys.stdout, flush=True)"
        shown = self.cli("run", "--label", "both", *harness.python(code))
        self.assertEqual(shown.out, b"".join(b"%d\n" % i for i in range(0, 50, 2)))
        self.assertEqual([l for l in shown.err.splitlines() if l.isdigit()], [b"%d" % i for i in range(1, 50, 2)])
        self.assertEqual(
            self.ok("output", "both", "-n", "0", "--stream", "stderr").out.split(), [b"%d" % i for i in range(1, 50, 2)]
        )

    def test_follow_prints_what_comes_and_ends_with_the_process(self):
        gate = self.place.work / "gate"
        os.mkfifo(gate)
        self.start(
            "slow", harness.python("import sys; print('first'); open(sys.argv[1]).read(); print('last')", str(gate))
        )
        shown = self.background("output", "slow", "-n", "0", "-f")
        shown.until_output(b"first\n")
        os.close(os.open(gate, os.O_WRONLY))
        finished = shown.wait()
        self.assertEqual((finished.code, finished.out), (0, b"first\nlast\n"), finished)

    def test_the_status_of_the_program_is_none_of_output(self):
        for code in (5, 125):
            self.start(f"ends{code}", ["sh", "-c", f"until [ -e gate{code} ]; do sleep 0.01; done; echo bye; exit {code}"])
            following = self.background("output", "-f", f"ends{code}")
            (self.place.work / f"gate{code}").touch()
            finished = following.wait()
            self.assertEqual((finished.code, finished.out), (0, b"bye\n"), finished)

    def test_a_cursor_gives_only_what_is_new(self):
        gate = self.place.work / "gate"
        os.mkfifo(gate)
        self.start(
            "news", harness.python("import sys; print('old'); open(sys.argv[1]).read(); print('new')", str(gate))
        )
        client = self.mcp()
        first = client.call("wait_for_process", process="news", until="pattern", pattern="^old$")
        self.assertEqual((first.meta["outcome"], first.meta["match"]), ("matched", "old"), first.result)
        seen = client.call("get_process_output", process="news")
        self.assertIn("old", seen.text)
        os.close(os.open(gate, os.O_WRONLY))
        client.call("wait_for_process", process="news", until="exit")
        news = client.call("get_process_output", process="news", cursor=seen.meta["next_cursor"])
        self.assertIn("new", news.text)
        self.assertNotIn("old", news.text)
        self.assertEqual(news.meta["lines"], 1)


if __name__ == "__main__":
    harness.main()


# Prints a line, then nothing, and lives on.
QUIET = "import time; print('only line', flush=True); time.sleep(600)"


class Writing(harness.TestCase):
    """What cannot be written is said, and is no success; a reader that has gone is the end of the client alone."""

    def popen(self, *arguments, stdout):
        process = subprocess.Popen(
            [str(harness.BIN / "persistproc"), *arguments],
            env=self.place.environment,
            cwd=self.place.work,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def assertFull(self, *arguments):
        with open("/dev/full", "wb") as full:
            process = self.popen(*arguments, stdout=full)
            _, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 125, (arguments, err))
        self.assertOneLine(err, "stdout", "No space left on device")

    def test_a_full_disk_is_no_success(self):
        self.start("web", harness.python(QUIET))
        self.ok("wait", "web", "--pattern", "only line")
        for arguments in (
            ("output", "web"),
            ("output", "web", "--raw"),
            ("output", "web", "-n", "0", "--grep", "line"),
            ("output", "web", "--json"),
            ("output", "web", "-f"),
            ("output", "web", "-f", "--grep", "line"),
            ("list",),
            ("list", "--json"),
            ("status", "web"),
            ("--help",),
        ):
            with self.subTest(arguments):
                self.assertFull(*arguments)

    def test_a_closed_stdout_is_no_success(self):
        self.start("web", harness.python(QUIET))
        self.ok("wait", "web", "--pattern", "only line")
        for arguments in (("list",), ("output", "web"), ("status", "web", "--json"), ("--help",)):
            with self.subTest(arguments):
                command = [str(harness.BIN / "persistproc"), *arguments]
                shell = subprocess.run(
                    ["sh", "-c", 'exec "$@" >&-', "sh", *command],
                    env=self.place.environment,
                    stderr=subprocess.PIPE,
                    timeout=harness.PATIENCE,
                )
                self.assertEqual(shell.returncode, 125, shell.stderr)
                self.assertOneLine(shell.stderr, "stdout", "Bad file descriptor")

    def test_a_full_disk_never_stops_the_program(self):
        for policy in ("detach", "stop"):
            with self.subTest(policy):
                self.assertFull("run", "-q", "--label", policy, "--on-exit", policy, *harness.python(QUIET))
                self.assertEqual(self.view(policy)["state"], "running")
        with open("/dev/full", "wb") as full:
            process = self.popen("run", "--label", "told", *harness.python(QUIET), stdout=full)
            _, err = process.communicate(timeout=harness.PATIENCE)
        words = " ".join(err.decode().split())
        self.assertIn("is not stopped by that; back: persistproc output -f told; stop: persistproc stop told", words)

    def test_a_pipe_that_does_not_block_gets_every_byte(self):
        data = os.urandom(1 << 20)
        (self.place.work / "random").write_bytes(data)
        self.ok("run", "--label", "random", "cat", "random")
        read, write = os.pipe()
        os.set_blocking(write, False)
        process = self.popen("output", "random", "-n", "0", "--raw", stdout=write)
        os.close(write)
        with open(read, "rb") as pipe:
            shown = pipe.read()
        self.assertEqual((process.wait(harness.PATIENCE), len(shown)), (0, len(data)))
        self.assertTrue(shown == data)

    def test_a_reader_that_goes_is_noticed_while_the_client_waits(self):
        self.start("web", harness.python(QUIET))
        for arguments, code in (
            (("wait", "web", "--pattern", "zzz", "--timeout", "300"), 141),
            (("start", "--label", "other", "--settle", "300s", *harness.python(QUIET)), 0),
        ):
            with self.subTest(arguments[0]):
                read, write = os.pipe()
                process = self.popen(*arguments, stdout=write)
                os.close(write)
                os.close(read)
                _, err = process.communicate(timeout=harness.PATIENCE)
                self.assertEqual((process.returncode, err), (code, b""))
        self.assertEqual(self.view("other")["state"], "running")

    def test_a_reader_that_goes_is_noticed_while_the_program_is_quiet(self):
        self.start("web", harness.python(QUIET))
        for arguments, lives in (
            (("output", "-f", "web", "-q"), True),
            (("output", "-f", "web", "-q", "--json"), True),
            (("run", "--label", "other", "-q", *harness.python(QUIET)), True),
            (("run", "--label", "last", "-q", "--on-exit", "stop", *harness.python(QUIET)), False),
        ):
            with self.subTest(arguments[:2]):
                read, write = os.pipe()
                process = self.popen(*arguments, stdout=write)
                os.close(write)
                with open(read, "rb") as pipe:
                    self.assertIn(b"only line", pipe.readline())
                _, err = process.communicate(timeout=harness.PATIENCE)
                self.assertEqual((process.returncode, err), (0, b""))
                label = arguments[2] if arguments[0] == "run" else "web"
                self.assertEqual(self.view(label)["state"] == "running", lives)
