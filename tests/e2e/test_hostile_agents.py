"""Hostile agents of every kind at once: who else uses the daemon hardly notices, and no program notices at all.

Each agent is a process of its own that does what SECURITY.md bounds, as hard as it can: slow patterns, answers that it
never reads, waits, bodies that never come whole, starts and subscriptions. Beside them another agent lists processes
on a kept connection, and the person's client does so cold. Their 99th percentiles are compared with those of the same
calls on the same daemon beside a load that is not ours and takes as much processor time as the hostile agents took,
with the daemon's work for them and the programs they started: what is slow only because the machine is busy is no
fault of the daemon's. More than all processors cannot be taken, so a load of one loop for each processor, each of
which takes its share and then sleeps, is equal to any number of hostile threads.

PERSISTPROC_HOSTILE_SECONDS sets how long it lasts; 60 is the requirement. Without it delays are not compared, since a
machine that builds beside it would decide: answers, memory and programs are. PERSISTPROC_HOSTILE_KINDS names the kinds that
take part ("waits,starts"; default all), to find out who does what.
"""
import contextlib
import datetime
import http.client
import json
import math
import os
import pathlib
import re
import select
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time

import harness

SECONDS = float(os.environ.get("PERSISTPROC_HOSTILE_SECONDS", "10"))
IS_MEASURED = "PERSISTPROC_HOSTILE_SECONDS" in os.environ  # then the numbers are shown, else only with a failure
QUIET_SECONDS = min(SECONDS, 5.0)
IS_SANITIZED = "san" in harness.BUILD.name
CORES = len(os.sched_getaffinity(0))
SLOWDOWN = 5  # at the 99th percentile
# Where delays are not compared, nobody knows what else the machine does: threads that wait for it hold more.
MEMORY_MORE = (64 if IS_MEASURED else 96) << 20
# Sessions may come back for a day and streams be resumed for five minutes: what they asked for is kept.
MEMORY_KEPT = (24 if IS_MEASURED else 64) << 20
LOG_BYTES = 64 << 20
STARTS_A_SECOND, STARTS_ALLOWED, STARTS_AT_ONCE = 400, 20, 100
TICK = 0.01
# Waits last as long as the load, a peer that takes nothing is left after a minute.
AFTERWARDS = harness.PATIENCE + min(60.0, SECONDS)

# Letters and then digits, so that the pattern begins to match everywhere and every line ends against it.
LOUD = """
import random, sys, time
random.seed(1)
letters = "".join(random.choices("abcdefghijklmnopqrstuvwxyzäöüßéèñ", k=4096))
digits = "".join(random.choices("0123456789", k=4096))
left = int(sys.argv[1])
while left > 0:
    at = random.randrange(3800)
    line = (letters[at:at + 150] + digits[at:at + 60] + "x\\n").encode()
    sys.stdout.buffer.write(line)
    left -= len(line)
print("done", flush=True)
time.sleep(6000)
"""
# A line holds its number, when it was printed and how long the print before it took: a pipe that nobody empties shows.
TICKER = """
import sys, time
begin, number, took = time.monotonic(), 0, 0
while True:
    time.sleep(max(0, begin + number * float(sys.argv[1]) - time.monotonic()))
    before = time.monotonic_ns()
    print(number, time.time_ns(), took, flush=True)
    took = time.monotonic_ns() - before
    number += 1
"""
ECHO = """
import socketserver
class Answer(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(self.request.recv(64))
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
print("port", server.server_address[1], flush=True)
server.serve_forever()
"""
SLOW = r"\p{L}{1,200}\p{N}{1,200}$"
NEVER = "^this is never printed$"
LIVING = 10
LIVES = "while :; do echo $0; sleep 1; done"


# ---- what runs in processes of its own ----


