"""Who may come in over TCP."""
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys

import harness

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": harness.PROTOCOL, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}},
}


class Headers(harness.TestCase):
    def status(self, headers, body=INITIALIZE):
        client = harness.Mcp(self.daemon.port, initialize=False)
        try:
            return client.post(body, headers)[0]
        finally:
            client.close()

    def test_hosts(self):
        port = self.daemon.port
        for host in (
            f"127.0.0.1:{port}",
            f"localhost:{port}",
            f"[::1]:{port}",
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:80",
        ):
            with self.subTest(host):
                self.assertEqual(self.status({"Host": host}), 200)
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1.evil.example",
            f"localhost.evil.example:{port}",
            "127.0.0.2",
            "0.0.0.0",
            "localhost@evil.example",
            "",
        ):
            with self.subTest(host):
                self.assertIn(self.status({"Host": host}), (400, 403) if host == "" else (403,))

    def test_origins(self):
        port = self.daemon.port
        for origin in (f"http://127.0.0.1:{port}",):
            with self.subTest(origin):
                self.assertEqual(self.status({"Origin": origin}), 200)
        for origin in (
            "null",
            "https://evil.example",
            "http://evil.example",
            f"http://evil.example:{port}",
            f"https://127.0.0.1:{port}",
            f"http://127.0.0.1:{port + 1 if port < 65535 else 1}",
            f"http://127.0.0.1.evil.example:{port}",
        ):
            with self.subTest(origin):
                self.assertEqual(self.status({"Origin": origin}), 403)

    def test_fetch_site(self):
        for site in ("cross-site", "same-site", "same-origin"):
            with self.subTest(site):
                self.assertEqual(self.status({"Sec-Fetch-Site": site}), 403)
        self.assertEqual(self.status({"Sec-Fetch-Site": "none"}), 200)
        own = f"http://127.0.0.1:{self.daemon.port}"
        self.assertEqual(self.status({"Origin": own}), 200)  # no browser
        for site in ("same-origin", "none"):
            with self.subTest(site, origin=own):
                self.assertEqual(self.status({"Sec-Fetch-Site": site, "Origin": own}), 403)

    def test_content_type(self):
        self.assertEqual(self.status({"Content-Type": "application/json; charset=utf-8"}), 200)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"):
            with self.subTest(kind):
                self.assertEqual(self.status({"Content-Type": kind}), 415)

    def test_no_cross_origin_header_is_ever_sent(self):
        client = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(client.close)
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": f"http://127.0.0.1:{self.daemon.port}"}):
            _, answered, _ = client.post(INITIALIZE, headers)
            self.assertFalse([h for h in answered if h.lower().startswith("access-control-")])
            client.close()


class Framing(harness.TestCase):
    """Requests that two parsers could read in two ways."""

    def answer(self, request):
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as connection:
            connection.sendall(request)
            connection.settimeout(10)
            received = b""
            while True:
                try:
                    more = connection.recv(65536)
                except ConnectionResetError:
                    more = b""
                if not more:
                    return received
                received += more

    def refused(self, *lines, body=b"{}", end=b"\r\n"):
        request = (
            end.join(
                [
                    b"POST /mcp HTTP/1.1",
                    b"Content-Type: application/json",
                    b"Accept: application/json, text/event-stream",
                    *lines,
                ]
            )
            + end
            + end
            + body
        )
        answer = self.answer(request)
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), (lines, answer[:200]))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)

    def test_ambiguous_requests_are_400_and_closed(self):
        self.refused(b"Host: localhost", b"Content-Length: 2", b"Content-Length: 2")
        self.refused(b"Host: localhost", b"Content-Length: 2", b"Transfer-Encoding: chunked")
        self.refused(b"Host: localhost", b"Host: localhost", b"Content-Length: 2")
        self.refused(b"Content-Length: 2")
        self.refused(b"Host: localhost", b"X-Folded: a", b" b", b"Content-Length: 2")
        self.refused(b"Host: localhost", b"Content-Length: 2", end=b"\n")

    def test_deep_json_is_refused_and_the_daemon_lives(self):
        client = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(client.close)
        status, _, _ = client.post(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}")
        self.assertEqual(status, 400)
        self.assertIsNone(self.daemon.process.poll())

    def test_a_large_body_is_refused(self):
        client = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(client.close)
        try:
            status, _, _ = client.post(b"{" + b" " * (5 << 20) + b"}")
            self.assertEqual(status, 413)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may hang up while we still send
        self.assertIsNone(self.daemon.process.poll())


