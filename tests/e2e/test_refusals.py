"""Bad input gets one clear line, the right status, and leaves nothing half-made."""
import contextlib
import os
import pathlib
import socket
import subprocess
import unittest

import harness


class Tools(harness.TestCase):
    def refused(self, code, tool, *words, **arguments):
        answer = self.client.call(tool, **arguments)
        self.assertTrue(answer.is_error, answer.result)
        self.assertIn(answer.error["code"], code.split("|"), answer.result)
        self.assertOneLine(answer.text.encode(), answer.error["code"], *words)
        self.assertNotIn("structuredContent", answer.result)
        return answer

    def setUp(self):
        super().setUp()
        self.client = self.mcp()
        self.work = str(self.place.work)

    def nothing_made(self):
        self.assertEqual(self.views(), [])
        # One whose run is over may still be syncing what it wrote.
        shims = lambda: [each for each in harness.processes_of(self.place.data) if "persistproc-shim" in each[1]]
        harness.eventually("no shim is left", lambda: not shims())

    def test_missing_directory(self):
        self.refused(
            "not_found|invalid|exec_failed",
            "start_process",
            "/no/such/place",
            command="sleep 60",
            working_directory="/no/such/place",
        )
        self.nothing_made()

    def test_relative_directory(self):
        self.refused("invalid", "start_process", "working_directory", command="sleep 60", working_directory="work")
        self.nothing_made()

    def test_unknown_program(self):
        self.refused(
            "exec_failed",
            "start_process",
            "no-such-program: no such program",
            command="no-such-program",
            working_directory=self.work,
        )
        self.nothing_made()

    def test_not_executable(self):
        (self.place.work / "plain").write_text("text")
        self.refused(
            "exec_failed", "start_process", "plain: not executable", command="./plain", working_directory=self.work
        )
        self.nothing_made()

    def test_what_its_first_line_names_is_told_to_agents_too(self):
        (self.place.work / "windows.exe").write_bytes(b"MZ\0\0")
        (self.place.work / "script").write_text("#!./windows.exe\nexit 0\n")
        for name in ("windows.exe", "script"):
            (self.place.work / name).chmod(0o755)
        why = "./script: ./windows.exe, which its first line names, is no program that this machine can execute"
        self.refused("exec_failed", "start_process", why, command="./script", working_directory=self.work)
        self.nothing_made()
        finished = self.cli("run", "./script")
        self.assertEqual(finished.code, 126, finished)
        self.assertOneLine(finished.err, why)

    def test_what_execve_refuses_is_named_and_uses_up_no_id(self):
        program = bytearray(pathlib.Path("/bin/true").read_bytes())
        write = lambda name, data: ((self.place.work / name).write_bytes(data), (self.place.work / name).chmod(0o755))
        write("cut", program[:200])
        os.symlink("turning", self.place.work / "turning")
        refused = [("./cut", 126, "damaged"), ("./turning", 126, "symbolic links"), ("./" + "x" * 300, 126, "too long")]
        program[18] = 183 if program[18] != 183 else 62
        write("foreign", program)
        for name, status, why in refused:
            finished = self.cli("start", name)
            self.assertEqual(finished.code, status, finished)
            self.assertOneLine(finished.err, why)
        self.nothing_made()
        self.assertEqual(self.start("first", ["sleep", "60"])["id"], "p1")
        # What the kernel was given an interpreter for runs.
        try:
            subprocess.run([self.place.work / "foreign"])
        except OSError:
            finished = self.cli("start", "./foreign")
            self.assertEqual(finished.code, 126, finished)
            self.assertOneLine(finished.err, "./foreign: built for another machine (")

    def test_unknown_target(self):
        self.start("server", ["sleep", "60"])
        self.refused("not_found", "stop_process", "sevrer", "server", process="sevrer")
        finished = self.cli("status", "sevrer")
        self.assertEqual(finished.code, 4, finished)
        self.assertOneLine(finished.err, "server")

    def test_ambiguous_target(self):
        for label in ("one", "two"):
            self.start(label, ["sleep", "60"])
        pids = {v["label"]: v["pid"] for v in self.views()}
        answer = self.client.call("stop_process", process="sleep 60")
        self.assertTrue(answer.is_error)
        self.assertEqual(answer.error["code"], "ambiguous")
        for word in ("p1", "p2", "one", "two", self.work, *map(str, pids.values())):
            self.assertIn(word, answer.text)
        self.assertTrue(all(harness.is_alive(p) for p in pids.values()))

    def test_label_conflict(self):
        self.start("one", ["sleep", "60"])
        self.refused("conflict", "start_process", "one", command="sleep 61", working_directory=self.work, label="one")
        self.assertEqual(len(self.views()), 1)

    def test_bad_pattern(self):
        self.start("one", ["sleep", "60"])
        self.refused("invalid", "get_process_output", "grep", process="one", grep="(")
        self.refused("invalid", "wait_for_process", "pattern", process="one", until="pattern", pattern="(")
        finished = self.cli("output", "one", "--grep", "(")
        self.assertEqual(finished.code, 2, finished)
        self.assertOneLine(finished.err, "(")

    def test_unknown_and_wrong_arguments(self):
        self.refused("invalid", "list_processes", "colour", colour="blue")
        self.refused("invalid", "stop_process", "process")
        self.refused("invalid", "stop_process", "grace_seconds", process="x", grace_seconds="soon")
        self.refused(
            "invalid", "start_process", "restart", command="sleep 60", working_directory=self.work, restart="perhaps"
        )
        self.refused("invalid", "start_process", "umask", command="sleep 60", working_directory=self.work, umask=0)
        self.nothing_made()

    def test_shell_words_in_a_command_string_are_refused(self):
        self.refused("invalid", "start_process", "shell", command="a | b", working_directory=self.work)
        self.nothing_made()

    def test_unknown_tool_is_a_protocol_error(self):
        with self.assertRaises(harness.McpError) as caught:
            self.client.call("daemon_info")  # exists, but not for agents
        self.assertIn(b"-32602", caught.exception.body)

    def test_json_errors_are_one_document(self):
        finished = self.cli("status", "nobody", "--json")
        self.assertEqual(finished.code, 4, finished)
        self.assertEqual(finished.json()["error"]["code"], "not_found")

    def test_a_running_process_is_not_removed(self):
        self.start("one", ["sleep", "60"])
        finished = self.cli("rm", "one")
        self.assertNotEqual(finished.code, 0)
        self.assertOneLine(finished.err, "p1", "stop")
        self.assertEqual(self.view("one")["state"], "running")

    def test_a_name_with_flags_for_a_new_process_starts_nothing(self):
        self.ok("run", "--label", "web", "true")
        env_file = self.place.work / "env"
        env_file.touch()
        for name, flags in (
            ("--label", ["--label", "x"]),
            ("--env", ["-e", "A=1"]),
            ("--working-directory", ["-C", "/"]),
            ("--restart", ["--restart", "always"]),
            ("--shell", ["--shell"]),
            ("--env-file", [f"--env-file={env_file}"]),
            ("--grace", ["--fresh", "--grace=1s"]),
        ):
            for word in ("web", "p1"):
                with self.subTest(flags, word=word):
                    finished = self.cli("start", *flags, word)
                    self.assertEqual((finished.code, finished.out), (2, b""), finished)
                    self.assertOneLine(finished.err, "p1", f"persistproc start {word} ", name, "put --")
        self.assertEqual([(v["id"], v["run"]) for v in self.views()], [("p1", "p1.1")])
        # Behind -- it is a program, and so it is where no process has that name.
        for arguments in (["--", "web"], ["--label", "x", "--", "web"], ["--label", "x", "wob"]):
            finished = self.cli("start", *arguments)
            self.assertEqual(finished.code, 127, finished)
            self.assertOneLine(finished.err, "no such program")
        # Flags behind the name are a program's, and there is none.
        finished = self.cli("start", "web", "--label", "x")
        self.assertEqual(finished.code, 2, finished)
        self.assertOneLine(finished.err, "p1", "persistproc start web ")
        self.assertEqual(len(self.views()), 1)
        self.ok("start", "web")
        self.assertEqual(self.view("web")["run"], "p1.2")

    def test_a_command_that_is_its_own_label_can_be_said_again(self):
        program = self.place.work / "db"
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)
        self.place.environment["PATH"] = f"{self.place.work}:{os.environ['PATH']}"
        for _ in range(2):
            self.ok("start", "--label", "db", "db")
        self.assertEqual([(v["id"], v["run"]) for v in self.views()], [("p1", "p1.1")])

    def test_no_refusal_of_the_command_line_repeats_a_long_word_whole(self):
        word = "n" * 100_000
        for words in (("stop", "p1", word), ("stop", word), ("rm", "p1", word), ("status", word, "p1"),
                      ("list", "--data-dir", word), ("start", "--data-dir", "/" + word, "true"),
                      ("doctor", "--data-dir", word), ("serve", "--data-dir", word), ("list", "--label", word)):
            refused = self.cli(*words)
            self.assertNotEqual(refused.code, 0, words[0])
            self.assertLess(len(refused.out + refused.err), 1500, words[0])

    def test_one_refusal_of_several_leaves_the_others_done(self):
        for label in ("one", "two"):
            self.ok("run", "--label", label, "true")
        finished = self.cli("rm", "one", "nosuch", "two")
        self.assertEqual(finished.code, 125, finished)
        self.assertEqual(finished.out.splitlines()[:2], [b"p1 (one) is forgotten", b"p2 (two) is forgotten"])
        self.assertTrue(finished.out.splitlines()[2].startswith(b"2 forgotten, "))
        self.assertOneLine(finished.err, "nosuch")
        self.nothing_made()


