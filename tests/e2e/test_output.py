"""Every byte a program prints comes out again."""
import json
import os
import time

import harness


class Output(harness.TestCase):
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

    def test_json_is_one_document_with_a_cursor_to_go_on_from(self):
        self.cli("run", "--label", "three", "sh", "-c", "echo one; echo two; echo three")
        answer = self.ok("output", "three", "--json").json()
        self.assertEqual([line["text"] for line in answer["lines"]], ["one", "two", "three"])
        self.assertEqual({line["stream"] for line in answer["lines"]}, {"stdout"})
        rest = self.ok("output", "three", "--json", "--cursor", answer["next_cursor"]).json()
        self.assertEqual((rest["process"], rest["lines"]), ("p1", []))
        found = self.ok("output", "three", "--json", "--grep", "^t", "-n", "1").json()
        self.assertEqual([line["text"] for line in found["lines"]], ["three"])
        self.assertEqual(self.cli("output", "three", "--json", "--grep", "(").json()["error"]["code"], "invalid")
        followed = self.ok("output", "three", "--json", "-f", "-n", "2").out.splitlines()
        self.assertEqual([json.loads(line)["text"] for line in followed], ["two", "three"])

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

    def test_a_prompt_without_newline_is_visible_within_300_ms(self):
        gate = self.place.work / "gate"
        os.mkfifo(gate)
        code = "import sys, time; open(sys.argv[1]).read(); print('Password: ', end='', flush=True); time.sleep(60)"
        shown = self.background("run", "--label", "prompt", *harness.python(code, str(gate)))
        opened = os.open(gate, os.O_WRONLY)  # returns once the program waits
        began = time.monotonic()
        os.close(opened)
        shown.until_output(b"Password: ")
        self.assertLess(time.monotonic() - began, 0.3)
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
