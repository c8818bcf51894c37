"""Several logs as one: in the order of time, and nothing lost or doubled while they are followed."""
import fcntl
import json
import os
import struct
import termios

import harness


class Logs(harness.TestCase):
    def lines(self, *arguments):
        return self.ok("logs", *arguments).out.decode().splitlines()

    def one_after_the_other(self):
        for label, script in (
            ("a", "echo a1; echo ERR a2 >&2"),
            ("bee", "echo b1; printf b2"),
            ("a", "echo a3"),
            ("quiet", "true"),
        ):
            self.ok("run", "-q", "--label", label, "sh", "-c", script)

    def test_lines_of_several_in_the_order_of_time(self):
        self.assertEqual(self.cli("logs").out, b"")
        self.one_after_the_other()
        every = ["a   | a1", "a   | ERR a2", "bee | b1", "bee | b2", "a   | a3"]
        for arguments, expected in (
            ([], every),
            (["all"], every),
            (["bee", "a", "p1"], every),
            (["bee", "bee"], ["b1", "b2"]),
            (["-n", "0"], every),
            (["-n", "3"], every[2:]),
            (["-n", "1", "--grep", "[ab]1"], every[2:3]),
            (["--err"], ["a | ERR a2"]),
            (["--out", "-n", "2"], every[3:]),
            (["-i", "--grep", "err", "-B", "1"], ["a | a1", "a | ERR a2"]),
            (["--grep", "b1|a3", "-C", "1"], every[2:]),
            (["--grep", "a2|b1", "-C", "1"], every[:4]),
            (["--grep", "a1|b1", "-A", "1"], every[:4]),
            (["-v", "a|b1"], ["bee | b2"]),
            (["--since", "1h", "--until", "30m"], []),
        ):
            with self.subTest(arguments):
                self.assertEqual([each.split() for each in self.lines(*arguments)], [each.split() for each in expected])
        self.assertEqual(self.lines(), every)
        self.assertRegex(self.lines("-t", "-n", "1")[0], r"^a   \| \d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) a3$")
        self.assertRegex(self.ok("logs", "a", "-t", "-n", "1", env={"TZ": "XXX-01:30"}).out, rb"\+01:30 a3\n$")

    def test_as_objects(self):
        self.one_after_the_other()
        found = [json.loads(each) for each in self.lines("--json", "-n", "2")]
        self.assertEqual([(each["process"], each["label"], each["stream"], each["text"]) for each in found],
                         [("p2", "bee", "stdout", "b2"), ("p1", "a", "stdout", "a3")])
        self.assertTrue(all(each["time"].endswith("Z") for each in found), found)
        self.assertEqual(found[0]["complete"], False)

    def test_colours_are_for_terminals(self):
        self.one_after_the_other()
        for arguments, is_coloured in (([], True), (["--no-color"], False)):
            terminal = self.terminal("logs", *arguments)
            terminal.until(b"a3\r\n")
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual(b"\x1b[36ma   |\x1b[0m a1\r\n" in terminal.seen, is_coloured, terminal.seen)
            self.assertIn(b"b2\r\n", terminal.seen)

    def test_a_process_behind_v_is_told_of(self):
        self.one_after_the_other()
        told = self.ok("logs", "--grep", "1", "-v", "a")
        self.assertEqual(told.out, b"bee | b1\n")
        self.assertOneLine(told.err, 'lines that match "a" are left out, of all processes', "persistproc output --exclude RE2 a")

    def test_what_cannot_be_shown_is_said(self):
        self.one_after_the_other()
        finished = self.cli("logs", "a", "nope")
        self.assertEqual((finished.code, finished.out), (125, b""))
        self.assertOneLine(finished.err, 'no process is "nope"')
        self.assertOneLine(self.cli("logs", "--grep", "(").err, "--grep")
        self.assertEqual(self.lines("quiet", "quiet"), [])

    def test_why_nothing_is_shown(self):
        self.one_after_the_other()
        for arguments, words in (
            (["--until", "2020-01-01"], "nothing was printed in that time"),
            (["--since", "0"], "nothing was printed in that time"),
            (["--grep", "nosuch"], "no line matches"),
        ):
            for targets in (["a"], ["a", "bee"]):
                with self.subTest(arguments, targets=targets):
                    finished = self.ok("logs", *targets, *arguments)
                    self.assertEqual((finished.out, finished.err), (b"", f"persistproc: {words}\n".encode()))
        for targets in (["a"], ["a", "bee"]):
            finished = self.cli("logs", *targets, "--since", "2m", "--until", "3m")
            self.assertEqual((finished.code, finished.out), (2, b""))
            self.assertOneLine(finished.err, "--since 2m is later than --until 3m")

    def test_more_logs_than_files_may_be_open(self):
        self.one_after_the_other()
        limited = 'ulimit -n 36; exec "$0" logs "$@"'
        for arguments in ([], ["-f"]):
            ran = self.background(*arguments, "a", "bee", "quiet", before=("sh", "-c", limited)).wait()
            self.assertEqual((ran.code, ran.out), (125, b""), ran)
            self.assertOneLine(ran.err, "ulimit -n")


