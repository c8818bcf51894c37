"""The user's file of settings: what the daemon and the client take from it, and what counts more."""
import os
import pathlib
import re
import socket
import subprocess

import harness


class Config(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.place.environment["HOME"]) / ".config" / "persistproc" / "config.toml"
        self.place.environment.pop("XDG_CONFIG_HOME", None)
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def refused(self, text=None, status=2):
        """What the daemon says of such a file."""
        if text is not None:
            self.file.write_text(text)
        with self.assertRaises(AssertionError):
            self.daemon.start()
        self.assertEqual(self.daemon.process.wait(harness.PATIENCE), status)
        return self.daemon.log().splitlines()[-1]

    def test_limits_of_the_daemon(self):
        self.file.write_text('[daemon]\nkeep-ended = 2\nagent-starts = 0\nprocess-log-limit = "1MiB"\n')
        self.daemon.start()
        for number in range(4):
            self.ok("run", "--label", f"e{number}", "true")
        harness.eventually("two are forgotten", lambda: {v["label"] for v in self.views()} == {"e2", "e3"})

    def test_a_flag_counts_more_than_a_variable_and_that_more_than_the_file(self):
        self.file.write_text('[daemon]\nauth = "token"\ncompat = true\n')
        self.place.environment["PERSISTPROC_AUTH"] = "peer"
        self.place.environment["PERSISTPROC_COMPAT"] = "0"
        self.daemon.start()
        agent = self.mcp()
        self.assertNotIn("ctrl", [tool["name"] for tool in agent.request("tools/list")["tools"]])
        self.place.environment.pop("PERSISTPROC_AUTH")
        self.daemon.options = ("--auth", "peer")
        self.daemon.restart()
        self.mcp().call("list_processes")
        self.daemon.options = ()
        self.daemon.restart()
        with self.assertRaises(harness.McpError) as refused:
            self.mcp()
        self.assertEqual(refused.exception.status, 401)

    @harness.needs_root
    def test_one_that_others_may_write_is_not_obeyed(self):
        self.file.write_text("[daemon]\ncompat = true\n")
        self.file.chmod(0o646)
        self.assertIn(f"{self.file} may be written by everybody (mode 0646)", self.refused())
        self.assertIn(b"may be written by everybody", self.cli("list").err)
        self.file.chmod(0o644)
        os.chown(self.file, 65534, 65534)
        self.assertIn(f"{self.file} belongs to another user (uid 65534)", self.refused())
        self.file.unlink()
        os.mkfifo(self.file)
        self.assertIn("is no regular file", self.refused())
        self.file.unlink()
        with self.file.open("wb") as sparse:
            sparse.truncate(1 << 42)
        self.assertIn("larger than", self.refused())

    def test_wrong_ones_are_refused_with_their_place(self):
        place = f"persistprocd: error: {self.file}: line"
        for text, why in (
            ("[daemon]\n\nlog = 1\n", ' 3, column 1: "log" is no key of [daemon]; known: auth, allow-origin, '),
            ("[deamon]\n", ' 1, column 2: "deamon" is none of the tables daemon, client, run'),
            ("[daemon]\nauth = 'none'\n", ' 2, column 1: auth: peer or token, got "none"'),
            ("[daemon]\nkeep-ended = -1\n", " 2, column 1: "),
            ("[daemon]\nmax-processes = 0\n", ' 2, column 1: max-processes: a whole number of at least 1 is expected'),
            ("[daemon]\nprocess-log-limit = '1KiB'\n", " 2, column 1: process-log-limit: at least 1MiB"),
            ("[daemon]\ndata-dir = '/x'\n", ' 2, column 1: "data-dir" is no key'),
            ("[daemon]\nport =\n", " 2, column "),
            ("\n" + "a." * 40000 + "b = 1\n", " 2: more than 64 tables or lists within each other"),
        ):
            with self.subTest(text):
                self.assertIn(place + why, self.refused(text))


