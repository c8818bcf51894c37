"""Access where more is asked for than whose a connection is: the token, and pages of an origin that the user allowed."""
import json
import os
import stat
import pathlib
import re
import socket
import subprocess
import threading
import urllib.request

import harness
from test_mcp_stdio import Bridge


class Doors(harness.TestCase):
    def test_a_daemon_that_has_to_wait_for_its_port_asks_no_agent_for_a_token(self):
        """What the daemon before it had started last may hold its port for a moment."""
        self.daemon.kill()
        holder = socket.socket()
        self.addCleanup(holder.close)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def take():
            try:
                holder.bind(("127.0.0.1", self.daemon.port))
            except OSError:  # a connection of somebody else has it for a moment
                return False
            return True

        harness.eventually("the port is free", take)
        holder.listen()
        before = self.daemon.process.pid
        start = threading.Thread(target=self.daemon.start)
        start.start()
        holds = lambda: re.search(r"\(PID (\d+)\)", (self.place.data / "daemon.lock").read_text())
        harness.eventually("the next has the directory", lambda: holds() and int(holds()[1]) != before)
        status = pathlib.Path(f"/proc/{holds()[1]}/status")
        waits = lambda: int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.MULTILINE)[1])
        begun = waits()
        harness.eventually("it waits for the port", lambda: waits() >= begun + 10)
        holder.close()
        start.join()
        self.assertFalse(self.mcp().call("list_processes").is_error)


class Token(harness.TestCase):
    daemon_options = ("--auth", "token")

    def setUp(self):
        super().setUp()
        self.file = self.place.data / "token"
        self.token = self.file.read_text().strip()

    def status(self, headers, path="/mcp"):
        client = harness.Mcp(self.daemon.port, path=path, initialize=False)
        try:
            return client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers)[:2]
        finally:
            client.close()

    def test_agents_over_tcp_must_show_it(self):
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        self.assertGreaterEqual(len(self.token), 64)
        for headers in ({}, {"Authorization": "Bearer " + "0" * len(self.token)}, {"Authorization": self.token}):
            for path in ("/mcp", "/healthz", "/nowhere", f"/mcp?token={self.token}"):
                status, answered = self.status(headers, path)
                self.assertEqual((status, answered["WWW-Authenticate"]), (401, "Bearer"), (headers, path))
        self.assertEqual(self.status({}, "/.well-known/oauth-protected-resource")[0], 404)
        for path in ("/healthz", "/readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.port}{path}", timeout=harness.PATIENCE) as answer:
                self.assertEqual(answer.status, 200)
        agent = self.mcp(headers={"Authorization": "Bearer " + self.token})
        self.assertFalse(agent.call("list_processes").is_error)
        # A session is no substitute for it.
        agent.extra = {}
        with self.assertRaises(harness.McpError) as refused:
            agent.call("list_processes")
        self.assertEqual(refused.exception.status, 401)

    def test_the_client_and_the_bridge_need_none(self):
        self.ok("start", "--label", "web", *harness.python("print('hello')"))
        self.assertEqual(self.wait_exit("web").code, 0)
        self.assertIn(b"endpoint", self.ok("doctor").out)

    def test_the_next_daemon_knows_it(self):
        self.daemon.restart()
        self.assertEqual(self.file.read_text().strip(), self.token)
        self.assertFalse(self.mcp(headers={"Authorization": "Bearer " + self.token}).call("list_processes").is_error)

    def test_a_daemon_that_is_told_nothing_asks_for_it_too(self):
        self.daemon.kill()
        self.daemon.options = ()
        self.daemon.start()
        self.assertEqual(self.status({})[0], 401)
        self.assertNotEqual(self.status({"Authorization": "Bearer " + self.token})[0], 401)
        self.daemon.kill()
        self.daemon.options = ("--auth", "peer")
        self.daemon.start()
        self.assertNotEqual(self.status({})[0], 401)
        self.assertFalse(self.file.exists())

    def test_a_daemon_that_cannot_serve_changes_nothing_of_it(self):
        self.daemon.kill()
        holder = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(holder.close)
        port = str(holder.getsockname()[1])
        serve = ("serve", "--detach", "--port", port, "--auth")
        self.assertEqual(self.cli(*serve, "peer").code, 125)
        self.assertEqual(self.file.read_text().strip(), self.token)
        self.file.unlink()
        self.assertEqual(self.cli(*serve, "token").code, 125)
        self.assertFalse(self.file.exists())

    def test_setup_writes_it_for_its_user_alone_and_shows_it_nowhere(self):
        home = self.place.root / "home"
        cursor = home / ".cursor" / "mcp.json"
        cursor.parent.mkdir()
        cursor.write_text('{"mcpServers": {"other": {"url": "http://x"}}}\n')
        cursor.chmod(0o644)
        shown = b""
        for client, file in (
            ("cursor", cursor),
            ("claude-code", home / ".claude.json"),
            ("vscode", home / ".config/Code/User/mcp.json"),
            ("codex", home / ".codex/config.toml"),
            ("gemini", home / ".gemini/settings.json"),
            ("zed", home / ".config/zed/settings.json"),
            ("windsurf", home / ".codeium/windsurf/mcp_config.json"),
        ):
            with self.subTest(client):
                for flags in ((), ("--print",), ("--print", "--json"), ("--json",)):
                    done = self.ok("setup", client, "--http", *flags)
                    shown += done.out + done.err
                self.assertIn("Bearer " + self.token, file.read_text())
                self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        entries = json.loads(cursor.read_text())["mcpServers"]
        self.assertEqual(set(entries), {"other", "persistproc"})
        agent = self.mcp(headers=entries["persistproc"]["headers"])
        self.assertFalse(agent.call("list_processes").is_error)
        doctor = self.cli("doctor")
        shown += doctor.out + doctor.err + self.daemon.log().encode()
        self.assertNotIn(self.token.encode(), shown)
        self.assertNotIn(b"shows none", doctor.out)

    def test_a_project_file_does_not_get_it(self):
        refused = self.cli("setup", "cursor", "--http", "--scope", "project")
        self.assertNotEqual(refused.code, 0)
        self.assertIn(b"without --http none is needed", refused.err)
        self.assertFalse((self.place.work / ".cursor").exists())
        self.ok("setup", "cursor", "--scope", "project")

    def test_doctor_tells_of_an_entry_without_it(self):
        cursor = self.place.root / "home" / ".cursor" / "mcp.json"
        cursor.parent.mkdir()
        cursor.write_text(json.dumps({"mcpServers": {"persistproc": {"url": self.daemon.endpoint}}}))
        doctor = self.cli("doctor")
        self.assertIn(b"the daemon asks for a token, and it shows none", doctor.out)
        self.assertIn(b"persistproc setup cursor --http", doctor.out)
        self.ok("setup", "cursor", "--http")
        self.assertNotIn(b"shows none", self.cli("doctor").out)