class Role:
    """One hostile agent, one who measures, or the load that is not ours.

    It says "ready" when it could begin, begins when it is sent a line, ends when its stdin does, and says in JSON what
    it saw. So it never outlives the test.
    """

    def __init__(self, facts):
        self.facts = facts
        self.port = facts["port"]
        self.over = threading.Event()
        self.report = {}

    def run(self):
        self.prepare()
        print("ready", flush=True)
        if sys.stdin.readline():
            threading.Thread(target=self.hear, daemon=True).start()
            self.work()
        print(json.dumps(self.report), flush=True)
        # Threads may hang in calls that nobody answers any more.
        os._exit(0)

    def hear(self):
        sys.stdin.read()
        self.over.set()

    def prepare(self):
        pass

    def work(self):
        self.over.wait()

    def count(self, what, by=1):
        self.report[what] = self.report.get(what, 0) + by

    def paced(self, period):
        """Each multiple of `period` that is still to come, until the end."""
        begin, number = time.monotonic(), 0
        while not self.over.is_set():
            number = max(number + 1, math.ceil((time.monotonic() - begin) / period))
            if self.over.wait(begin + number * period - time.monotonic()):
                return
            yield

    # Raw requests

    def connect(self, receive_buffer=None):
        connection = socket.socket()
        connection.settimeout(harness.PATIENCE * 2)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def head(self, length, headers=""):
        return (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\n{headers}Content-Length: {length}\r\n\r\n"
        ).encode()

    def in_session(self, session, method, number, params):
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        headers = f"MCP-Protocol-Version: {harness.PROTOCOL}\r\nMcp-Session-Id: {session}\r\n"
        return self.head(len(body), headers) + body

    def tool(self, session, number, name, **arguments):
        return self.in_session(session, "tools/call", number, {"name": name, "arguments": arguments})


class Conversation:
    """One connection that asks and reads answers without blocking."""

    def __init__(self, role, key):
        self.key, self.socket = key, role.connect()
        self.socket.setblocking(False)
        self.seen = b""

    def ask(self, request):
        self.seen = b""
        # One that is closed meanwhile shows when its answer is read.
        with contextlib.suppress(OSError):
            self.socket.send(request)

    def answer(self):
        """The answer's bytes once it is whole; nothing before; ConnectionError at the end of the connection."""
        try:
            more = self.socket.recv(65536)
        except BlockingIOError:
            return None
        if not more:
            raise ConnectionError("closed")
        self.seen += more
        head, separator, body = self.seen.partition(b"\r\n\r\n")
        if not separator:
            return None
        length = re.search(rb"Content-Length: (\d+)", head)
        is_whole = len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
        return self.seen if is_whole else None

    def renewed(self, role, watch):
        """Another in its place."""
        role.count("closed")
        watch.unregister(self.socket)
        self.socket.close()
        again = Conversation(role, self.key)
        watch.register(again.socket, selectors.EVENT_READ, again)
        return again


class Patterns(Role):
    """Four searches of a log of 64 MiB at once, again and again, each in a session of its own."""

    def prepare(self):
        self.clients = [harness.Mcp(self.port) for _ in range(4)]

    def search(self, client):
        while not self.over.is_set():
            try:
                answer = client.call("get_process_output", process="loud", grep=SLOW, lines=0, max_bytes=1 << 20)
                self.count("refused" if answer.is_error else "searched")
            except (http.client.HTTPException, OSError):
                client.close()
                self.count("closed")

    def work(self):
        for client in self.clients:
            threading.Thread(target=self.search, args=(client,), daemon=True).start()
        self.over.wait()


class Unread(Role):
    """1,500 reads of a megabyte on each of some connections, none of whose answers is read."""

    connections = 8

    def prepare(self):
        session = harness.Mcp(self.port).session
        self.requests = b"".join(
            self.tool(session, number, "get_process_output", process="loud", lines=0, max_bytes=1 << 20)
            for number in range(1500)
        )

    def work(self):
        left = {}
        poll = select.poll()

        def begin():
            connection = self.connect(receive_buffer=4096)
            connection.setblocking(False)
            left[connection.fileno()] = (connection, memoryview(self.requests))
            poll.register(connection, select.POLLOUT | select.POLLRDHUP)
            self.count("connections")

        for _ in range(self.connections):
            begin()
        while not self.over.is_set():
            for number, events in poll.poll(100):
                connection, rest = left[number]
                if events & (select.POLLHUP | select.POLLERR | select.POLLRDHUP):
                    poll.unregister(number)
                    del left[number]
                    connection.close()
                    begin()
                    continue
                with contextlib.suppress(OSError):
                    rest = rest[connection.send(rest):]
                left[number] = (connection, rest)
                poll.modify(number, select.POLLRDHUP | (select.POLLOUT if rest else 0))


