"""What the end-to-end tests share: a daemon each, the client, an MCP client, waiting, and a check for leftovers.

The programs come from $PERSISTPROC_BUILD/bin. Every test has its own directories, port and socket, so tests never meet
each other or a daemon of the user. A test fails when a process of its daemon outlives it.
"""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ.get("PERSISTPROC_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
BIN = BUILD / "bin"
PROTOCOL = "2025-06-18"
MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
}
# Sanitized and busy machines are slow; a deadline is for hanging, not for measuring.
PATIENCE = 30.0
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
# An exclusive lock for fcntl.F_OFD_SETLK, as daemon and shims hold it.
WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
# Runs what follows without inotify: a user namespace has limits of its own, which others do not feel.
NO_INOTIFY = ["unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root to become another user")


def eventually(what, condition, patience=PATIENCE):
    """Returns the first true value of `condition`; fails with `what` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened in {patience} s: {what}")
        time.sleep(0.01)


def need_own_inotify_limits(case):
    if not shutil.which("unshare") or subprocess.run([*NO_INOTIFY, "true"], capture_output=True).returncode:
        case.skipTest("no user namespace with limits of its own")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_alive(pid):
    """False for a zombie too: it runs no more. Until its last thread has ended it still holds its files and locks."""
    try:
        has_ended = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
        return not has_ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def kill(pid):
    """SIGKILL, and back once it is dead: until then it holds its files and locks, also when nobody runs it any more."""
    os.kill(pid, signal.SIGKILL)
    eventually(f"{pid} is dead", lambda: not is_alive(pid))


def suspend(pid):
    """SIGSTOP, and back once each thread has stopped: until then what it was doing goes on."""
    os.kill(pid, signal.SIGSTOP)

    def has_stopped():
        stats = [(task / "stat").read_text() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        return all(stat.rsplit(")", 1)[1].split()[0] in "TtZX" for stat in stats)

    eventually(f"{pid} has stopped", has_stopped)


def python(code, *arguments):
    """A command that runs `code`; it sees its arguments as sys.argv[1:]."""
    return [sys.executable, "-u", "-c", code, *arguments]


def processes_of(directory):
    """(pid, command) of every process whose environment, command line, directory or open files are in `directory`."""
    mark = os.fsencode(str(directory))
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            ours = (
                mark in command
                or mark in (entry / "environ").read_bytes()
                or mark in os.fsencode(os.readlink(entry / "cwd"))
            )
            if not ours:
                for link in (entry / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        ours = ours or mark in os.fsencode(os.readlink(link))
        except OSError:
            continue
        if ours and is_alive(entry.name):
            found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace").strip()))
    return found


class McpError(Exception):
    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:300]!r}")
        self.status, self.body = status, body


class ToolAnswer:
    def __init__(self, result):
        self.result = result
        self.text = "\n".join(c["text"] for c in result.get("content", []) if c["type"] == "text")
        self.structured = result.get("structuredContent")
        self.meta = result.get("_meta", {}).get("persistproc/result")
        self.error = result.get("_meta", {}).get("persistproc/error")
        self.is_error = result.get("isError", False)


class Mcp:
    """One session of streamable HTTP on one kept connection. Raises McpError for anything but an answer."""

    def __init__(self, port, path="/mcp", headers=None, initialize=True):
        self.port, self.path, self.session, self.number = port, path, None, 0
        self.extra = headers or {}
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE * 2)
        if initialize:
            self.initialize()

    def initialize(self):
        self.server = self.request(
            "initialize",
            {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}},
        )
        self.notify("notifications/initialized")

    def post(self, body, headers=None):
        """(status, headers, body) of one POST."""
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self.extra}
        if self.session:
            sent.update({"Mcp-Session-Id": self.session, "MCP-Protocol-Version": PROTOCOL})
        sent.update(headers or {})
        self.connection.request("POST", self.path, body if isinstance(body, bytes) else json.dumps(body).encode(), sent)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def notify(self, method):
        status, _, body = self.post({"jsonrpc": "2.0", "method": method})
        if status != 202:
            raise McpError(status, body)

    def request(self, method, params=None):
        self.number += 1
        status, headers, body = self.post(
            {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}}
        )
        if status != 200:
            raise McpError(status, body)
        if headers.get("Mcp-Session-Id"):
            self.session = headers["Mcp-Session-Id"]
        if headers.get_content_type() == "text/event-stream":
            messages = [
                json.loads(line[5:])
                for line in body.decode().splitlines()
                if line.startswith("data:") and line[5:].strip()
            ]
            answer = next(m for m in messages if m.get("id") == self.number)
        else:
            answer = json.loads(body)
        if "error" in answer:
            raise McpError(200, json.dumps(answer["error"]).encode())
        return answer["result"]

    def post_modern(self, method, params=None):
        """(id, status, headers, body) of a request of 2026-07-28, which needs no session."""
        self.number += 1
        params = params or {}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        name = params.get("name") or params.get("uri")
        if name:
            headers["Mcp-Name"] = name
        number = f"m{id(self)}-{self.number}"
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": ENVELOPE}}
        return number, *self.post(body, headers)

    def request_modern(self, method, params=None):
        number, status, headers, body = self.post_modern(method, params)
        if headers.get_content_type() == "text/event-stream":
            body = [line[5:] for line in body.decode().splitlines() if line.startswith("data:")][-1]
        answer = json.loads(body)
        if answer["id"] != number:
            raise AssertionError(f"asked as {number}, answered as {answer['id']}")
        if status != 200 or "error" in answer:
            raise McpError(status, json.dumps(answer).encode())
        return answer["result"]

    def call(self, tool, **arguments):
        return ToolAnswer(self.request("tools/call", {"name": tool, "arguments": arguments}))

    def end_session(self):
        self.connection.request(
            "DELETE", self.path, headers={"Mcp-Session-Id": self.session, "MCP-Protocol-Version": PROTOCOL}
        )
        self.connection.getresponse().read()

    def close(self):
        self.connection.close()


class Finished:
    """How a program of ours ended: exit status, and its bytes."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[-2000:]!r}\nstderr: {self.err[-2000:]!r}"