class Client(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.place.environment["HOME"]) / ".config" / "persistproc" / "config.toml"
        self.place.environment.pop("XDG_CONFIG_HOME", None)
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def test_defaults_of_run_and_of_the_client(self):
        self.file.write_text('[client]\nformat = "json"\n[run]\nhistory = 1\nraw = false\n')
        command = harness.python("print('a'); print('b'); import time; time.sleep(600)")
        self.ok("start", "--label", "web", *command)
        harness.eventually("both lines", lambda: len(self.ok("output", "web", "-n", "0").json()["lines"]) == 2)
        for words in (("run", "--label", "web"), ("--label", "web")):
            joined = self.background(*words, *command)
            joined.until_output(b'"b"')
            joined.process.send_signal(2)
            joined.process.wait(harness.PATIENCE)
            self.assertNotIn(b'"a"', joined.out)
        self.place.environment["PERSISTPROC_FORMAT"] = "text"
        self.assertNotIn(b"{", self.ok("list").out)
        self.assertIn(b"{", self.ok("list", "--json").out)
        del self.place.environment["PERSISTPROC_FORMAT"]
        self.assertIn("--nope", self.cli("list", "--nope").json()["error"]["message"])

    def test_defaults_of_what_is_defined(self):
        self.file.write_text('[run]\nrestart = "on-failure:3"\ngrace = 7\nstop-signal = "INT"\non-exit = "stop"\n')
        for words in (["start", "--label", "started"], ["run", "-d", "--label", "ran"], ["-d", "--label", "implied"]):
            self.ok(*words, "sleep", "600")
        for label in ("started", "ran", "implied"):
            shown = self.ok("status", label).out.decode()
            self.assertRegex(shown, r"restart policy +on-failure; gives up after 3", label)
            self.assertIn("SIGINT", shown)
            self.assertIn("after 7s", shown)
        # What is typed counts more, and one that exists is what it is.
        self.ok("start", "--label", "typed", "--restart", "never", "sleep", "600")
        self.assertNotIn("on-failure", self.ok("status", "typed").out.decode())
        self.assertIn(b"already", self.ok("start", "typed").out)
        self.file.unlink()

    def test_a_wrong_file_keeps_neither_doctor_nor_shutdown_from_work(self):
        for text, why in (
            ("[client]\ncolour = 1\n", ': line 2, column 1: "colour" is no key of [client]; known: format, no-color'),
            ("[run]\ngrace = 'x'\n", ": line 2, column 1: --grace: "),
            ("[client\n", ": line 1, column "),
            ("[daemon]\nkeep-ended = 'x'\n", ": line 2, column 1: "),
            ("[daemon]\nauth = 'none'\n", ': line 2, column 1: auth: peer or token, got "none"'),
            ("[daemon]\nprocess-log-limit = '1KiB'\n", ": line 2, column 1: process-log-limit: at least 1MiB"),
            ("[daemon]\ncompat = 'maybe'\n", ': line 2, column 1: compat: true or false is expected, got "maybe"'),
            # Under PERSISTPROC_PORT, which counts more.
            ("[daemon]\nport = 'x'\n", ": line 2, column 1: port: "),
        ):
            with self.subTest(text):
                self.file.write_text(text)
                found = self.cli("doctor")
                self.assertEqual(found.code, 1)
                self.assertIn(f"problem  settings: {self.file}{why}", found.out.decode())
                checks = {each["name"]: each for each in self.cli("doctor", "--json").json()["checks"]}
                self.assertEqual(checks["settings"]["status"], "problem")
                self.assertIn(b"persistproc", self.ok("version").out)
        self.file.write_text("[client]\ncolour = 1\n")
        self.assertEqual(self.ok("__complete", "--", "sto").err, b"")
        self.assertEqual(self.cli("stop", "all").code, 2)
        said = self.ok("shutdown").err.decode().splitlines()
        self.assertIn(f"persistproc: settings are left out: {self.file}: line 2, column 1", said[0])
        self.assertIn("the daemon has ended", said[1])
        self.file.unlink()

    def test_wrong_ones_are_refused_and_help_is_not(self):
        for text, why in (
            ("[run]\n\nlabel = 'x'\n", ': line 3, column 1: "label" is no key of [run]; known: color, '),
            ("[run]\non-exit = 'kill'\n", ": line 2, column 1: --on-exit: "),
            ("[client]\nformat = 'xml'\n", ": line 2, column 1: --format: "),
            ("[client]\nno-color = 'yes'\n", ": line 2, column 1: no-color: true or false is expected"),
            ("[daemon]\nport = 'x'\n", ": line 2, column 1: port: "),
            # A daemon that runs does not read it again.
            ("[daemon]\nprt = 1\n", ': line 2, column 1: "prt" is no key of [daemon]; known: auth, '),
            ("[clent]\n", ': line 1, column 2: "clent" is none of the tables'),
            ("\n[" + "a." * 40000 + "b]\n", ": line 2: more than 64 tables or lists within each other"),
            ("\n[" + "a." * 40000 + "b]\n", ": line 2: more than 64 tables or lists within each other"),
        ):
            with self.subTest(text):
                self.file.write_text(text)
                self.place.environment.pop("PERSISTPROC_PORT", None)
                refused = self.cli("list")
                self.assertEqual(refused.code, 2)
                self.assertIn(f"persistproc: {self.file}{why}".encode(), refused.err)
                self.ok("--help")
                self.ok("list", "--help")
        self.file.unlink()

    def test_what_keeps_a_daemon_from_beginning_is_refused_as_a_wrong_key_is(self):
        self.ok("shutdown")
        for text, why in (
            ("auth = 'none'", 'auth: peer or token, got "none"'),
            ("keep-ended = 'x'", 'keep-ended: a whole number is expected, got "x"'),
            ("total-log-limit = '1KiB'", "total-log-limit: at least 1MiB"),
            ("allow-origin = 'x'", "allow-origin: an origin such as"),
        ):
            self.file.write_text(f"[daemon]\n{text}\n")
            for words in (("run", "true"), ("serve", "--detach")):
                refused = self.cli(*words)
                self.assertEqual(refused.code, 2, refused)
                self.assertOneLine(refused.err, f"persistproc: {self.file}: line 2, column 1: {why}")
        self.file.unlink()

    def test_a_directory_in_its_place_is_refused_as_a_wrong_file(self):
        self.file.mkdir()
        refused = self.cli("list")
        self.assertEqual(refused.code, 2)
        self.assertOneLine(refused.err, f"{self.file}: a directory, where a file is expected")
        self.file.rmdir()

    def test_the_daemon_refuses_words_in_ours(self):
        for words, why in (
            (["--nosuch"], 'unknown flag "--nosuch"'),
            (["word"], 'unexpected "word"'),
            (["--port"], "--port: a value is missing"),
            (["--port", "1", "--port", "2"], "--port: give it once"),
            (["--compat=maybe"], "--compat: no value that it takes"),
            (["--keep-ended", "x"], '--keep-ended: a whole number is expected, got "x"'),
        ):
            ran = subprocess.run([harness.BIN / "persistprocd", *words], capture_output=True, env=self.place.environment)
            self.assertEqual(ran.returncode, 2, words)
            self.assertOneLine(ran.stderr, f"persistprocd: error: {why} (see persistprocd --help)")

    def test_doctor_names_the_file(self):
        checks = lambda: {each["name"]: each for each in self.cli("doctor", "--json").json()["checks"]}
        self.assertEqual(checks()["settings"]["detail"], f"none in {self.file}")
        self.file.write_text("[daemon]\nkeep-ended = 3\n")
        self.assertEqual(checks()["settings"]["detail"], str(self.file))
        self.file.write_text("[daemon]\nkeep = 3\n")
        self.assertIn('line 2, column 1: "keep" is no key of [daemon]', checks()["settings"]["detail"])
        self.file.unlink()


