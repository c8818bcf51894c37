"""`doctor` looks at everything, says what to do, and changes nothing."""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import time
import unittest

import harness
import test_setup


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Case(test_setup.Case):
    def doctor(self, code=None):
        finished = self.cli("doctor", "--json", patience=60)
        checks = finished.json()["checks"]
        self.assertEqual(finished.code, 1 if any(c["status"] == "problem" for c in checks) else 0, finished)
        if code is not None:
            self.assertEqual(finished.code, code, finished)
        for check in checks:
            self.assertEqual(sorted(check), ["advice", "detail", "name", "status"])
            self.assertIn(check["status"], ("ok", "note", "problem"))
        return checks

    def check_of(self, name, code=None):
        found = [check for check in self.doctor(code) if check["name"] == name]
        self.assertEqual(len(found), 1, found)
        return found[0]


class WithoutDaemon(Case):
    def test_it_changes_nothing_and_creates_nothing(self):
        self.write(self.home / ".cursor/mcp.json", b"{ broken")
        self.ok("setup", "zed")
        before = test_setup.listing(self.place.root)
        self.doctor(1)
        self.cli("doctor", "-v")
        self.assertEqual(test_setup.listing(self.place.root), before)
        self.assertFalse(self.place.data.exists())
        self.assertFalse(harness.processes_of(self.place.root))

    def test_a_new_machine_has_no_problem(self):
        checks = {check["name"]: check for check in self.doctor(0)}
        for name in ("client", "daemon program", "shim", "data directory", "endpoint"):
            self.assertEqual(checks[name]["status"], "ok", checks[name])
        self.assertEqual(checks["daemon"]["status"], "note")
        self.assertIn("persistproc serve --detach", checks["daemon"]["advice"])
        lines = self.ok("doctor").out.decode().splitlines()
        self.assertTrue(all(line.split()[0] in ("ok", "note", "problem") for line in lines), lines)

    def test_a_client_that_is_not_installed_is_no_news(self):
        self.place.environment["PATH"] = str(self.home)
        absent = list(test_setup.CLIENTS)
        for client in [None, "cursor", "codex"]:
            if client:
                absent.remove(client)
                (self.home / f".{client}").mkdir(parents=True)
            checks = {check["name"]: check for check in self.doctor(0)}
            self.assertEqual([each for each in absent if each in checks], [])
            if client:
                self.assertEqual(checks[client]["status"], "note", checks[client])
                self.assertEqual(checks[client]["advice"], f"persistproc setup {client}")
                self.assertEqual(checks["clients"]["status"], "ok", checks)
                self.assertEqual(checks["clients"]["detail"], f"not found here: {', '.join(absent)}")
            else:
                self.assertEqual(checks["clients"]["advice"], "persistproc setup CLIENT adds it to one", checks)

    def test_what_setup_wrote_is_right(self):
        for client in test_setup.CLIENTS:
            for form in ([], ["--http"]):
                self.ok("setup", client, *form)
                self.assertEqual(self.check_of(client, 0)["status"], "ok", (client, form))

    def test_each_wrong_entry_is_a_line_with_its_repair(self):
        rows = [
            ("gemini", ".gemini/settings.json", {"mcpServers": {"persistproc": {"url": self.url}}}, "httpUrl"),
            ("claude-code", ".claude.json", {"mcpServers": {"persistproc": {"url": self.url}}}, "type"),
            ("vscode", ".config/Code/User/mcp.json", {"servers": {"persistproc": {"url": self.url}}}, "type"),
            ("cursor", ".cursor/mcp.json", {"mcpServers": {"persistproc": {"command": "/no/such"}}}, "/no/such"),
            ("windsurf", ".codeium/windsurf/mcp_config.json", {"mcpServers": {"persistproc": 1}}, "table"),
        ]
        for client, file, content, word in rows:
            path = self.write(self.home / file, json.dumps(content).encode())
            check = self.check_of(client, 1)
            self.assertEqual(check["status"], "problem", check)
            self.assertIn(str(path), check["detail"])
            self.assertIn(word, check["detail"])
            form = " --http" if self.url in json.dumps(content) else ""
            self.assertEqual(check["advice"], f"persistproc setup {client}{form}")
        for client in ("gemini", "claude-code", "vscode", "cursor"):
            self.ok(*self.check_of(client)["advice"].split()[1:])
            self.assertEqual(self.check_of(client)["status"], "ok")

    def test_both_scopes_and_the_local_one_of_claude_are_found(self):
        local = {"projects": {str(self.place.work): {"mcpServers": {"persistproc": {"url": "x"}}}}}
        self.write(self.home / ".claude.json", json.dumps(local).encode())
        self.ok("setup", "claude", "--http", "--scope", "project")
        found = [check for check in self.doctor(1) if check["name"] == "claude-code"]
        self.assertEqual(sorted(check["status"] for check in found), ["ok", "problem"], found)

    def test_a_foreign_program_on_the_port_is_named(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", int(self.place.environment["PERSISTPROC_PORT"])))
            held.listen()
            check = self.check_of("endpoint", 1)
        self.assertEqual(check["status"], "problem")
        self.assertIn(f"(PID {os.getpid()})", check["detail"])

    def test_a_data_directory_that_is_none(self):
        self.place.data.write_text("x")
        self.assertEqual(self.check_of("data directory", 1)["status"], "problem")
        self.place.data.unlink()
        self.place.data.mkdir(mode=0o755)
        self.place.data.chmod(0o755)
        self.assertIn("chmod 700", self.check_of("data directory", 1)["advice"])


    def test_a_token_that_no_daemon_begins_with(self):
        self.place.data.mkdir(mode=0o700)
        token = self.place.data / "token"
        for text, mode, told in (("a1" * 32, 0o644, "may be read by others (mode 0644)"), ("", 0o600, "holds no token")):
            token.unlink(missing_ok=True)
            token.write_text(text)
            token.chmod(mode)
            told_of = self.check_of("data directory", 1)
            self.assertEqual(told_of["status"], "problem")
            self.assertEqual(told_of["detail"],
                             f"token: {token} {told}; have another made: rm {token}, then persistproc serve "
                             "--detach --auth token (without that word the next daemon asks for none)")
        token.unlink()
        self.assertEqual(self.check_of("data directory")["status"], "ok")

    def test_a_database_of_a_newer_version(self):
        self.daemon.start()
        self.daemon.kill()
        with contextlib.closing(sqlite3.connect(self.place.data / "persistproc.db")) as database, database:
            database.execute("INSERT INTO meta VALUES ('readable_from', 99)")
            database.execute("PRAGMA user_version = 99")
        check = self.check_of("data directory", 1)
        self.assertEqual(check["status"], "problem")
        self.assertIn("persistproc.db: database: schema 99 is not for programs before 99", check["detail"])

    def test_a_broken_shim(self):
        programs = self.place.root / "programs"
        programs.mkdir()
        for name in ("persistproc", "persistprocd", "persistproc-shim"):
            shutil.copy(harness.BIN / name, programs / name)
        shim = programs / "persistproc-shim"
        together = "install the programs of one version together"

        def check(status):
            command = [str(programs / "persistproc"), "doctor", "--json"]
            finished = subprocess.run(command, env=self.place.environment, cwd=self.place.work, capture_output=True)
            self.assertEqual(finished.returncode, 1 if status == "problem" else 0, finished)
            (found,) = [each for each in json.loads(finished.stdout)["checks"] if each["name"] == "shim"]
            self.assertEqual(found["status"], status, found)
            return found["detail"], found["advice"]

        self.assertTrue(check("ok")[0].startswith(f"{shim} "))
        shim.chmod(0o644)
        self.assertEqual(check("problem"), (f"{shim} may not be executed: nothing can be started", f"chmod 755 {shim}"))
        other = "#!/bin/sh\necho persistproc-shim 0.0.9\n"
        for content, told in (
            ("no program", f"of another version, or broken: {shim}: Exec format error"),
            ("#!/bin/sh\nexit 71\n", f"of another version, or broken: {shim} cannot be run: --version ended with status 71"),
            (other, f"{shim} is version 0.0.9, the client is "),
        ):
            shim.write_text(content)
            shim.chmod(0o755)
            detail, advice = check("problem")
            self.assertTrue(detail.startswith(told), detail)
            self.assertEqual(advice, together)
        shim.unlink()
        detail, advice = check("problem")
        self.assertIn(f"there is neither {shim} nor ", detail)
        self.assertEqual(advice, together)
        self.daemon.program = programs / "persistprocd"
        self.daemon.start()
        started = self.cli("start", "sleep", "600")
        self.assertEqual(started.code, 125, started)
        self.assertTrue(started.err.decode().endswith(f"execve: No such file or directory; {together}\n"), started)

    def test_a_program_that_is_not_on_the_path(self):
        check = self.check_of("PATH", 0)
        self.assertEqual(check["status"], "note")
        self.assertIn(f"export PATH={harness.BIN}:", check["advice"])
        other = self.place.root / "other"
        other.mkdir()
        (other / "persistproc").write_text("#!/bin/sh\n")
        (other / "persistproc").chmod(0o755)
        path = self.place.environment["PATH"]
        self.place.environment["PATH"] = f"{other}:{harness.BIN}:{path}"
        self.assertIn(str(other / "persistproc"), self.check_of("PATH", 0)["detail"])
        link = self.place.root / "links"
        link.mkdir()
        (link / "persistproc").symlink_to(harness.BIN / "persistproc")
        self.place.environment["PATH"] = f"{link}:{path}"
        self.assertEqual(self.check_of("PATH", 0)["status"], "ok")

    def test_what_works_after_a_reboot(self):
        self.assertEqual(self.check_of("reboot", 0)["status"], "ok")
        self.ok("setup", "cursor")
        self.assertEqual(self.check_of("reboot", 0)["status"], "ok")
        self.ok("setup", "cursor", "--http")
        check = self.check_of("reboot", 0)
        self.assertEqual(check["status"], "note")
        self.assertIn("cursor reaches the daemon by its URL", check["detail"])
        self.assertIn("persistproc setup cursor lets the agent start it", check["advice"])
        self.ok("setup", "zed", "--http")
        self.assertIn("cursor, zed reach", self.check_of("reboot", 0)["detail"])
        wants = self.home / ".config/systemd/user/default.target.wants"
        wants.mkdir(parents=True)
        (wants / "persistprocd.service").symlink_to("/nowhere")
        self.assertEqual(self.check_of("reboot", 0)["status"], "ok")
        (wants / "persistprocd.service").unlink()
        for client in ("cursor", "zed"):
            self.ok("setup", client)
        self.assertEqual(self.check_of("reboot", 0)["status"], "ok")


class WithDaemon(Case):
    autostart = True

    def test_all_is_well_and_nothing_changes(self):
        self.start("web", ["sleep", "60"])
        for client in test_setup.CLIENTS:
            self.ok("setup", client)
        self.place.environment["PATH"] = f"{harness.BIN}:{self.place.environment['PATH']}"
        before = test_setup.listing(self.place.root)
        checks = {check["name"]: check for check in self.doctor(0)}
        of_the_machine = ("logout", "reboot")
        others = {check["status"] for check in checks.values() if check["name"] not in of_the_machine}
        self.assertEqual(others, {"ok"}, checks)
        self.assertIn(str(self.daemon.process.pid), checks["daemon"]["detail"])
        self.assertIn(self.url, checks["endpoint"]["detail"])
        self.assertEqual(test_setup.listing(self.place.root), before)

    def test_another_port_in_an_entry_is_a_problem(self):
        self.ok("setup", "cursor", "--http", "--port", "4711")
        check = self.check_of("cursor", 1)
        self.assertEqual(check["status"], "problem")
        self.assertIn(self.url, check["detail"])
        self.ok("setup", "cursor", "--http")
        self.assertEqual(self.check_of("cursor", 0)["status"], "ok")

    def test_a_daemon_that_hangs_is_named(self):
        harness.suspend(self.daemon.process.pid)
        try:
            check = self.check_of("daemon", 1)
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
        self.assertEqual(check["status"], "problem")
        self.assertIn(str(self.daemon.process.pid), check["detail"])
        self.assertEqual(check["advice"], f"kill -CONT {self.daemon.process.pid}")

    @harness.needs_root
    def test_anothers_data_directory_is_told_once(self):
        other = self.place.root / "other"
        other.mkdir(mode=0o700)
        os.chown(other, 65534, 65534)
        checks = json.loads(self.cli("doctor", "--json", "--data-dir", str(other)).out)["checks"]
        told = [each["name"] for each in checks if "another user" in each["detail"] and each["status"] == "problem"]
        self.assertEqual(told, ["data directory"])

    def test_it_does_not_wait_for_what_hangs(self):
        pid = self.start("web", ["sleep", "60"])["pid"]
        stopped = (self.daemon.process.pid, parent_of(pid))
        for each in stopped:
            harness.suspend(each)
        try:
            before = test_setup.listing(self.place.root)
            began = time.monotonic()
            checks = {check["name"]: check for check in self.doctor(1)}
            took = time.monotonic() - began
            self.assertEqual(test_setup.listing(self.place.root), before)
        finally:
            for each in stopped:
                os.kill(each, signal.SIGCONT)
        self.assertLess(took, 3.0)  # a second on a quiet machine
        self.assertEqual(checks["shims"]["status"], "problem")
        self.assertIn(f"p1.1: its shim (PID {stopped[1]}) was stopped", checks["shims"]["detail"])
        self.assertIn(f"kill -CONT {stopped[1]}", checks["shims"]["advice"])
        self.assertEqual(checks["endpoint"]["status"], "note")

    def test_a_program_whose_shim_is_dead(self):
        pid = self.start("web", ["sleep", "60"])["pid"]
        self.daemon.kill()
        harness.kill(parent_of(pid))
        check = self.check_of("shims", 1)
        self.assertIn(f"p1.1: its shim is dead, its program (PID {pid}) lives", check["detail"])
        harness.kill(pid)
        self.assertEqual(self.check_of("shims")["status"], "ok")
        self.daemon.start()

    def test_a_run_of_an_unknown_format(self):
        run = self.place.data / "procs" / "p77" / "runs" / "1"
        run.mkdir(parents=True)
        state = struct.pack("<HH", 99, 0).ljust(136, b"\0")
        slot = b"ppstate\n" + struct.pack("<II", len(state), crc32c(struct.pack("<I", len(state)) + state)) + state
        (run / "state").write_bytes(slot.ljust(2048, b"\0") + bytes(2048))
        check = self.check_of("shims", 0)
        self.assertEqual(check["status"], "note")
        self.assertIn("p77.1", check["detail"])
        self.assertIn("newer version", check["detail"])
        shutil.rmtree(self.place.data / "procs" / "p77")

    def test_too_few_descriptors(self):
        self.start("web", ["sleep", "60"])
        own = resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE)
        for most, status in ((140, "problem"), (1024, "note"), (own[1], "ok" if own[1] >= 4096 else "note")):
            resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE, (most, own[1]))
            check = self.check_of("open files")
            self.assertEqual(check["status"], status, check)
            self.assertIn(str(most), check["detail"])
            if status == "problem":
                self.assertIn("room for 1 program, and 1 runs: no other is started", check["detail"])
            if own[1] > most:
                self.assertRegex(check["advice"], f"may hold {own[1]}: .*--replace$")

    def test_what_cannot_be_raised_back(self):
        self.assertEqual(self.check_of("inherited limits")["status"], "ok")
        daemon = self.daemon.process.pid
        os.setpriority(os.PRIO_PROCESS, daemon, os.getpriority(os.PRIO_PROCESS, 0) + 5)
        own = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        lower = 9999 if own == resource.RLIM_INFINITY else own - 1
        resource.prlimit(daemon, resource.RLIMIT_NPROC, (lower, lower))
        check = self.check_of("inherited limits")
        self.assertEqual(check["status"], "note")
        self.assertIn(f"its nice value is {os.getpriority(os.PRIO_PROCESS, daemon)}", check["detail"])
        here = "unlimited" if own == resource.RLIM_INFINITY else own
        self.assertIn(f"its hard limit of processes is {lower}, here it is {here}", check["detail"])
        self.assertIn("serve --detach", check["advice"])
        self.assertIn("--replace", check["advice"])

    def test_what_gave_up_is_counted(self):
        self.start("web", ["sleep", "60"])
        for label in ("crash", "crash2"):
            self.start(label, ["false"], "--restart", "on-failure:2")
        harness.eventually("both give up", lambda: {self.view(l)["state"] for l in ("crash", "crash2")} == {"gave_up"}, 60)
        check = self.check_of("processes", 0)
        self.assertEqual(check["status"], "note")
        self.assertEqual(check["detail"], "2 of 3 could not be started, gave up or wait to run again: p2 (crash), p3 (crash2)")
        self.assertEqual(check["advice"], "persistproc status p2 p3")

    def test_keepers_without_a_daemon_are_counted(self):
        for label in ("web", "api"):
            self.start(label, ["sleep", "60"])
        self.assertEqual(self.check_of("shims", 0)["status"], "ok")
        self.daemon.kill()
        check = self.check_of("shims", 0)
        self.assertEqual((check["status"], check["detail"]), ("note", "2 programs run on without a daemon"))
        self.assertIn("persistproc serve --detach", check["advice"])
        self.daemon.start()

    def test_a_killed_daemon_is_one_that_is_not_there(self):
        self.daemon.kill()
        self.assertEqual(self.check_of("daemon", 0)["status"], "note")


if __name__ == "__main__":
    unittest.main()