class Running:
    """The client in the background. Its output is collected in files, so that it never blocks on us."""

    def __init__(self, arguments, environment, cwd, scratch, stdin=subprocess.DEVNULL):
        self.out_path = tempfile.mkstemp(prefix="out.", dir=scratch)
        self.err_path = tempfile.mkstemp(prefix="err.", dir=scratch)
        self.process = subprocess.Popen(
            arguments, env=environment, cwd=cwd, stdin=stdin, stdout=self.out_path[0], stderr=self.err_path[0]
        )
        os.close(self.out_path[0])
        os.close(self.err_path[0])

    @property
    def out(self):
        return pathlib.Path(self.out_path[1]).read_bytes()

    @property
    def err(self):
        return pathlib.Path(self.err_path[1]).read_bytes()

    def wait(self, patience=PATIENCE):
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"did not end in {patience} s: {self.process.args}\n{Finished(None, self.out, self.err)}"
            ) from None
        return Finished(self.process.returncode, self.out, self.err)

    def signal(self, number):
        self.process.send_signal(number)

    def is_connected(self):
        """Whether it has a socket, which is the daemon's: it was started without any."""
        with contextlib.suppress(OSError):
            fds = list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir())
            return any(os.readlink(fd).startswith("socket:") for fd in fds)
        return False

    def until_output(self, data, patience=PATIENCE):
        def seen():
            if data in self.out:
                return True
            if self.process.poll() is not None and data not in self.out:
                raise AssertionError(f"ended before {data!r}: {Finished(self.process.returncode, self.out, self.err)}")
            return False

        eventually(f"{data!r} on stdout", seen, patience)


