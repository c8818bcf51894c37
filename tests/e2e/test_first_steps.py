"""The first two minutes of a newcomer."""
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import harness


class FirstSteps(harness.TestCase):
    autostart = False

    def test_a_web_server_runs_is_listed_left_and_stopped(self):
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())
        port = harness.free_port()
        self.place.environment.pop("PYTHONUNBUFFERED", None)
        shown = self.background("run", sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
        # The first command of the README shows that it works.
        shown.until_output(b"Serving HTTP on")
        self.assertIn(b"started p1 (", shown.err)
        harness.eventually("the daemon answers", lambda: shown.process.poll() is not None or self.is_served())
        harness.eventually("it is listed", lambda: shown.process.poll() is not None or self.views())
        self.assertIsNone(shown.process.poll(), shown.err)
        self.ok("wait", "p1", "--port", str(port), "--timeout", "20")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            self.assertEqual(answer.status, 200)

        view = self.views()[0]
        self.assertEqual(view["state"], "running")
        self.assertEqual(view["ports"], [port])
        self.assertEqual(view["command"], [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
        table = self.ok("list").out.decode()
        for word in ("p1", "running", str(view["pid"]), str(port)):
            self.assertIn(word, table)

        shown.signal(signal.SIGINT)
        left = shown.wait()
        self.assertEqual(left.code, 0, left)
        self.assertIn(b"p1", left.err)
        self.assertEqual(self.view("p1")["state"], "running")
        self.assertEqual(self.view("p1")["pid"], view["pid"])

        self.ok("stop", "p1")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        self.assertEqual(self.cli("status", "p1").code, 3)

    def test_an_unknown_first_word_runs_it(self):
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())
        finished = self.cli("echo", "two words", "--port", "3000")
        self.assertEqual((finished.code, finished.out), (0, b"two words --port 3000\n"), finished)

    def test_a_port_at_which_the_daemon_is_started_is_said_to_be_its_own(self):
        port = harness.free_port()
        said = (f"persistproc: --port is the daemon's, which was started at port {port}; a port of the program stands "
                f"behind the command: sleep 60 --port {port}")
        for words in (["run", "-d"], ["start"]):
            words += ["--port", str(port), "sleep", "60"]
            self.assertEqual(self.ok(*words).err.decode().splitlines()[0], said)
            self.assertNotIn(said.encode(), self.ok(*words).err)
            self.ok("shutdown")

    def test_a_port_that_can_only_be_the_daemons_is_no_programs(self):
        port = str(harness.free_port())
        self.assertNotIn(b"--port is", self.ok("--port", port, "start", "sleep", "60").err)
        self.ok("shutdown")
        self.place.environment["PERSISTPROC_PORT"] = port
        self.assertNotIn(b"--port is", self.ok("start", "--port", port, "sleep", "60").err)

    def test_another_port_than_before_is_said(self):
        port, other = harness.free_port(), harness.free_port()
        self.ok("--port", str(port), "start", "sleep", "60")
        daemon = re.search(r"PID (\d+)", (self.place.data / "daemon.lock").read_text())[1]
        os.kill(int(daemon), signal.SIGKILL)
        self.place.environment["PERSISTPROC_PORT"] = str(other)
        said = harness.eventually("it is gone", lambda: not self.is_served() and self.ok("list")).err.decode()
        self.assertIn(f"the daemon that was started has port {other}, the one before had {port}: ", said)
        self.assertIn(f"--replace --port {port}", said)

    def test_commands_that_do_not_start_a_daemon_name_the_one_that_does(self):
        for arguments in (["stop", "p1"], ["restart", "p1"], ["signal", "HUP", "p1"], ["rm", "p1"], ["wait", "p1"]):
            with self.subTest(arguments):
                finished = self.cli(*arguments)
                self.assertEqual(finished.code, 125, finished)
                self.assertOneLine(finished.err, 'no process is "p1": there are none yet')
        self.assertOneLine(self.ok("audit").err, "no processes yet")
        finished = self.cli("run", "--no-autostart", "true")
        self.assertEqual(finished.code, 125, finished)
        self.assertIn(b"persistproc serve", finished.err)
        self.assertFalse(harness.processes_of(self.place.root))

    def test_serve_in_the_background(self):
        port = harness.free_port()
        self.place.environment["PERSISTPROC_PORT"] = str(port)
        said = self.ok("serve", "--detach").out.decode()
        for word in (f"http://127.0.0.1:{port}/mcp", "Claude Code", "Cursor", "VS Code", "Codex", "Gemini CLI"):
            self.assertIn(word, said)
        self.ok("list")
        for again in (["serve", "--detach"], ["serve"]):
            refused = self.cli(*again)
            self.assertEqual((refused.code, refused.out), (75, b""), refused)
            self.assertOneLine(refused.err, str(self.place.data))
        self.assertIn(b"0 processes were stopped", self.ok("shutdown").err)
        facts = self.ok("serve", "--detach", "--json").json()
        self.assertEqual(facts["endpoint"], f"http://127.0.0.1:{port}/mcp")
        self.assertTrue(harness.is_alive(facts["pid"]) and isinstance(facts["pid"], int))
        self.ok("start", "sleep", "60")
        self.assertIn(b"1 process was stopped", self.ok("shutdown").err)
        self.assertEqual(self.ok("serve", "--detach", "-q").out, b"")

    def test_a_descriptor_for_readiness_that_is_not_open_is_refused(self):
        """It would later be one of the daemon's own, which was written to and closed: the daemon never ended."""
        serve = [harness.BIN / "persistproc", "serve"]
        rows = [
            ([harness.BIN / "persistprocd"], "--ready-fd 99: no descriptor of that number is open"),
            (serve, "--ready-fd 99: no descriptor of that number is open"),
            ([*serve, "--replace"], "--ready-fd 99: no descriptor of that number is open"),
            ([*serve, "--detach"], "with --detach the command itself ends"),
        ]
        for command, word in rows:
            refused = subprocess.run([*command, "--ready-fd", "99"], env=self.place.environment, capture_output=True, timeout=20)
            self.assertEqual((refused.returncode, refused.stdout), (2, b""), refused)
            self.assertOneLine(refused.stderr, word)
        self.assertEqual(harness.processes_of(self.place.root), [])
        # A standard stream stays what it is.
        serving = self.background("serve", "--ready-fd", "1")
        serving.until_output(b"READY=1\nENDPOINT=")
        serving.until_output(b"persistproc setup CLIENT")
        self.ok("shutdown")
        self.assertEqual(serving.wait().code, 0)

    def test_serve_that_loses_the_directory_to_another(self):
        # Which holds it, and does not serve yet.
        self.place.data.mkdir(mode=0o700, exist_ok=True)
        with open(self.place.data / "daemon.lock", "w") as lock:
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, harness.WHOLE_FILE)
            refused = self.cli("serve", "--detach")
        self.assertEqual((refused.code, refused.out), (75, b""), refused)
        self.assertOneLine(refused.err, str(self.place.data))

    def test_a_data_directory_that_cannot_be_read_is_not_empty(self):
        self.place.data.mkdir(mode=0o700, exist_ok=True)
        (self.place.data / "procs").touch()
        for arguments in (["list"], ["status", "p1"], ["output", "p1"]):
            with self.subTest(arguments):
                refused = self.cli(*arguments)
                self.assertEqual((refused.code, refused.out), (125, b""), refused)
                self.assertOneLine(refused.err, str(self.place.data / "procs"), "Not a directory")

    def test_eight_first_commands_at_once_start_one_daemon(self):
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())
        commands = [self.background("run", "--label", f"n{i}", "echo", str(i)) for i in range(8)]
        for i, each in enumerate(commands):
            finished = each.wait()
            self.assertEqual((finished.code, finished.out), (0, f"{i}\n".encode()), finished)
        daemons = [p for p in harness.processes_of(self.place.data) if "persistprocd" in p[1]]
        self.assertEqual(len(daemons), 1, daemons)
        self.assertEqual(len(self.views()), 8)