# Prints what is written into a fifo, line by line, and ends with the first digit.
# Holds its FIFO open for writing too: between two writers it would close it, and with it what the next one wrote.
PARROT = """
import os, sys
print('ready')
for line in open(os.open(sys.argv[1], os.O_RDWR)):
    if line[0].isdigit(): sys.exit(int(line[0]))
    print(line, end='')
"""


class Following(harness.TestCase):
    def parrot(self, label):
        fifo = self.place.work / label
        os.mkfifo(fifo)
        self.start(label, harness.python(PARROT, str(fifo)))
        self.ok("wait", label, "--pattern", "ready")

    def say(self, label, text):
        (self.place.work / label).write_text(text + "\n")

    def until_said(self, running, text):
        harness.eventually(f"{text!r} on stderr", lambda: text.encode() in running.err)

    def test_ends_and_restarts_are_said_and_the_last_end_ends_it(self):
        self.parrot("a")
        self.parrot("b")
        shown = self.background("logs", "-f", "-n", "1", "a", "b", "--no-color")
        shown.until_output(b"b | ready\n")
        self.say("a", "news")
        shown.until_output(b"a | news\n")
        self.say("b", "3")
        self.until_said(shown, "(b) exited with code 3")
        self.ok("restart", "a")
        shown.until_output(b"a | ready\n")
        self.until_said(shown, "p1 (a) was restarted as p1.2")
        self.say("a", "4")
        finished = shown.wait()
        self.assertEqual((finished.code, finished.out), (0, b"b | ready\na | news\na | ready\n"), finished)
        self.assertEqual(finished.err.count(b"\n"), 3, finished)
        self.assertIn(b"(a) exited with code 4", finished.err)

    def test_notes_are_broken_at_blanks(self):
        self.parrot("a")
        self.parrot("b")
        terminal = self.terminal("logs", "-f", "--no-color", "a", "b")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
        terminal.until(b"b | ready\r\n")
        self.ok("stop", "b")
        terminal.until(b"persistproc: p2 (b) was stopped from a command\r\n             line after ")
        self.say("a", "0")
        self.assertEqual(terminal.wait(), 0)

    def test_what_docker_calls_tail_0_is_nothing_of_the_past(self):
        self.parrot("a")
        self.parrot("b")
        for targets in (["a"], ["a", "b"]):
            with self.subTest(targets):
                none = self.cli("logs", "--tail", "0", *targets)
                self.assertEqual((none.code, none.out), (0, b""), none)
                self.assertOneLine(none.err, "--tail 0 shows nothing of what was printed before", "-n 0 shows everything")
                self.assertIn(b"ready", self.ok("logs", "-n", "0", *targets).out)
                shown = self.background("logs", "-f", "--tail=0", *targets)

                def is_followed():
                    self.say("a", "news")
                    return b"news\n" in shown.out

                harness.eventually("what is new is shown", is_followed)
                shown.signal(harness.signal.SIGINT)
                self.assertNotIn(b"ready", shown.wait().out)

    def test_all_that_start_join_in(self):
        self.ok("run", "-q", "--label", "old", "sh", "-c", "echo old")
        self.parrot("a")
        shown = self.background("logs", "-f", "--json")
        shown.until_output(b"ready")
        self.parrot("later")
        shown.until_output(b'"joined"')
        self.say("later", "one")
        shown.until_output(b'"one"')
        self.say("later", "7")
        shown.until_output(b'"exited"')
        self.ok("start", "later")
        shown.until_output(b'"restarted"')
        self.say("later", "two")
        shown.until_output(b'"two"')
        self.ok("rm", "-f", "later")
        self.say("a", "last")
        shown.until_output(b'"last"')
        shown.signal(harness.signal.SIGINT)
        finished = shown.wait()
        self.assertEqual((finished.code, finished.err), (0, b""), finished)
        objects = [json.loads(line) for line in finished.out.splitlines()]
        self.assertEqual(
            [each.get("text") or each["event"] for each in objects if each["label"] == "later"],
            ["joined", "ready", "one", "exited", "restarted", "ready", "two"]
            + [each["event"] for each in objects[-2:] if "event" in each],
        )
        self.assertEqual([each["text"] for each in objects if each["label"] != "later"], ["old", "ready", "last"])
        joined = next(each for each in objects if each.get("event") == "joined")
        self.assertEqual((joined["process"], joined["run"]), ("p3", "p3.1"))

    def test_names_are_gone_on_with(self):
        self.parrot("a")
        self.parrot("b")
        shown = self.background("logs", "-f", "a", "b", "--no-color")
        shown.until_output(b"b | ready\n")
        self.say("b", "3")
        self.until_said(shown, "(b) exited with code 3")
        self.ok("start", "b")
        self.until_said(shown, "p2 (b) was started again as p2.2")
        self.ok("rm", "-f", "b")
        self.until_said(shown, "p2 (b) has been removed")
        self.start("b", ["echo", "successor"])
        shown.until_output(b"p3 | successor\n")  # two had that label
        self.until_said(shown, "p3 (b) has started")
        self.ok("rename", "a", "shop")

        def is_renamed():
            self.say("a", "news")
            return b"shop | news\n" in shown.out

        harness.eventually("the new label is shown", is_renamed)
        self.say("a", "0")
        self.assertEqual(shown.wait().code, 0)

    def test_what_stands_around_a_match_of_one_that_is_followed(self):
        self.parrot("a")
        self.say("a", "before")
        self.ok("wait", "a", "--pattern", "before")
        shown = self.background("logs", "-f", "a", "--grep", "match", "-C", "1")
        for word in ("match", "after", "not", "0"):
            self.say("a", word)
            if word == "match":
                shown.until_output(b"match\n")
        finished = shown.wait()
        self.assertEqual((finished.code, finished.out), (0, b"before\nmatch\nafter\n"), finished)

    def test_a_reader_that_goes_is_noticed(self):
        self.parrot("a")
        read, write = os.pipe()
        with open(read, "rb") as pipe:
            process = harness.subprocess.Popen(
                [str(harness.BIN / "persistproc"), "logs", "-f"],
                env=self.place.environment, stdin=harness.subprocess.DEVNULL, stdout=write,
            )
            self.addCleanup(process.kill)
            os.close(write)
            self.assertIn(b"ready", pipe.readline())
        self.assertEqual(process.wait(harness.PATIENCE), 0)