class Daemon(harness.TestCase):
    """What the daemon refuses at its start: one line, a status, nothing changed."""

    autostart = False

    def serve(self, *arguments, env=None, wrapper=()):
        ran = subprocess.run(
            [*wrapper, str(harness.BIN / "persistprocd"), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=harness.PATIENCE,
            env={**self.place.environment, **(env or {})},
        )
        return harness.Finished(ran.returncode, ran.stdout, ran.stderr)

    def refused(self, finished, *words):
        self.assertNotEqual(finished.code, 0)
        self.assertOneLine(finished.err, *words)
        self.assertFalse(harness.processes_of(self.place.data))

    def test_busy_port(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            self.refused(self.serve("--data-dir", self.place.data, "--port", port), str(port))

    @unittest.skipUnless(socket.has_ipv6, "needs IPv6")
    def test_who_holds_the_other_loopback_is_told_of(self):
        with socket.socket(socket.AF_INET6) as holder, socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            try:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                holder.bind(("::1", port))
            except OSError as error:
                self.skipTest(str(error))
            holder.listen()
            free.close()
            self.daemon = harness.Daemon(self.place)
            self.daemon.port = port
            self.daemon.start()
            self.assertIn(f"[::1]:{port} is held by another program", self.daemon.log())
            found = self.cli("doctor").out.decode()
            self.assertIn(f"[::1]:{port} is held by", found)
            self.assertIn(f"(PID {os.getpid()})", found)
            own = pathlib.Path("/proc/self/comm").read_text().strip()
            # Nor does it keep the next daemon from serving, which says so, too.
            said = f"persistproc: [::1]:{port} is held by {own} (PID {os.getpid()}): "
            replaced = self.ok("serve", "--detach", "--replace", "--port", str(port))
            self.assertIn(said, replaced.err.decode())
            self.ok("shutdown")
            self.assertIn(said, self.ok("serve", "--detach", "--port", str(port)).err.decode())
        self.assertNotIn("[::1]", self.cli("doctor").out.decode())

    def test_bad_port(self):
        finished = self.serve("--data-dir", self.place.data, "--port", "http")
        self.refused(finished, "http")
        self.assertEqual(finished.code, 2)
        self.assertFalse(self.place.data.exists())

    def test_second_daemon(self):
        self.daemon.start()
        finished = self.serve("--data-dir", self.place.data, "--port", "0")
        self.assertEqual(finished.code, 75, finished)
        self.assertOneLine(finished.err, str(self.daemon.process.pid))
        self.ok("list")

    def test_data_directory_is_a_file(self):
        self.place.data.write_text("not ours")
        self.refused(self.serve("--data-dir", self.place.data, "--port", "0"), str(self.place.data))
        self.assertEqual(self.place.data.read_text(), "not ours")

    def test_symlink_in_the_way(self):
        elsewhere = self.place.root / "elsewhere"
        elsewhere.mkdir()
        self.place.data.mkdir(mode=0o700)
        (self.place.data / "procs").symlink_to(elsewhere)
        self.refused(self.serve("--data-dir", self.place.data, "--port", "0"), "procs")
        self.assertEqual(list(elsewhere.iterdir()), [])

    @harness.needs_root
    def test_unwritable_data_directory(self):
        self.place.root.chmod(0o755)
        parent = self.place.root / "locked"
        parent.mkdir(mode=0o755)
        runtime = self.place.root / "nobodys"
        runtime.mkdir(mode=0o700)
        os.chown(runtime, 65534, 65534)
        finished = self.serve(
            "--data-dir",
            parent / "data",
            "--port",
            "0",
            env={"XDG_RUNTIME_DIR": str(runtime)},
            wrapper=harness.AS_NOBODY,
        )
        self.refused(finished, str(parent / "data"), "ermission denied")
        self.assertEqual(list(parent.iterdir()), [])

    @harness.needs_root
    def test_foreign_data_directory(self):
        self.place.data.mkdir(mode=0o700)
        os.chown(self.place.data, 65534, 65534)
        self.refused(self.serve("--data-dir", self.place.data, "--port", "0"), str(self.place.data))
        self.assertEqual(list(self.place.data.iterdir()), [])

    def test_open_data_directory_is_closed_or_refused(self):
        self.place.data.mkdir()
        self.place.data.chmod(0o777)
        with contextlib.suppress(AssertionError):
            self.daemon.start()
            self.assertEqual(self.place.data.stat().st_mode & 0o777, 0o700)
            return
        self.assertEqual(len(self.daemon.log().strip().splitlines()), 1, self.daemon.log())

    def small_disk(self, size):
        self.place.data.mkdir(mode=0o700)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(self.place.data)], capture_output=True
        )
        if mounted.returncode:
            self.skipTest(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.place.data)])

    def fill(self):
        filler = self.place.data / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        return filler

    @harness.needs_root
    def test_full_disk(self):
        self.small_disk("16k")
        self.fill()
        self.refused(self.serve("--data-dir", self.place.data, "--port", "0"), str(self.place.data), "disk full")
        # Nor does the log take why.
        finished = self.cli("start", "--", "true")
        self.assertEqual(finished.code, 125)
        self.assertOneLine(finished.err, f"the daemon did not start: disk full at {self.place.data}")

    @harness.needs_root
    def test_disk_that_filled_up_since(self):
        self.small_disk("4m")
        self.daemon.start()
        self.assertEqual(self.views(), [])
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        filler = self.fill()
        # What is there is served all the same.
        self.daemon.start()
        self.assertEqual(self.views(), [])
        self.assertEqual(self.cli("start", "--", "true").code, 125)
        filler.unlink()
        self.ok("run", "true")
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)

    @harness.needs_root
    def test_disk_full_at_the_start_of_a_program(self):
        self.small_disk("4m")
        self.daemon.start()
        self.assertEqual(self.views(), [])  # its own first records are written
        filler = self.fill()
        marker = self.place.work / "ran"
        finished = self.cli("start", "--", "touch", str(marker))
        self.assertEqual(finished.code, 125, finished)
        self.assertOneLine(finished.err, "full")
        self.assertEqual(self.views(), [])
        self.assertFalse(marker.exists())
        filler.unlink()
        self.ok("run", "touch", str(marker))
        self.assertTrue(marker.exists())
        self.ok("shutdown")  # before the disk goes away
        self.daemon.process.wait(harness.PATIENCE)


if __name__ == "__main__":
    harness.main()