class Replace(harness.TestCase):
    def test_serve_takes_over_from_a_daemon_that_runs(self):
        pid = self.start("web", ["sleep", "600"])["pid"]
        refused = self.cli("serve", "--detach")
        self.assertEqual(refused.code, 75)
        self.assertIn(b"--replace takes over from it", refused.err)
        self.ok("serve", "--detach", "--replace", "--port", str(self.daemon.port))
        self.daemon.process.wait(harness.PATIENCE)
        self.assertNotIn(f"(PID {self.daemon.process.pid})", (self.place.data / "daemon.lock").read_text())
        view = self.view("web")
        self.assertEqual((view["state"], view["pid"], view["restarts"]), ("running", pid, 0))
        self.ok("shutdown")

    def test_what_cannot_begin_ends_nobody(self):
        pid = self.daemon.process.pid
        other = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(other.close)
        taken = other.getsockname()[1]
        for words, code, why in (
            (("--process-log-limit", "5XB"), 2, b'"5XB" is no size'),
            (("--keep-ended", "x"), 2, b"--keep-ended"),
            (("--max-processes", "0"), 2, b'--max-processes: a whole number from 1 to'),
            (("--port", str(taken)), 125, f"port {taken} is held by python3".encode()),
        ):
            for how in (("--detach",), ()):
                refused = self.cli("serve", *how, "--replace", *words)
                self.assertEqual(refused.code, code, refused)
                self.assertIn(why, refused.err)
                self.assertIsNone(self.daemon.process.poll())
        self.assertIn(f"(PID {pid})", (self.place.data / "daemon.lock").read_text())

    def test_what_could_not_serve_the_data_directory_ends_nobody(self):
        pid = self.daemon.process.pid
        token, procs, ended = (self.place.data / each for each in ("token", "procs", "ended-sessions"))
        ended.unlink(missing_ok=True)
        for make, words, why in (
            (lambda: (token.write_text("0" * 64 + "\n"), token.chmod(0o644)), (), b"may be read by others"),
            (lambda: (token.unlink(), token.symlink_to("/dev/null")), ("--auth", "token"), b"token"),
            (lambda: (token.unlink(), (procs / "x").mkdir(), procs.chmod(0o777)), (), b"chmod 700"),
            (lambda: ((procs / "x").rmdir(), procs.chmod(0o700), ended.symlink_to("/dev/null")), (), b"ended-sessions"),
        ):
            make()
            for how in (("--detach",), ()):
                refused = self.cli("serve", *how, "--replace", *words)
                self.assertEqual(refused.code, 125, refused)
                self.assertIn(why, refused.err)
                self.assertIsNone(self.daemon.process.poll())
        ended.unlink()
        self.assertIn(f"(PID {pid})", (self.place.data / "daemon.lock").read_text())
        self.start("web", ["sleep", "600"])

    def test_another_port(self):
        port = harness.free_port()
        self.ok("serve", "--detach", "--replace", "--port", str(port))
        self.place.environment["PERSISTPROC_PORT"] = str(port)
        self.assertIn(f":{port}/", self.ok("doctor").out.decode())
        self.ok("shutdown")

    def test_the_next_daemon_is_told_what_the_one_before_was(self):
        port = self.daemon.port
        del self.place.environment["PERSISTPROC_PORT"]
        self.ok("serve", "--detach", "--replace", "--keep-ended", "5", "--process-log-limit=9MiB")
        replaced = self.ok("serve", "--detach", "--replace", "--keep-ended", "6")
        self.assertIn(f"127.0.0.1:{port}/", replaced.out.decode())
        self.assertOneLine(
            replaced.err, f"as the daemon that is replaced: --port {port} --process-log-limit 9MiB --agent-starts 0")
        daemon = re.search(r"PID (\d+)", (self.place.data / "daemon.lock").read_text())[1]
        words = pathlib.Path(f"/proc/{daemon}/cmdline").read_bytes().split(b"\0")
        self.assertEqual([words[words.index(flag) + 1] for flag in (b"--keep-ended", b"--process-log-limit")],
                         [b"6", b"9MiB"])
        other = harness.free_port()
        said = self.ok("serve", "--detach", "--replace", "--port", str(other)).err.decode()
        self.assertIn(f"the port of the daemon that is replaced was {port}, now it is {other}", said)
        self.ok("shutdown")

    def test_it_is_as_well_when_none_runs(self):
        self.ok("shutdown")
        self.ok("serve", "--detach", "--replace", "--port", str(self.daemon.port))
        self.ok("shutdown")


if __name__ == "__main__":
    harness.main()