class Terminal:
    """The client on a terminal of its own."""

    def __init__(self, arguments, environment, cwd):
        self.seen = b""
        self.status = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(arguments[0], arguments, environment)
            finally:
                os._exit(127)

    def until(self, data, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while data not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{data!r} never came; seen: {self.seen[-2000:]!r}")

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is closed
            data = b""
        self.seen += data
        return data != b""

    def type(self, data):
        os.write(self.master, data)

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def wait(self, patience=PATIENCE):
        """Exit status as a shell shows it."""
        deadline = time.monotonic() + patience
        while self.status is None:
            if self.master is not None:
                self._read(0.02)
            else:
                time.sleep(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            elif time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"the client did not end in {patience} s; seen: {self.seen[-2000:]!r}")
        self._drain()
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    def _drain(self):
        """What the client wrote last may still be on its way when it has ended: until EIO, or until all is quiet where
        something else has the terminal open."""
        while self.master is not None and select.select([self.master], [], [], 0.5)[0] and self._read(0):
            pass

    def close(self):
        if self.master is not None:
            self.hang_up()


class Daemon:
    """persistprocd on a data directory, on any free port; a restart keeps the port of the first start."""

    def __init__(self, place, *options):
        self.place = place
        self.options = options
        self.program = BIN / "persistprocd"
        self.port = 0
        self.process = None

    def command(self, ready_fd=None):
        command = [str(self.program),  "--data-dir", str(self.place.data), "--port", str(self.port)]
        # How fast agents may start programs is the matter of one test; others start hundreds at once.
        command += self.options if "--agent-starts" in self.options else ("--agent-starts", "0", *self.options)
        return command + (["--ready-fd", str(ready_fd)] if ready_fd is not None else [])

    def start(self):
        read, write = os.pipe()
        with open(self.place.root / "daemon.stderr", "ab") as log:
            self.process = subprocess.Popen(
                self.command(write),
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[write],
            )
        os.close(write)
        said, deadline = b"", time.monotonic() + PATIENCE
        while b"ENDPOINT=" not in said or not said.endswith(b"\n"):
            more = os.read(read, 4096) if select.select([read], [], [], max(0, deadline - time.monotonic()))[0] else b""
            if not more:
                os.close(read)
                raise AssertionError(f"the daemon did not become ready: {said!r}\n{self.log()}")
            said += more
        os.close(read)
        facts = dict(line.split("=", 1) for line in said.decode().splitlines() if "=" in line)
        assert facts.get("READY") == "1", said
        self.endpoint = facts["ENDPOINT"]
        self.port = int(self.endpoint.rsplit(":", 1)[1].split("/")[0])
        self.place.environment["PERSISTPROC_PORT"] = str(self.port)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        return self.start()

    def log(self):
        path = self.place.root / "daemon.stderr"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


class Place:
    """Directories and environment of one test."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="persistproc-e2e."))
        self.data, self.work, self.scratch = self.root / "data", self.root / "work", self.root / "scratch"
        for each in ("work", "scratch", "runtime", "home"):
            (self.root / each).mkdir(mode=0o700)
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PERSISTPROC_", "XDG_", "NOTIFY_SOCKET", "LISTEN_")) and k != "NO_COLOR"
        }
        self.environment = {
            **kept,
            "HOME": str(self.root / "home"),
            "XDG_RUNTIME_DIR": str(self.root / "runtime"),
            "PERSISTPROC_DATA_DIR": str(self.data),
        }


class TestCase(unittest.TestCase):
    """A test with a place of its own and, unless `autostart` is cleared, a daemon."""

    autostart = True
    daemon_options = ()

    def setUp(self):
        self.place = Place()
        self.addCleanup(shutil.rmtree, self.place.root, ignore_errors=True)
        self.addCleanup(self.check_leftovers)
        self.daemon = Daemon(self.place, *self.daemon_options)
        if self.autostart:
            self.daemon.start()

    def check_leftovers(self):
        """Ends the daemon the ordinary way; whatever is alive then was forgotten by the product."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if processes_of(self.place.data):
                self.cli("shutdown", patience=60)
            if self.daemon.process is not None:
                self.daemon.process.wait(PATIENCE)
        with contextlib.suppress(AssertionError):
            eventually("all gone", lambda: not processes_of(self.place.root))
            return
        left = processes_of(self.place.root)
        for pid, _ in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.daemon.process is not None and self.daemon.process.poll() is None:
            self.daemon.kill()
        self.fail(f"left behind: {left}\n{self.daemon.log()}")

    # The client

    def cli(self, *arguments, stdin=b"", patience=PATIENCE, cwd=None, env=None):
        ran = subprocess.run(
            [str(BIN / "persistproc"), *map(os.fsdecode, arguments)],
            input=stdin,
            capture_output=True,
            timeout=patience,
            cwd=cwd or self.place.work,
            env={**self.place.environment, **(env or {})},
        )
        return Finished(ran.returncode, ran.stdout, ran.stderr)

    def ok(self, *arguments, **options):
        finished = self.cli(*arguments, **options)
        self.assertEqual(finished.code, 0, f"{arguments}: {finished}")
        return finished

    def background(self, *arguments, cwd=None, before=()):
        """`before`: a program and its arguments that run the client."""
        running = Running(
            [*before, str(BIN / "persistproc"), *arguments], self.place.environment, cwd or self.place.work, self.place.scratch
        )

        def end():
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()

        self.addCleanup(end)
        return running

    def terminal(self, *arguments):
        terminal = Terminal([str(BIN / "persistproc"), *arguments], self.place.environment, self.place.work)
        self.addCleanup(terminal.close)
        return terminal

    def is_served(self):
        """Whether a daemon answers; starts none."""
        return self.cli("version", "--json").json()["daemon"] is not None

    def mcp(self, **options):
        client = Mcp(self.daemon.port, **options)
        self.addCleanup(client.close)
        return client

    def view(self, target):
        return (
            self.ok("list", "--json").json()["processes"]
            if target is None
            else self.cli("status", target, "--json").json()
        )

    def views(self):
        return self.view(None)

    def start(self, label, command, *options):
        """Starts `command` and returns its view."""
        return self.ok("start", "--json", "--label", label, *options, "--", *command).json()

    def idle_shims(self):
        """PIDs of the shims that wait for the daemon's next run: one, from a moment after the first start on."""
        return [pid for pid, command in self.children().items() if b"--idle" in command and is_alive(pid)]

    def children(self):
        """The command lines of the daemon's children, whichever of its threads has made them, by PID."""
        out = {}
        for thread in pathlib.Path(f"/proc/{self.daemon.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for pid in (thread / "children").read_text().split():
                    out[int(pid)] = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        return out

    def watched(self):
        """The PIDs of the processes whose ends the daemon's loop waits for, by descriptor (proc(5), fdinfo)."""
        infos = {}
        for each in pathlib.Path(f"/proc/{self.daemon.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                infos[each.name] = [line.split() for line in each.read_text().splitlines()]
        polled = {line[1] for info in infos.values() for line in info if line[0] == "tfd:"}
        return {fd: int(line[1]) for fd, info in infos.items() for line in info if line[0] == "Pid:" and fd in polled}

    def kill_idle_shim(self):
        """Returns its PID, once the daemon has nothing open for it but its channel. Of another there is no word before
        the next start."""
        (pid,) = eventually("a shim waits for the next run", self.idle_shims)
        # The thread that makes it has more open until it has told the loop of it.
        (fd,) = eventually("the daemon knows it", lambda: [fd for fd, each in self.watched().items() if each == pid])
        kill(pid)
        eventually("the daemon knows that", lambda: fd not in self.watched())
        return pid

    def wait_exit(self, target):
        return self.cli("wait", target, "--exit", "--timeout", str(int(PATIENCE)), patience=PATIENCE * 2)

    def assertOneLine(self, text, *words):
        lines = text.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, f"not one line: {text!r}")
        for word in words:
            self.assertIn(word, lines[0])


def main():
    unittest.main(verbosity=2)