class BetweenDaemons(harness.TestCase):
    def test_a_command_that_meets_a_leaving_daemon_starts_the_next(self):
        self.start("sleeper", ["sleep", "60"])
        stubborn = self.start("stubborn", ["sh", "-c", "trap '' TERM; echo deaf; exec sleep 600"])
        self.ok("wait", "stubborn", "--pattern", "deaf")
        asked = self.mcp()
        waiting = threading.Thread(
            target=asked.call, args=["stop_process"], kwargs={"process": "stubborn", "grace_seconds": 600}
        )
        waiting.start()
        harness.eventually("it is being stopped", lambda: self.view("stubborn")["state"] == "stopping")
        # It does what it was asked before it leaves, and takes no new calls.
        self.daemon.process.send_signal(signal.SIGTERM)
        harness.eventually("it does not answer", lambda: not self.is_served())
        self.assertIsNone(self.daemon.process.poll())
        running = self.background("run", "echo", "next")
        os.kill(stubborn["pid"], signal.SIGKILL)
        finished = running.wait()
        self.assertEqual((finished.code, finished.out), (0, b"next\n"), finished)
        waiting.join()
        self.assertEqual(self.view("sleeper")["state"], "running")

    def test_a_daemon_leaves_though_something_it_is_at_does_not_end(self):
        self.daemon.kill()
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        # Nobody reads what it says there.
        self.daemon.process = subprocess.Popen(
            self.daemon.command(), env=self.place.environment, stdout=write, stderr=subprocess.PIPE
        )
        harness.eventually("it is served", self.is_served)
        self.daemon.process.send_signal(signal.SIGTERM)
        said = self.daemon.process.communicate(timeout=harness.PATIENCE)[1]
        self.assertEqual(self.daemon.process.returncode, 0)
        self.assertIn(b"left while a thread was still at something", said)
        os.close(read)
        os.close(write)


if __name__ == "__main__":
    harness.main()
