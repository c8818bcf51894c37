"""A daemon answers from its first connection on, however much an earlier one left it; what waits, waits with a bound."""
import contextlib
import errno
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest.mock

import harness

FILL_DATA = harness.BUILD / "tests" / "fill_data"
SANITIZED = b"__asan_init" in (harness.BIN / "persistprocd").read_bytes()
ENDED, LIVE, STARTS = (500, 10, 2) if SANITIZED else (10_000, 200, 5)
# Seconds from exec to the answer. A sanitized program is no measure of anything.
INITIALIZE_BUDGET, LIST_BUDGET = (2, 20) if SANITIZED else (0.050, 2)
MEMORY = "/dev/shm"
SILENT_BOUND = 5  # what an adoption waits for shims
GREETING = {
    "protocolVersion": harness.PROTOCOL,
    "capabilities": {},
    "clientInfo": {"name": "e2e", "version": "1"},
}


class Remembering(harness.Daemon):
    """A daemon that forgets nobody."""

    def command(self, ready_fd=None):
        return [*super().command(ready_fd), "--keep-ended", "20000", "--quiet"]


def waited_for_cpu(pid, threads="*"):
    """Seconds that threads of a process could have run and had no CPU: what others on the machine took from it."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").glob(threads):
        with contextlib.suppress(OSError):
            total += int((thread / "schedstat").read_text().split()[1])
    return total / 1e9


class Case(harness.TestCase):
    autostart = False

    def setUp(self):
        # In memory where that can be: it is the daemon that is measured, and a disk takes minutes to make ten thousand
        # directories while others use it.
        with unittest.mock.patch("tempfile.tempdir", MEMORY if os.access(MEMORY, os.W_OK) else None):
            super().setUp()
        self.daemon = Remembering(self.place)

    def fill(self, count):
        subprocess.run([FILL_DATA, self.place.data, str(count)], check=True)

    def start_live(self, count):
        """{label: pid} of `count` programs."""
        client = self.mcp()
        pids = {}
        for i in range(count):
            answer = client.call("start_process", command=["sleep", "3600"], working_directory="/", label=f"live{i}")
            pids[f"live{i}"] = answer.structured["pid"]
        return pids

    def execute(self):
        """Starts the daemon without waiting for anything. Its port is that of an earlier start."""
        with open(self.place.root / "daemon.stderr", "ab") as log:
            self.daemon.process = subprocess.Popen(
                self.daemon.command(), env=self.place.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def connect(self):
        """The first client that gets in, once its greeting is answered."""
        deadline = time.monotonic() + harness.PATIENCE
        client = self.mcp(initialize=False)
        while True:
            try:
                client.request("initialize", GREETING)
                return client
            # Reset: what the daemon was starting as it died holds its listener still, until it executes its program.
            except ConnectionError:
                client.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.0005)

    def page(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=harness.PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def shim_of(self, pid):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Budget(Case):
    def test_start_with_thousands_of_processes(self):
        self.fill(ENDED)
        self.daemon.start()
        pids = self.start_live(LIVE)
        initialized, listed = [], []
        for _ in range(STARTS):
            self.daemon.kill()
            began = time.monotonic()
            self.execute()
            client = self.connect()
            pid = self.daemon.process.pid
            # The budget is one of a quiet machine. One thread answers this, several read what the list needs.
            initialized.append(time.monotonic() - began - waited_for_cpu(pid, str(pid)))
            answer = client.call("list_processes").structured
            listed.append(time.monotonic() - began - waited_for_cpu(pid))
            self.assertEqual({v["label"]: v["pid"] for v in answer["processes"]}, pids)
            self.assertEqual(answer["more_ended"], ENDED)
            lists = [client.call("list_processes", state=state).structured for state in ("exited", "stopped")]
            self.assertEqual(sum(len(each["processes"]) + each.get("more_ended", 0) for each in lists), ENDED)
            self.assertTrue(all(v["last_output_at"] for each in lists for v in each["processes"]))
            client.close()
        told = f"initialize {initialized}, list_processes {listed}"
        self.assertLessEqual(min(initialized), INITIALIZE_BUDGET, told)
        self.assertLessEqual(min(listed), LIST_BUDGET, told)


class Gate(Case):
    def test_silent_shims_hold_up_nobody_but_themselves(self):
        self.daemon.start()
        pids = self.start_live(10)
        silent = {f"live{i}": self.shim_of(pids[f"live{i}"]) for i in range(3)}
        self.daemon.kill()
        for shim in silent.values():
            harness.suspend(shim)
            self.addCleanup(os.kill, shim, signal.SIGCONT)
        began = time.monotonic()
        self.execute()
        client = self.connect()
        client.notify("notifications/initialized")
        self.assertTrue(client.request("tools/list")["tools"])
        self.assertEqual(self.page("/healthz"), (200, "ok\n"))
        harness.eventually("all others adopted", lambda: self.page("/readyz") == (503, "adopting 7 of 10\n"))
        self.assertLess(time.monotonic() - began, SILENT_BOUND)
        views = {v["label"]: v for v in client.call("list_processes").structured["processes"]}
        self.assertLess(time.monotonic() - began, SILENT_BOUND + harness.PATIENCE / 6)
        self.assertEqual({label for label, v in views.items() if v["state"] == "unreachable"}, set(silent))
        self.assertEqual({v["pid"] for l, v in views.items() if l not in silent}, set(pids.values()) - {pids[l] for l in silent})
        self.assertEqual({v["state"] for label, v in views.items() if label not in silent}, {"running"})
        self.assertEqual(self.page("/readyz"), (200, "ready\n"))
        for shim in silent.values():
            os.kill(shim, signal.SIGCONT)

        def all_back():
            now = {v["label"]: v for v in client.call("list_processes").structured["processes"]}
            return {v["state"] for v in now.values()} == {"running"} and {l: v["pid"] for l, v in now.items()} == pids

        harness.eventually("the silent ones are back", all_back)

    def test_pages_are_for_callers_of_this_machine(self):
        self.daemon.start()
        harness.eventually("adopted", lambda: self.page("/readyz")[0] == 200)
        self.assertEqual(self.page("/healthz", "HEAD"), (200, ""))
        self.assertEqual(self.page("/healthz?verbose"), (200, "ok\n"))
        self.assertEqual(self.page("/healthz", Host="example.com")[0], 403)
        self.assertEqual(self.page("/healthz", Origin="http://example.com")[0], 403)
        self.assertNotEqual(self.page("/healthz", "POST")[0], 200)
        self.assertEqual(self.page("/health")[0], 404)


class FirstConnections(Case):
    def is_port_closed(self):
        with socket.socket() as wire:
            return wire.connect_ex(("127.0.0.1", self.daemon.port)) == errno.ECONNREFUSED

    def test_whoever_gets_in_is_answered(self):
        self.fill(ENDED // 10)
        self.daemon.start()
        kept, ended = self.mcp(), self.mcp()
        ended.end_session()
        record = self.place.data / "ended-sessions"
        harness.eventually("its end is durable", lambda: record.exists() and ended.session in record.read_text())
        for _ in range(STARTS):
            self.daemon.kill()
            # A shim it was just about to execute has its descriptors until then.
            harness.eventually("its port is closed", self.is_port_closed)
            wrong, answered, stop = [], [], threading.Event()

            def hammer(request, session, expected):
                while not stop.is_set():
                    # What another was answered while this one was on its way says nothing about it.
                    is_serving = bool(answered)
                    client = harness.Mcp(self.daemon.port, initialize=False)
                    client.session = session
                    try:
                        status, _, body = client.post(request)
                        answered.append(status)
                        if status != expected:
                            wrong.append((request["method"], status, body[:200]))
                    except ConnectionRefusedError:
                        if is_serving:
                            wrong.append("refused after others were answered")
                    except OSError as failed:
                        wrong.append(repr(failed))
                    finally:
                        client.close()

            def ask(method, params):
                return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

            listing = ask("tools/call", {"name": "list_processes", "arguments": {"state": "running"}})
            threads = [
                threading.Thread(target=hammer, args=arguments)
                for arguments in (
                    (ask("initialize", GREETING), None, 200),
                    (ask("tools/list", {}), kept.session, 200),
                    (listing, kept.session, 200),
                    (listing, ended.session, 404),
                )
            ]
            for thread in threads:
                thread.start()
            self.execute()
            try:
                harness.eventually("answers to all", lambda: len(answered) > 200 and {200, 404} <= set(answered))
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            self.assertEqual(wrong, [])

    def test_a_daemon_that_cannot_use_its_database_never_says_that_it_serves(self):
        self.fill(3)
        with contextlib.closing(sqlite3.connect(self.place.data / "persistproc.db")) as database:
            database.execute("PRAGMA user_version = 99")
            database.execute("INSERT INTO meta VALUES ('readable_from', 98)")
            database.commit()
        read, write = os.pipe()
        with open(read, "rb") as said:
            finished = subprocess.run(
                self.daemon.command(write),
                env=self.place.environment,
                capture_output=True,
                timeout=harness.PATIENCE,
                pass_fds=[write],
            )
            os.close(write)
            self.assertRegex(said.read(), rb"^ERROR=.*schema 99")
        self.assertEqual((finished.returncode, finished.stdout), (125, b""))
        self.assertOneLine(finished.stderr, "persistproc.db", "schema 99", "newer")
        self.assertEqual(len(list((self.place.data / "procs").iterdir())), 3)


if __name__ == "__main__":
    harness.main()