# As in some containers: procfs shows processes of this user alone, and nothing of the network, and a filter refuses the
# kernel's socket diagnosis.
HIDING = """
import ctypes, os, platform, struct, sys
AF_NETLINK, NETLINK_SOCK_DIAG, EACCES = 16, 4, 13
architecture, socket_call = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}[platform.machine()]
load, equal, give = 0x20, 0x15, 0x06
program = b"".join(struct.pack("HBBI", *each) for each in (
    (load, 0, 0, 4), (equal, 0, 7, architecture),
    (load, 0, 0, 0), (equal, 0, 5, socket_call),
    (load, 0, 0, 16), (equal, 0, 3, AF_NETLINK),
    (load, 0, 0, 32), (equal, 0, 1, NETLINK_SOCK_DIAG),
    (give, 0, 0, 0x00050000 | EACCES), (give, 0, 0, 0x7FFF0000)))
code = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2,subset=pid") != 0: sys.exit("mount")
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter, 0, 0) != 0: sys.exit("seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
"""


@harness.needs_root
class SilentKernel(harness.TestCase):
    """A kernel that does not tell whose a connection is."""

    autostart = False

    def setUp(self):
        super().setUp()
        hiding = ["unshare", "--mount", *harness.python(HIDING)]
        if subprocess.run([*hiding, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("needs a kernel that lets procfs be mounted and calls be refused")
        command = self.daemon.command
        self.daemon.command = lambda *ready: [*hiding, *command(*ready)]
        self.daemon.start()

    def status(self, headers):
        client = harness.Mcp(self.daemon.port, initialize=False)
        try:
            return client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers)[0]
        finally:
            client.close()

    def test_agents_must_show_the_token_then_and_the_client_need_not(self):
        self.assertIn("the kernel does not tell here whose a connection is", self.daemon.log())
        self.assertEqual(self.status({}), 401)
        token = (self.place.data / "token").read_text().strip()
        self.assertEqual(self.status({"Authorization": "Bearer " + "0" * len(token)}), 401)
        agent = self.mcp(headers={"Authorization": "Bearer " + token})
        self.ok("start", "--label", "web", *harness.python("print('hello')"))
        self.assertEqual(self.wait_exit("web").code, 0)
        self.assertIn("hello", agent.call("get_process_output", process="web").text)
        self.assertIn(b"answers, and asks for the token", self.ok("doctor").out)
        self.ok("setup", "cursor", "--http")
        entry = json.loads((self.place.root / "home" / ".cursor" / "mcp.json").read_text())
        headers = entry["mcpServers"]["persistproc"]["headers"]
        self.assertFalse(self.mcp(headers=headers).call("list_processes").is_error)


class TokenFile(harness.TestCase):
    autostart = False
    daemon_options = ("--auth", "token")

    def test_one_that_others_may_read_is_refused(self):
        self.place.data.mkdir(mode=0o700)
        file = self.place.data / "token"
        file.write_text("0123456789abcdef" * 4)
        file.chmod(0o644)
        with self.assertRaises(AssertionError):
            self.daemon.start()
        self.daemon.process.wait(harness.PATIENCE)
        self.assertIn("may be read by others (mode 0644); have another made", self.daemon.log())

    def test_doctor_tells_of_one_that_others_may_read_while_a_daemon_runs(self):
        self.daemon.start()
        self.assertNotIn(b"may be read by others", self.cli("doctor").out)
        (self.place.data / "token").chmod(0o644)
        told = self.cli("doctor")
        self.assertEqual(told.code, 1)
        self.assertIn(b"may be read by others", told.out)

    def test_before_the_first_daemon_setup_says_what_to_do(self):
        self.place.environment["PERSISTPROC_AUTH"] = "token"
        refused = self.cli("setup", "cursor", "--http")
        self.assertNotEqual(refused.code, 0)
        self.assertIn(b"persistproc serve", refused.err)

    def test_the_variable_says_it_too(self):
        self.daemon.options = ()
        self.place.environment["PERSISTPROC_AUTH"] = "token"
        self.daemon.start()
        with self.assertRaises(harness.McpError) as refused:
            self.mcp()
        self.assertEqual(refused.exception.status, 401)

    def test_other_words_are_refused(self):
        for arguments, environment, why in (
            (("serve", "--auth", "none"), {}, b'--auth: "none" is not one of peer, token'),
            (("serve",), {"PERSISTPROC_AUTH": "none"}, b'PERSISTPROC_AUTH: peer or token, got "none"'),
        ):
            refused = self.cli(*arguments, env=environment)
            self.assertEqual(refused.code, 2, refused)
            self.assertIn(why, refused.err)


@harness.needs_root
class ForeignDaemon(harness.TestCase):
    """Another user holds our port and speaks as we do."""

    autostart = False
    SERVER = """
import http.server, sys
class Server(http.server.BaseHTTPRequestHandler):
    def answer(self):
        sys.stdout.write(self.requestline + chr(10) + str(self.headers))
        sys.stdout.write(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode() + chr(10))
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = answer
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Server)
print(server.server_port, flush=True)
server.serve_forever()
"""

    def test_it_gets_no_environment_no_token_and_no_command(self):
        fake = subprocess.Popen(
            [*harness.AS_NOBODY, *harness.python(self.SERVER)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd="/"
        )
        self.addCleanup(fake.stdout.close)
        self.addCleanup(fake.wait)
        self.addCleanup(fake.kill)
        port = int(fake.stdout.readline())
        self.place.data.mkdir(mode=0o700)
        token = "0123456789abcdef" * 4
        (self.place.data / "token").write_text(token)
        (self.place.data / "token").chmod(0o600)
        self.place.environment.update({"PERSISTPROC_PORT": str(port), "PERSISTPROC_AUTH": "token", "SECRET": "hunter2"})
        command = harness.python("print('the command')")
        for words in (
            ("start", *command),
            ("run", *command),
            ("list",),
            ("output", "p1"),
            ("wait", "p1"),
            ("setup", "cursor", "--http"),
            ("doctor",),
            ("audit",),
            ("version",),
        ):
            self.cli(*words)
        set_up = self.cli("setup", "cursor", "--http")
        self.assertNotEqual(set_up.code, 0)
        self.assertOneLine(set_up.err, f"port {port} is held by", "the token", "--http")
        self.assertFalse((self.place.root / "home" / ".cursor" / "mcp.json").exists())
        refused = self.cli("start", *command)
        self.assertEqual(refused.code, 125)
        self.assertIn(f"port {port} is held by ".encode(), refused.err)
        bridge = Bridge(self)
        number = bridge.call("start_process", True, command=command, working_directory="/")
        bridge.hear(lambda message: message.get("id") == number)
        fake.kill()
        heard = fake.stdout.read().decode(errors="replace")
        for secret in (token, "hunter2", "the command"):
            self.assertNotIn(secret, heard)


class SetupBesideAStranger(harness.TestCase):
    """Somebody else's program listens where an agent's entry would lead."""

    autostart = False

    def listen(self, family=socket.AF_INET, address="127.0.0.1", port=0):
        stranger = socket.socket(family)
        self.addCleanup(stranger.close)
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        stranger.listen()
        self.place.environment["PERSISTPROC_PORT"] = str(stranger.getsockname()[1])
        return stranger

    def test_no_agent_is_led_there(self):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
            with self.subTest(address), self.listen(family, address) as stranger:
                for words in (("claude-code",), ("cursor",), ("cursor", "--scope", "project")):
                    refused = self.cli("setup", *words, "--http")
                    self.assertEqual((refused.code, refused.out), (125, b""))
                    self.assertOneLine(refused.err, f"port {stranger.getsockname()[1]} is held by",
                                       f"(PID {os.getpid()})", "leave out --http", "--port")
                self.assertEqual(list(self.place.work.iterdir()), [])
                shown = self.cli("setup", "cursor", "--scope", "project", "--http", "--print")
                self.assertEqual(shown.code, 125)
                self.assertOneLine(shown.err, f"port {stranger.getsockname()[1]} is held by", "leave out --http")
                self.ok("setup", "cursor")

    def test_an_entry_that_leads_to_one_is_not_called_set_up(self):
        stranger = self.listen()
        port = stranger.getsockname()[1]
        stranger.close()
        self.ok("setup", "cursor", "--http")
        self.listen(port=port)
        refused = self.cli("setup", "cursor", "--http")
        self.assertEqual((refused.code, refused.out), (125, b""))
        self.assertOneLine(refused.err, f"port {port} is held by")


class Origins(harness.TestCase):
    ORIGIN = "http://localhost:6274"
    daemon_options = ("--allow-origin", ORIGIN, "--allow-origin", "https://App.example:443")

    def ask(self, method, headers):
        client = harness.Mcp(self.daemon.port, initialize=False)
        try:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) if method == "POST" else None
            kind = {"Content-Type": "application/json"} if body else {}
            client.connection.request(method, "/mcp", body, {**kind, **headers})
            answer = client.connection.getresponse()
            answer.read()
            return answer
        finally:
            client.close()

    def test_pages_of_it_come_in_and_can_read_the_answers(self):
        site = {"Sec-Fetch-Site": "cross-site"}
        asked = {**site, "Origin": self.ORIGIN, "Access-Control-Request-Method": "POST"}
        before = self.ask("OPTIONS", {**asked, "Access-Control-Request-Headers": "content-type,mcp-session-id"})
        self.assertEqual(before.status, 200)
        allowed = before.headers["Access-Control-Allow-Headers"].lower()
        self.assertIn("content-type", allowed)
        self.assertIn("mcp-session-id", allowed)
        for origin in (self.ORIGIN, "https://app.example"):
            answer = self.ask("POST", {**site, "Origin": origin})
            self.assertNotEqual(answer.status, 403)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
            self.assertIn("Mcp-Session-Id", answer.headers["Access-Control-Expose-Headers"])

    def test_others_stay_out(self):
        for origin in ("http://localhost:6275", "https://localhost:6274", "null", self.ORIGIN + ".evil.example"):
            for method in ("POST", "OPTIONS", "GET"):
                answer = self.ask(method, {"Origin": origin})
                self.assertEqual(answer.status, 403, (origin, method))
                self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])

    def test_what_is_no_origin_is_refused(self):
        for word in ("*", "null", "localhost:6274", "http://localhost:6274/"):
            refused = self.cli("serve", "--data-dir", str(self.place.root / "other"), "--allow-origin", word)
            self.assertEqual(refused.code, 2, refused)
            self.assertIn(b"--allow-origin", refused.err)


if __name__ == "__main__":
    harness.main()
