"""What the rows of scripts/bench share: a daemon each, a server with a canned answer, durations, and who takes part."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from table import Table

ROOT = pathlib.Path(__file__).resolve().parents[2]
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    }
)
PING = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "ping"})
LIST = json.dumps(
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_processes", "arguments": {}}}
)


def say(text):
    print(text, file=sys.stderr, flush=True)


def check(arguments, **options):
    """Output of a command that has to succeed."""
    ran = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **options)
    if ran.returncode:
        raise SystemExit(
            f"scripts/bench: {' '.join(map(str, arguments))} ended with {ran.returncode}\n{ran.stdout}{ran.stderr}"
        )
    return ran.stdout


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def children():
    """The children of each process that has any, by its PID."""
    out = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                out.setdefault(parent_of(entry.name), []).append(int(entry.name))
    return out


def children_of(pid):
    return children().get(pid, [])


def cpu_seconds(pids):
    """What all threads of these processes have used until now."""
    used = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                used += int((task / "schedstat").read_text().split()[0])
    return used / 1e9


def open_session(port):
    """A connection with a session of the MCP server at `port`: (connection, headers)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection.request("POST", "/mcp", INITIALIZE, headers)
    answer = connection.getresponse()
    answer.read()
    headers["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
    return connection, headers


def result_in(answer):
    """Of a request with id 1, answered as JSON or, if it took long, as a stream of events."""
    body = answer.read().decode()
    if answer.headers.get_content_type() == "text/event-stream":
        events = [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:") and line[5:].strip()]
        return next(each["result"] for each in events if each.get("id") == 1)
    return json.loads(body)["result"]


class Daemon:
    def __init__(self, bench, name, *options):
        self.bench, self.options = bench, options
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=name + ".", dir=bench.scratch))
        (self.root / "runtime").mkdir(mode=0o700)
        self.data = self.root / "data"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("PERSISTPROC_", "XDG_"))}
        self.environment.update(PERSISTPROC_DATA_DIR=str(self.data), XDG_RUNTIME_DIR=str(self.root / "runtime"))

    def __enter__(self):
        read, write = os.pipe()
        self.log = open(self.root / "stderr", "wb")
        self.process = subprocess.Popen(
            [
                *(self.bench.bin / "persistprocd", "--data-dir", self.data, "--port", "0", "--ready-fd", str(write)),
                *self.bench.daemon_options,
                *self.options,
            ],
            env=self.environment,
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        os.close(write)
        said = b""
        while not said.endswith(b"/mcp\n"):
            more = os.read(read, 4096)
            if not more:
                raise SystemExit("scripts/bench: the daemon did not start: " + (self.root / "stderr").read_text())
            said += more
        os.close(read)
        self.port = int(said.decode().rsplit(":", 1)[1].split("/")[0])
        self.environment["PERSISTPROC_PORT"] = str(self.port)
        return self

    def __exit__(self, *_):
        subprocess.run(
            [self.bench.bin / "persistproc", "shutdown"], env=self.environment, capture_output=True, timeout=120
        )
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def client(self, *arguments):
        return check([self.bench.bin / "persistproc", *arguments], env=self.environment)

    def session(self):
        return open_session(self.port)

    def call(self, session, tool, **arguments):
        connection, headers = session
        connection.request(
            "POST",
            "/mcp",
            json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
            ),
            headers,
        )
        result = result_in(connection.getresponse())
        if result.get("isError"):
            raise SystemExit(f"scripts/bench: {tool}: {result['content']}")
        return result


class CannedServer:
    """The epoll limit: always the same answer."""

    def __init__(self, bench, body):
        self.bench, self.body = bench, body

    def __enter__(self):
        path = pathlib.Path(self.bench.scratch) / "canned"
        path.write_bytes(self.body)
        self.process = subprocess.Popen([self.bench.tests / "canned_server", path], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Bench:
    def __init__(self, build, quick, scratch):
        self.bin, self.tests = build / "bin", build / "tests"
        self.quick, self.scratch = quick, scratch
        self.table = Table()

    @property
    def daemon_options(self):
        # Hundreds of starts by one agent are what is measured; an older commit, whose programs `bin` may be, knows no
        # such bound.
        known = subprocess.run([self.bin / "persistprocd", "--help"], capture_output=True, text=True).stdout
        return ["--agent-starts", "0"] if "--agent-starts" in known else []

    def launch(self, times, command, environment=None):
        """[(before the fork, after the exit)] in nanoseconds."""
        lines = check([self.tests / "launch", times, *command], env=environment).splitlines()
        return [tuple(map(int, line.split())) for line in lines]

    def durations_ms(self, times, command, environment=None):
        return [(end - begin) / 1e6 for begin, end in self.launch(times, command, environment)]

    def peer(self, name, program):
        """Whether a peer takes part; says so when it does not. None does where nothing is measured."""
        if shutil.which(program) and not self.quick:
            return True
        self.table.skipped.add(name)
        return False

    def request_file(self, port, headers, body):
        path = pathlib.Path(self.scratch) / "request"
        lines = [
            "POST /mcp HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            *(f"{k}: {v}" for k, v in headers.items()),
            f"Content-Length: {len(body)}",
        ]
        path.write_bytes(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return path

    def load(self, port, request, clients, seconds):
        result = json.loads(check([self.tests / "http_load", port, request, clients, seconds]))
        if result["errors"]:
            raise SystemExit(f"scripts/bench: {result['errors']} answers were no 200")
        return result