class OpenOnce(harness.TestCase):
    """A data directory that others could write to, and what they put there."""

    OTHER = 61235

    def test_one_that_is_open_is_refused(self):
        self.start("web", ["sleep", "60"])
        self.daemon.kill()
        for mode in (0o777, 0o770, 0o1777, 0o702):
            self.place.data.chmod(mode)
            ran = subprocess.run(
                self.daemon.command(), env=self.place.environment, capture_output=True, timeout=harness.PATIENCE
            )
            self.assertEqual(ran.returncode, 125, ran)
            self.assertOneLine(ran.stderr, f"chmod 700 {self.place.data}", "may be written by others")
        self.place.data.chmod(0o700)
        self.daemon.start()
        self.assertEqual(self.view("web")["state"], "running")

    def refused(self):
        ran = subprocess.run(
            self.daemon.command(), env=self.place.environment, capture_output=True, timeout=harness.PATIENCE
        )
        self.assertEqual(ran.returncode, 125, ran)
        return ran.stderr

    @harness.needs_root
    def test_a_file_that_another_user_put_there_is_not_obeyed(self):
        self.start("web", ["sleep", "60"])
        self.daemon.kill()
        for name in ("persistproc.db-wal", "persistproc.db-journal", "ended-sessions", "daemon.log.1"):
            planted = self.place.data / name
            planted.unlink(missing_ok=True)
            planted.write_bytes(b"")
            os.chown(planted, self.OTHER, self.OTHER)
            self.assertOneLine(self.refused(), str(planted), f"another user (uid {self.OTHER})", "remove it")
            planted.unlink()
        for name in ("persistproc.db", "daemon.lock", "ended-sessions", "session.key"):
            own = self.place.data / name
            kept = own.read_bytes() if own.exists() else b""
            own.unlink(missing_ok=True)
            os.mkfifo(own)
            self.assertOneLine(self.refused(), str(own), "remove it")
            own.unlink()
            own.write_bytes(kept)
            own.chmod(0o600)
        self.daemon.start()
        self.assertEqual(self.view("web")["state"], "running")

    def test_what_others_could_read_or_write_is_closed_to_them(self):
        self.start("web", ["sleep", "60"])
        self.daemon.kill()
        key, root = self.place.data / "session.key", self.place.data / "procs/p1"
        before = key.read_bytes()
        open_modes = {key: 0o666, root: 0o777, root / "runs/1": 0o755, root / "runs/1/spec": 0o666}
        for path, mode in open_modes.items():
            path.chmod(mode)
        self.daemon.start()
        self.assertEqual(self.view("web")["state"], "running")
        for path in open_modes:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        # Sessions may have been signed with the old one by whoever read it.
        self.assertNotEqual(key.read_bytes(), before)

    @harness.needs_root
    def test_a_fifo_of_another_user_keeps_nobody_waiting(self):
        self.start("ended", ["sh", "-c", "echo said"])
        self.wait_exit("ended")
        self.start("web", ["sleep", "600"])
        self.daemon.kill()
        run, log = (self.place.data / "procs" / "p1" / each for each in ("runs/1", "log"))
        for planted in (run / "shim.lock", log / "00000001.log", log / "00000001.idx"):
            with self.subTest(planted.name):
                kept = planted.read_bytes()
                planted.unlink()
                os.mkfifo(planted)
                os.chown(planted, self.OTHER, self.OTHER)
                self.daemon.start()
                self.assertIn(b"running", self.ok("list", "web").out)
                for words in (("output", "ended"), ("status", "ended"), ("start", "ended")):
                    self.assertNotIn("timed out", str(self.cli(*words)))
                if planted.name == "shim.lock":
                    doctor = self.cli("doctor")
                    self.assertEqual(doctor.code, 1)
                    self.assertIn(b"p1.1: ", doctor.out)
                    self.assertNotIn(b"its shim lives", doctor.out)
                self.daemon.kill()
                planted.unlink()
                planted.write_bytes(kept)
        for name in ("daemon.log", "daemon.lock"):
            with self.subTest(name):
                planted = self.place.data / name
                planted.unlink(missing_ok=True)
                os.mkfifo(planted)
                os.chown(planted, self.OTHER, self.OTHER)
                self.assertIn(f"{planted} belongs to another user".encode(), self.cli("doctor").out)
                for words in (("list",), ("doctor",), ("shutdown",), ("start", "true"), ("serve", "--detach")):
                    self.assertNotEqual(self.cli(*words).code, 0, words)
                self.assertTrue(stat.S_ISFIFO(planted.lstat().st_mode))
                planted.unlink()
        self.daemon.start()

    @harness.needs_root
    def test_a_log_of_another_user_is_neither_read_nor_written(self):
        self.start("web", ["sh", "-c", "echo ours; sleep 600"], "--restart", "always")
        self.ok("wait", "web", "--pattern", "ours")
        self.ok("stop", "web")
        log = self.place.data / "procs" / "p1" / "log"
        theirs = self.place.scratch / "theirs"
        shutil.copytree(log, theirs)
        for each in (log / "00000001.log", log / "00000001.idx"):
            before = each.read_bytes()
            os.chown(each, self.OTHER, self.OTHER)
            self.assertIn(b"belongs to another user", self.cli("output", "web").err)
            refused = self.cli("start", "web")
            self.assertEqual(refused.code, 125)
            self.assertOneLine(refused.err, "a file of its log is another user's", "persistproc doctor says which")
            self.assertIn(f"{each} belongs to another user (uid {self.OTHER})".encode(), self.cli("doctor").out)
            self.assertEqual(each.read_bytes(), before)
            os.chown(each, os.geteuid(), os.getegid())
        for link in (log, log.parent):
            aside = self.place.scratch / "aside"
            link.rename(aside)
            link.symlink_to(theirs if link == log else aside)
            answer = self.cli("output", "web")
            self.assertEqual(answer.out, b"")
            self.assertOneLine(answer.err, "is no directory")
            self.assertTrue(self.mcp().call("get_process_output", process="web").is_error)
            link.unlink()
            aside.rename(link)
        self.assertIn(b"ours", self.ok("output", "web").out)

    @harness.needs_root
    def test_what_others_put_there_is_not_touched(self):
        flag = self.place.scratch / "ran"
        self.start("web", ["sleep", "60"])
        always = self.start("evil", ["sh", "-c", f"echo >> {flag}; sleep 60"], "--restart", "always")
        procs = self.place.data / "procs"
        # As it stands while it runs: the machine died, and the policy is to start it again.
        shutil.copytree(procs / always["id"], procs / "p7", ignore=shutil.ignore_patterns("ctl"))
        self.ok("stop", "evil")
        self.ok("rm", "evil")
        self.daemon.kill()
        flag.unlink()
        for folder, _, files in os.walk(procs / "p7"):
            for name in (".", *files):
                os.chown(pathlib.Path(folder, name), self.OTHER, self.OTHER)
        planted = sorted(str(p.relative_to(procs)) for p in (procs / "p7").rglob("*"))
        self.daemon.start()
        self.assertEqual([v["label"] for v in self.views()], ["web"])
        self.assertIn(f"p7 belongs to another user (uid {self.OTHER})", self.daemon.log())
        self.assertEqual(sorted(str(p.relative_to(procs)) for p in (procs / "p7").rglob("*")), planted)
        self.assertFalse(flag.exists())
        # A specification alone, in a directory of ours.
        self.daemon.kill()
        shutil.rmtree(procs / "p7")
        (web,) = procs.glob("p*")  # beside it stands, for a moment, the record of what was removed
        spec = web / "runs" / "1" / "spec"
        os.chown(spec, self.OTHER, self.OTHER)
        self.daemon.start()
        self.ok("stop", "web")
        refused = self.cli("restart", "web")
        foreign = f"{spec} belongs to another user (uid {self.OTHER})"
        self.assertOneLine(refused.err, "environment cannot be read back", foreign)
        self.assertIn(foreign.encode(), self.cli("doctor").out)
        # The folder of its log: whether it runs is not looked at, and so not said.
        self.daemon.kill()
        os.chown(spec, os.geteuid(), os.getegid())
        os.chown(web / "log", self.OTHER, self.OTHER)
        self.daemon.start()
        foreign = f"{web / 'log'} belongs to another user (uid {self.OTHER})"
        for words in (("start", "web"), ("stop", "web"), ("rm", "web")):
            refused = self.cli(*words)
            self.assertNotEqual(refused.code, 0)
            self.assertOneLine(refused.err, "nobody can tell whether it runs", foreign)
            self.assertNotIn(b"shim", refused.err)
        self.assertIn(foreign.encode(), self.ok("status", "web").out)
        self.assertIn(foreign.encode(), self.cli("doctor").out)
        os.chown(web / "log", os.geteuid(), os.getegid())
        harness.eventually("it is known again", lambda: self.cli("start", "web").code == 0)