# Prints a bit more than three segments for each byte in a file.
ROTATING = """
import os, sys, time
name, steps, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for step in range(steps):
    while os.stat(sys.argv[4]).st_size <= step: time.sleep(0.001)
    sys.stdout.write(''.join('%s %02d %04d %s\\n' % (name, step, i, 'x' * 985) for i in range(lines)))
    sys.stdout.flush()
"""


class Rotation(harness.TestCase):
    """More than 50 segments of each of three processes."""

    daemon_options = ("--process-log-limit", "1MiB")
    names = ("a", "b", "c")
    steps, lines = 17, 560

    def follow_all(self, before=(), at_step=lambda step: None):
        gate = self.place.work / "gate"
        gate.touch()
        for name in self.names:
            self.start(name, harness.python(ROTATING, name, str(self.steps), str(self.lines), str(gate)))
        shown = self.background("logs", "-q", "-f", "-n", "0", *self.names, before=before)
        line_size = len("a | a 00 0000 \n") + 985
        for step in range(self.steps):
            with open(gate, "ab") as file:
                file.write(b"x")
            at_step(step)
            size = line_size * self.lines * (step + 1) * len(self.names)
            harness.eventually(f"step {step} is shown", lambda: os.stat(shown.out_path[1]).st_size >= size)
        finished = shown.wait()
        self.assertEqual((finished.code, finished.err), (0, b""), finished)
        by_name = {name: [] for name in self.names}
        for line in finished.out.decode().splitlines():
            by_name[line[0]].append(line[4:-986])
        for name in self.names:
            expected = [f"{name} {step:02} {i:04}" for step in range(self.steps) for i in range(self.lines)]
            self.assertTrue(by_name[name] == expected, f"{name}: {len(by_name[name])} of {len(expected)} lines")
            log = self.place.data / "procs" / self.view(name)["id"] / "log"
            self.assertGreater(int(max(each.stem for each in log.glob("*.log"))), 50)

    def test_nothing_is_lost_or_doubled(self):
        self.follow_all()

    def test_while_the_daemon_is_killed(self):
        self.follow_all(at_step=lambda step: self.daemon.restart() if step % 4 == 2 else None)

    def test_without_inotify(self):
        harness.need_own_inotify_limits(self)
        self.follow_all(before=harness.NO_INOTIFY)


if __name__ == "__main__":
    harness.main()