class Waits(Role):
    """600 waits at once in three sessions: every other one for a line that a program which prints all the time never
    prints, so that each of its lines wakes them, the others for its end."""

    def prepare(self):
        self.sessions = [harness.Mcp(self.port).session for _ in range(3)]

    def ask(self, conversation):
        for_pattern = {"until": "pattern", "pattern": NEVER} if conversation.key % 2 else {"until": "exit"}
        session = self.sessions[conversation.key % len(self.sessions)]
        conversation.ask(self.tool(session, conversation.key, "wait_for_process", process="ticker",
                                   timeout_seconds=min(60, SECONDS), **for_pattern))
        self.count("asked")

    def work(self):
        with selectors.DefaultSelector() as watch:
            for key in range(600):
                conversation = Conversation(self, key)
                watch.register(conversation.socket, selectors.EVENT_READ, conversation)
                self.ask(conversation)
            while not self.over.is_set():
                for ready, _ in watch.select(0.1):
                    conversation = ready.data
                    try:
                        if conversation.answer() is None:
                            continue
                        self.count("answered")
                    except ConnectionError:
                        conversation = conversation.renewed(self, watch)
                    self.ask(conversation)


class Bodies(Role):
    """2,600 connections that hold half of a body each; for each that is closed there is another at once. The halves are
    small enough that none of them alone is worth the daemon's notice."""

    length = 60_000

    def prepare(self):
        self.half = self.head(self.length) + b'{"a":"' + b"x" * (self.length // 2)

    def work(self):
        poll, standing = select.poll(), {}
        while not self.over.is_set():
            while len(standing) < 2600 and not self.over.is_set():
                connection = self.connect()
                connection.setblocking(False)
                with contextlib.suppress(OSError):
                    connection.send(self.half)
                standing[connection.fileno()] = connection
                poll.register(connection, select.POLLIN | select.POLLRDHUP)
                self.count("connections")
                if self.report["connections"] % 64 == 0:
                    self.look(poll, standing, 0)
            self.look(poll, standing, 100)

    def look(self, poll, standing, patience):
        for number, _ in poll.poll(patience):
            poll.unregister(number)
            standing.pop(number).close()


class Starts(Role):
    """Starts of different commands, 400 a second. The first few that are let through live, the others end at once: the
    list soon is as long as it stays, and short, so that what the starts cost others shows beside it."""

    def prepare(self):
        self.session = harness.Mcp(self.port).session
        self.conversations = [Conversation(self, key) for key in range(64)]

    def work(self):
        idle = list(self.conversations)
        number = 0
        with selectors.DefaultSelector() as watch:
            for conversation in idle:
                watch.register(conversation.socket, selectors.EVENT_READ, conversation)
            begin = time.monotonic()
            while not self.over.is_set():
                due = int((time.monotonic() - begin) * STARTS_A_SECOND)
                while idle and number < due:
                    number += 1
                    command = ["sh", "-c", LIVES if number <= LIVING else ":", f"hostile {number}"]
                    idle.pop().ask(self.tool(self.session, number, "start_process", command=command,
                                             working_directory="/"))
                self.report["asked"] = number
                for ready, _ in watch.select(1 / STARTS_A_SECOND):
                    try:
                        answer = ready.data.answer()
                    except ConnectionError:
                        if ready.data in idle:
                            idle.remove(ready.data)
                        idle.append(ready.data.renewed(self, watch))
                        continue
                    if answer is None:
                        continue
                    idle.append(ready.data)
                    is_error = b'"isError":true' in answer
                    self.count("limit" if is_error and b'"limit"' in answer else "failed" if is_error else "started")
                    if is_error and b'"limit"' not in answer:
                        self.report["failure"] = answer.decode(errors="replace")[-400:]


class Subscriptions(Role):
    """20,000 subscriptions: half in sessions with a stream each, half in requests of 2026-07-28. The programs are those
    that run, with their outputs, and those that the other agents start. What they are told is not read. All of them
    stand before anything is measured."""

    each, holders = 250, 40

    def uris(self):
        for number in range(1, self.each // 2 + 1):
            yield f"persistproc://processes/p{number}"
            yield f"persistproc://processes/p{number}/output"

    def prepare(self):
        self.clients = [harness.Mcp(self.port) for _ in range(self.holders)]
        self.streams = []
        for client in self.clients:
            self.open_stream(client)
            self.subscribe_in(client)
        for number in range(self.holders):
            self.listen(number)
        self.report["streams"] = len(self.streams)

    def open_stream(self, client):
        stream = self.connect(receive_buffer=4096)
        head = (f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n"
                f"Mcp-Session-Id: {client.session}\r\nMCP-Protocol-Version: {harness.PROTOCOL}\r\n\r\n")
        stream.sendall(head.encode())
        self.streams.append(stream)

    def subscribe_in(self, client):
        requests = [self.in_session(client.session, "resources/subscribe", number, {"uri": uri})
                    for number, uri in enumerate(self.uris())]
        with self.connect() as connection, connection.makefile("rb") as answers:
            connection.sendall(b"".join(requests))
            for _ in requests:
                head = b"".join(iter(answers.readline, b"\r\n"))
                body = answers.read(int(re.search(rb"Content-Length: (\d+)", head)[1]))
                assert b"200 OK" in head and b'"result"' in body, head + body
                self.count("subscribed")

    def listen(self, number):
        params = {"notifications": {"resourcesListChanged": True, "resourceSubscriptions": list(self.uris())},
                  "_meta": harness.ENVELOPE}
        body = {"jsonrpc": "2.0", "id": number, "method": "subscriptions/listen", "params": params}
        text = json.dumps(body).encode()
        headers = f"MCP-Protocol-Version: {harness.MODERN}\r\nMcp-Method: subscriptions/listen\r\n"
        stream = self.connect(receive_buffer=4096)
        stream.sendall(self.head(len(text), headers) + text)
        assert b" 200 OK" in stream.recv(100)
        self.streams.append(stream)
        self.count("subscribed", self.each)


class Busy(Role):
    """Takes `share` of one processor, no more: what is used is the process's own time."""

    def work(self):
        begin, used, share = time.monotonic(), time.process_time(), self.facts["share"]
        while not self.over.is_set():
            if time.process_time() - used < share * (time.monotonic() - begin):
                sum(range(2000))
            else:
                time.sleep(0.001)


class MeasuredAgent(Role):
    """Lists processes on one kept connection. Like every HTTP client it opens another when the daemon has closed the
    kept one between two calls; the call takes as much longer. One that is closed over a call leaves it unanswered."""

    def prepare(self):
        self.client = harness.Mcp(self.port)
        self.report.update(took=[], reconnected=0, unanswered=0)
        self.ask()

    def ask(self):
        params = {"name": "list_processes", "arguments": {}}
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        connection = self.client.connection
        if connection.sock and select.select([connection.sock], [], [], 0)[0]:
            connection.close()
            self.count("reconnected")
        status, _, answer = self.client.post(body)
        assert status == 200 and b'"isError"' not in answer and b'"ticker"' in answer, answer[:500]

    def work(self):
        for _ in self.paced(0.02):
            begin = time.monotonic()
            try:
                self.ask()
            except (http.client.HTTPException, OSError) as broken:
                self.client.connection.close()
                self.count("unanswered")
                self.report["broken"] = repr(broken)
            self.report["took"].append(time.monotonic() - begin)


class MeasuredClient(Role):
    """`persistproc list`, a new process each time."""

    def prepare(self):
        self.command = [str(harness.BIN / "persistproc"), "list"]

    def work(self):
        took = self.report["took"] = []
        for _ in self.paced(0.1):
            begin = time.monotonic()
            ran = subprocess.run(self.command, stdin=subprocess.DEVNULL, capture_output=True)
            took.append(time.monotonic() - begin)
            assert ran.returncode == 0 and b"ticker" in ran.stdout, ran


class MeasuredProgram(Role):
    """Asks a program of the daemon's on its TCP port."""

    def work(self):
        took = self.report["took"] = []
        for _ in self.paced(0.05):
            begin = time.monotonic()
            with socket.create_connection(("127.0.0.1", self.facts["echo"]), timeout=harness.PATIENCE) as connection:
                connection.sendall(b"are you there?")
                assert connection.recv(64) == b"are you there?"
            took.append(time.monotonic() - begin)


HOSTILE = {"patterns": Patterns, "unread": Unread, "waits": Waits, "bodies": Bodies, "starts": Starts,
           "subscriptions": Subscriptions}
MEASURED = {"agent": MeasuredAgent, "client": MeasuredClient, "program": MeasuredProgram}
ROLES = {**HOSTILE, **MEASURED, "busy": Busy}
KINDS = [kind for kind in os.environ.get("PERSISTPROC_HOSTILE_KINDS", ",".join(HOSTILE)).split(",") if kind]


# ---- the test ----


def percentile(values, of):
    """The nearest rank."""
    return sorted(values)[max(0, math.ceil(of / 100 * len(values)) - 1)]


def cpu_seconds(pid, with_children=False):
    """Processor time of a process, with that of its children that have ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")


def tree_of(root):
    """The process and everything it started that is still below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree


def memory_of(pid):
    """Its share of the machine's memory, in bytes."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) << 10


class Player:
    """A role in its process."""

    def __init__(self, test, kind, **facts):
        self.kind = kind
        facts = {"port": test.daemon.port, **facts}
        self.process = subprocess.Popen([sys.executable, "-B", __file__, kind, json.dumps(facts)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=test.environment)
        test.addCleanup(self.kill)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def until_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"{self.kind} did not become ready")
        return self

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self):
        said, _ = self.process.communicate(timeout=harness.PATIENCE * 4)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.kind} failed; it said {said!r}")
        return json.loads(said)


class Phase:
    """One stretch of measuring: what was measured, and the processor time that was used meanwhile."""

    def __init__(self, test, name, seconds, load):
        daemon = test.daemon.process.pid
        measurers = [Player(test, kind, echo=test.echo).until_ready() for kind in MEASURED]
        players = [Player(test, kind, **facts).until_ready() for kind, facts in load]
        self.begin_ns = time.time_ns()
        begin, tree_before = time.monotonic(), sum(cpu_seconds(pid, True) for pid in tree_of(daemon))
        daemon_before, load_before = cpu_seconds(daemon), sum(cpu_seconds(each.process.pid) for each in players)
        for each in players + measurers:
            each.go()
        self.peak, over = 0, threading.Event()
        until = begin + seconds
        while (left := until - time.monotonic()) > 0:
            self.peak = max(self.peak, memory_of(daemon))
            over.wait(min(left, 0.05))
        said = {each.kind: each.end() for each in measurers}
        self.reports = {kind: report.pop("took") for kind, report in said.items()}
        self.agent = said["agent"]
        self.end_ns = time.time_ns()
        took = time.monotonic() - begin
        self.load_cpu = (sum(cpu_seconds(each.process.pid) for each in players) - load_before) / took
        self.daemon_cpu = (cpu_seconds(daemon) - daemon_before) / took
        self.tree_cpu = (sum(cpu_seconds(pid, True) for pid in tree_of(daemon)) - tree_before) / took
        self.loads = {each.kind: each.end() for each in players}
        self.seconds = time.monotonic() - begin
        self.name = name
        test.say(f"{name}: {self}")

    def __str__(self):
        shown = [f"{kind} p50 {statistics.median(took) * 1e3:.1f} p99 {percentile(took, 99) * 1e3:.1f} "
                 f"max {max(took) * 1e3:.0f} ms of {len(took)}" for kind, took in self.reports.items()]
        cpu = f"processors: load {self.load_cpu:.2f}, daemon {self.daemon_cpu:.2f}, its tree {self.tree_cpu:.2f}"
        memory = f"memory at most {self.peak / 2**20:.1f} MiB"
        return "; ".join([*shown, cpu, memory, f"agent: {self.agent}", str(self.loads)])


class HostileAgents(harness.TestCase):
    daemon_options = ("--agent-starts", str(STARTS_ALLOWED))

    def say(self, text):
        self.said.append(text)
        if IS_MEASURED:
            print(text, file=sys.stderr, flush=True)

    def setUp(self):
        super().setUp()
        self.said = []
        self.environment = {**self.place.environment, "PERSISTPROC_BUILD": str(harness.BUILD)}

    def settle(self):
        """Until the daemon works no more than it does for the programs: what sessions asked for goes on when their
        agents are gone, for as long as they asked for."""
        daemon = self.daemon.process.pid
        seen = [(time.monotonic(), cpu_seconds(daemon))]

        def rests():
            now = (time.monotonic(), cpu_seconds(daemon))
            if now[0] - seen[0][0] < 1:
                return False
            (before, used), seen[0] = seen[0], now
            return now[1] - used < 0.1 * (now[0] - before)

        harness.eventually("the daemon has done what agents asked for", rests, AFTERWARDS)

    def ticks(self):
        """(number, when it was printed, how long the print before took, when it was recorded) of each line, in ns."""
        out = []
        for line in self.ok("output", "ticker", "-n", "0", "--json").json()["lines"]:
            if line.get("stream") == "stdout":
                number, printed, took = map(int, line["text"].split())
                recorded = datetime.datetime.fromisoformat(line["time"]).timestamp()
                out.append((number, printed, took, int(recorded * 1e9)))
        return out

    def test_all_kinds_at_once(self):
        begun = {
            "ticker": self.start("ticker", harness.python(TICKER, str(TICK))),
            "echo": self.start("echo", harness.python(ECHO)),
            "loud": self.start("loud", harness.python(LOUD, str(LOG_BYTES))),
        }
        self.ok("wait", "loud", "--pattern", "^done", "--timeout", "120", patience=150)
        self.ok("wait", "echo", "--pattern", "^port")
        self.echo = int(self.ok("output", "echo", "-n", "1", "--raw").out.split()[1])
        # What the daemon needs for ordinary calls is no more memory than before.
        agent = self.mcp()
        agent.call("get_process_output", process="loud")
        agent.call("list_processes")
        self.ok("list")
        daemon = self.daemon.process.pid
        before = memory_of(daemon)

        hostile = Phase(self, "hostile", SECONDS, [(kind, {}) for kind in KINDS])
        gone = time.monotonic()
        problems = []
        after = memory_of(daemon)
        try:
            if not IS_SANITIZED:
                harness.eventually("memory given back", lambda: memory_of(daemon) <= before + MEMORY_KEPT, AFTERWARDS)
        except AssertionError:
            problems.append(f"memory: {before >> 10} KiB before, {hostile.peak >> 10} at most, "
                                f"{memory_of(daemon) >> 10} after {time.monotonic() - gone:.0f} s without the agents")
        self.say(f"memory: {before / 2**20:.1f} MiB before, {hostile.peak / 2**20:.1f} at most, {after / 2**20:.1f} "
                 f"after, {memory_of(daemon) / 2**20:.1f} {time.monotonic() - gone:.1f} s later")
        if hostile.peak > before + MEMORY_MORE and not IS_SANITIZED:
            problems.append(f"memory: {before >> 10} KiB before, {hostile.peak >> 10} at most")

        if IS_MEASURED:
            self.settle()
        beside = self.beside_another_load(hostile) if IS_MEASURED else None
        for kind in MEASURED if beside else ():
            ours, theirs = (percentile(each.reports[kind], 99) for each in (hostile, beside))
            self.say(f"{kind}: {ours * 1e3:.1f} ms beside hostile agents, {theirs * 1e3:.1f} ms beside another load: "
                     f"{ours / theirs:.1f} times")
            if ours > SLOWDOWN * theirs:
                problems.append(f"{kind}: {ours * 1e3:.1f} ms at the 99th percentile, {theirs * 1e3:.1f} ms beside "
                                "another load")
        if hostile.agent["unanswered"]:
            problems.append(f"agent: calls without an answer: {hostile.agent}")
        problems += self.undisturbed(begun, hostile, beside)
        # Beside builds, or sanitized, they come to much less in that time.
        if IS_MEASURED:
            self.assert_hostile(hostile.loads)
        if "starts" in KINDS:
            starts = hostile.loads["starts"]
            self.assertNotIn("failed", starts)
            self.assertLessEqual(starts["started"], STARTS_AT_ONCE + STARTS_ALLOWED * hostile.seconds)
            mine = set(begun)
            others = [v["id"] for v in self.views() if v["state"] == "running" and v["label"] not in mine]
            self.ok("stop", "--force", *others, patience=harness.PATIENCE * 4)
        self.assertEqual(problems, [], "" if IS_MEASURED else "\n".join(self.said))

    def beside_another_load(self, hostile):
        # The programs that were started go on meanwhile, so that the list is as long.
        quiet = Phase(self, "quiet", QUIET_SECONDS, [])
        share = min(1.0, max(0.0, hostile.load_cpu + hostile.tree_cpu - quiet.tree_cpu) / CORES)
        return Phase(self, f"beside {CORES} loops of {share:.2f}", SECONDS, [("busy", {"share": share})] * CORES)

    def assert_hostile(self, loads):
        """The agents did what they are there for."""
        for kind, what, least in (("patterns", "searched", 1), ("unread", "connections", Unread.connections),
                                  ("waits", "asked", 600), ("bodies", "connections", 2600), ("starts", "limit", 1),
                                  ("subscriptions", "subscribed", 20_000)):
            if kind in loads:
                self.assertGreaterEqual(loads[kind].get(what, 0), least, (kind, loads[kind]))

    def undisturbed(self, begun, hostile, beside):
        """What the programs that ran before have noticed."""
        problems = []
        for label, view in begun.items():
            now = self.view(label)
            for what in ("pid", "run", "state"):
                if now.get(what) != view.get(what):
                    problems.append(f"{label}: {what} was {view.get(what)}, is {now.get(what)}")
        ticks = self.ticks()
        if [tick[0] for tick in ticks] != list(range(len(ticks))):
            problems.append(f"lines are missing or doubled: {len(ticks)}, the last is {ticks[-1][0]}")
        period = int(TICK * 1e9)
        # How late a line was printed after the one before it, how long the program was at it, and how long after that
        # it was recorded.
        during = {}
        if not beside:
            return problems
        for phase in (hostile, beside):
            mine = [tick for tick in ticks if phase.begin_ns <= tick[1] <= phase.end_ns]
            late = [tick[1] - last[1] - period for last, tick in zip(mine, mine[1:])]
            during[phase] = {"late": late, "printing": [tick[2] for tick in mine],
                             "recording": [tick[3] - tick[1] for tick in mine]}
            self.say(f"ticker, {phase.name}: " + "; ".join(
                f"{what} p50 {statistics.median(each) / 1e6:.2f} p99 {percentile(each, 99) / 1e6:.2f} max "
                f"{max(each) / 1e6:.2f} ms" for what, each in during[phase].items()))
        for what in during[hostile]:
            ours, theirs = (percentile(during[phase][what], 99) for phase in (hostile, beside))
            # Less than the time between two lines is no disturbance.
            if ours > SLOWDOWN * max(theirs, period / SLOWDOWN):
                problems.append(f"ticker: {what} takes {ours / 1e6:.1f} ms, {theirs / 1e6:.1f} ms beside another load")
        return problems


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](json.loads(sys.argv[2])).run()
    else:
        harness.main()