class OtherUsers(harness.TestCase):
    PROBE = """
import http.client, json, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
try:
    c.request("POST", "/mcp", sys.argv[2], {"Content-Type": "application/json", "Accept": "*/*"})
    r = c.getresponse()
    print(r.status, r.read())
except (OSError, http.client.HTTPException) as e:
    print("refused", type(e).__name__)
"""
    # Sends and closes at once: such a socket no longer belongs to anybody.
    HIT_AND_RUN = """
import socket, sys
body = sys.argv[2].encode()
for _ in range(20):
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    c.sendall(b"POST /mcp HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nAccept: */*\\r\\n"
              b"Mcp-Session-Id: " + sys.argv[3].encode() + b"\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    c.close()
"""

    def as_nobody(self, code, *arguments):
        program = next(
            p for p in ("/usr/bin/python3", sys.executable) if subprocess.run(["test", "-x", p]).returncode == 0
        )
        return subprocess.run(
            [*harness.AS_NOBODY, program, "-c", code, str(self.daemon.port), *arguments],
            capture_output=True,
            text=True,
            timeout=harness.PATIENCE,
            cwd="/",
        )

    @harness.needs_root
    def test_another_user_gets_nothing(self):
        ran = self.as_nobody(self.PROBE, json.dumps(INITIALIZE))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertRegex(ran.stdout, "^(refused|403)", ran.stdout)
        self.assertEqual(self.mcp().call("list_processes").structured, {"processes": []})

    @harness.needs_root
    def test_a_request_of_another_user_that_hung_up_has_no_effect(self):
        client = self.mcp()
        marker = self.place.work / "made"
        call = {
            "jsonrpc": "2.0",
            "id": 5,
            "method": "tools/call",
            "params": {
                "name": "start_process",
                "arguments": {"command": ["touch", str(marker)], "working_directory": "/"},
            },
        }
        ran = self.as_nobody(self.HIT_AND_RUN, json.dumps(call), client.session)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        # Everything that came before it on the listener has been dealt with once a new connection is answered.
        self.assertEqual(self.mcp().call("list_processes").structured, {"processes": []})
        self.assertFalse(marker.exists())


if __name__ == "__main__":
    harness.main()
