"""One agent that is hijacked, broken or greedy keeps nobody else from working."""
import concurrent.futures
import contextlib
import json
import pathlib
import re
import resource
import select
import socket
import subprocess
import sys
import time

import harness

# RE2 needs some 25 µs for each byte of this: a search of the whole log would take minutes.
SLOW = "(a?a?a?a?){250}b"
# Sends each request on a connection of its own, shows one answer that is a refusal, and keeps all.
GREEDY = """
import json, select, socket, sys
waiting = []
for request in json.load(sys.stdin):
    waiting.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    waiting[-1].sendall(request.encode())
kept = list(waiting)
while waiting:
    for each in select.select(waiting, [], [])[0]:
        answer = each.recv(4096)
        if not answer or b'"jsonrpc"' in answer:  # no head of a stream, nor a comment in it
            waiting.remove(each)
        if b"limit: too many" in answer:
            print(answer, flush=True)
            select.select([], [], [])
"""
# Leaves large requests unfinished on 150 connections, and puts new ones in the place of the oldest all the time.
UNFINISHED = """
import socket, sys, time
port, sizes = int(sys.argv[1]), [int(each) for each in sys.argv[2:]]
head = (b"POST /mcp HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nContent-Type: application/json\\r\\n"
        b"Content-Length: 4000000\\r\\n\\r\\n")
kept, begun = [], 0
while True:
    if len(kept) >= 150:
        kept.pop(0).close()
    kept.append(socket.create_connection(("127.0.0.1", port)))
    kept[-1].setblocking(False)
    try:
        kept[-1].send(head + b" " * sizes[begun % len(sizes)])
    except OSError:
        pass
    begun += 1
    if begun % 150 == 0:
        print("renewed", flush=True)
    time.sleep(0.003)
"""
PRINTER = "import time\nfor _ in range(4000): print('a' * 1000)\nprint('done', flush=True); time.sleep(600)"


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


class Fairness(harness.TestCase):
    def pool(self, threads):
        pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.addCleanup(pool.shutdown, cancel_futures=True)
        return pool

    def many_agents(self, count):
        """At once: who begins a session while there are many waits for a look at whose it is."""
        return list(self.pool(count).map(lambda _: self.mcp(), range(count)))

    def test_a_slow_search_says_how_far_it_came_and_keeps_nobody_waiting(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        greedy, other = self.mcp(), self.mcp()
        # They share the time that one of them would have alone.
        sessions = [self.mcp() for _ in range(12)]
        pool = self.pool(len(sessions))
        searches = [
            pool.submit(session.call, "get_process_output", process="web", grep=SLOW, lines=0, cursor="p1:0")
            for session in sessions
        ]
        self.assertFalse(other.call("list_processes").is_error)
        self.assertIn("done", other.call("get_process_output", process="web", lines=1).text)
        self.assertFalse(all(search.done() for search in searches))
        self.ok("list")
        for search in searches:
            answer = search.result()
            self.assertFalse(answer.is_error, answer.text)
            self.assertGreater(answer.meta["unread_bytes"], 0)
            self.assertIn("not looked at", answer.text.splitlines()[1])
        # The cursor goes on from there.
        again = greedy.call("get_process_output", process="web", grep=SLOW, cursor=answer.meta["next_cursor"])
        self.assertLess(again.meta["unread_bytes"], answer.meta["unread_bytes"])
        end = greedy.call("get_process_output", process="web", grep="^done")
        self.assertEqual((end.meta["unread_bytes"], end.meta["lines"]), (0, 1))

    def test_threads_that_give_way_share_no_arena(self):
        """One that is held up within malloc would hold up the io thread, too."""
        pid = self.daemon.process.pid
        maps = pathlib.Path(f"/proc/{pid}/maps")
        if "libasan" in maps.read_text() or "libtsan" in maps.read_text():
            self.skipTest("another malloc")
        self.start("printer", ["sh", "-c", "echo one; exec sleep 600"])
        agent = self.mcp()
        for _ in range(4):
            agent.call("get_process_output", process="printer", grep="one")
            agent.call("get_process_output", process="printer")
            agent.call("wait_for_process", process="printer", pattern="one")
        threads = len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))
        heaps = re.findall(r"^([0-9a-f]+)-[0-9a-f]+ rw-p 00000000 00:00 0 *$", maps.read_text(), re.MULTILINE)
        arenas = [each for each in heaps if int(each, 16) % (64 << 20) == 0]
        self.assertGreater(threads, 8)
        self.assertGreater(len(arenas), threads // 2)

    def test_slow_searches_of_many_sessions_keep_nobody_from_listing_and_reading(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        other, connections = self.mcp(), []
        # More than work at once, in sessions and as 2026-07-28 has it.
        for number in range(100):
            search = {"process": "web", "grep": SLOW, "lines": 5}
            asked = self.modern_call("get_process_output", **search) if number % 2 else self.session_call(
                self.mcp(), 1, "get_process_output", **search)
            connections.append(self.send(asked))
        begin = time.monotonic()
        for _ in range(5):
            self.assertFalse(other.call("list_processes").is_error)
            self.assertIn("done", other.call("get_process_output", process="web", lines=1).text)
        self.ok("list")
        # All searches, each of which looks as long as it may, would take some 100 s.
        answer = other.call("get_process_output", process="web", grep="^done", lines=1)
        if answer.is_error:
            self.assertIn("limit: too many searches wait", answer.text)
        self.assertLess(time.monotonic() - begin, 50)
        for connection in connections:
            connection.close()
        harness.eventually("nobody is searched for any more", lambda: self.finds_done(other))

    def test_who_keeps_many_sessions_lets_another_search_and_read(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        other = self.mcp()
        for tool in ({"grep": SLOW, "lines": 5}, {"lines": 0, "max_bytes": 1 << 20}):
            asked = [self.session_call(each, 1, "get_process_output", process="web", **tool)
                     for each in self.many_agents(100)]
            greedy = self.greedy(asked)
            self.assertIn(b"limit: too many", greedy.stdout.readline())
            for mine in ({"grep": "^done", "lines": 1}, {"lines": 0, "max_bytes": 1 << 20}):
                answer = other.call("get_process_output", process="web", **mine)
                self.assertFalse(answer.is_error, answer.text)
            greedy.kill()

    def greedy(self, requests):
        """A program of its own that sends them, takes nothing and says when one has been refused."""
        greedy = subprocess.Popen([sys.executable, "-c", GREEDY, str(self.daemon.port)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.addCleanup(greedy.wait)
        self.addCleanup(greedy.kill)
        self.addCleanup(greedy.stdout.close)
        greedy.stdin.write(json.dumps([each.decode() for each in requests]).encode())
        greedy.stdin.close()
        return greedy

    def finds_done(self, agent):
        answer = agent.call("get_process_output", process="web", grep="^done", lines=1)
        return not answer.is_error and answer.meta["lines"] == 1

    def test_answers_that_nobody_takes_hold_little_memory_and_make_room(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        other = self.mcp()
        whole = {"process": "web", "lines": 0, "max_bytes": 1 << 20}
        other.call("get_process_output", **whole)
        before = resident(self.daemon.process.pid)
        unread = [self.session_call(each, 1, "get_process_output", **whole) for each in self.many_agents(100)]
        connections = [self.send(each, receive_buffer=4096) for each in unread]
        # One session: the bound on those is another test's.
        small = self.mcp()
        peak, reader = before, self.pool(1).submit(self.reads_of, other, whole)
        while not reader.done():
            peak = max(peak, resident(self.daemon.process.pid))
            self.assertFalse(small.call("get_process_output", process="web", lines=1).is_error)
        for answer in reader.result():
            if answer.is_error:
                self.assertIn("limit: too many reads of more than 64 KiB", answer.text)
        if "san" not in harness.BUILD.name:
            self.assertLess(peak - before, 32 << 20)
        for connection in connections:
            connection.close()

    def reads_of(self, agent, whole):
        return [agent.call("get_process_output", **whole) for _ in range(3)]

    def unfinished(self, *sizes):
        """A process that keeps 150 requests of these sizes, and says so each time that all have been renewed."""
        greedy = subprocess.Popen([sys.executable, "-c", UNFINISHED, str(self.daemon.port), *map(str, sizes)],
                                  stdout=subprocess.PIPE)
        self.addCleanup(greedy.stdout.close)
        self.addCleanup(greedy.wait)
        self.addCleanup(greedy.kill)
        self.assertEqual(greedy.stdout.readline(), b"renewed\n")
        return greedy

    def test_unfinished_requests_of_one_agent_close_no_others(self):
        for sizes in ((200_000, 1_000_000, 60_000), (60_000,)):
            greedy = self.unfinished(*sizes)
            starts = []
            for kib in (10, 60, 250):
                environment = {f"V{number}": "x" * 10240 for number in range(kib // 10)}
                start = self.modern_call("start_process", command=["sleep", str(600 + kib)], working_directory="/",
                                         environment=environment)
                starts.append((self.send(start[:-5000]), start[-5000:]))
            for _ in range(2):
                self.assertEqual(greedy.stdout.readline(), b"renewed\n")
            for connection, rest in starts:
                connection.sendall(rest)
                answer = connection.recv(1 << 16).decode()
                self.assertTrue(answer.startswith("HTTP/1.1 200"), answer)
                self.assertNotIn('"isError":true', answer)
            greedy.kill()

    def test_unfinished_requests_over_tcp_close_none_of_the_bridge(self):
        greedy = self.unfinished(200_000)
        start = self.modern_call("start_process", "Persistproc-Audience: agent\r\n", command=["sleep", "600"],
                                 working_directory="/", environment={"V": "x" * 60_000})
        with socket.socket(socket.AF_UNIX) as bridge:
            bridge.settimeout(harness.PATIENCE)
            bridge.connect(str(next((self.place.root / "runtime").rglob("*.sock"))))
            bridge.sendall(start[:-5000])
            for _ in range(2):
                self.assertEqual(greedy.stdout.readline(), b"renewed\n")
            bridge.sendall(start[-5000:])
            self.assertTrue(bridge.recv(1 << 16).startswith(b"HTTP/1.1 200"))

    def test_streams_of_one_agent_leave_others_theirs(self):
        self.start("web", ["sleep", "600"])
        connections = []
        # Each session has as many as it may: more than there are in all.
        for _ in range(140):
            greedy = self.mcp()
            for number in range(8):
                asked = self.session_call(greedy, number, "wait_for_process", process="web", until="exit",
                                          timeout_seconds=50)
                connections.append(self.send(asked))
        # After 5 s without an answer a call becomes a stream.
        for connection in connections[:512]:
            self.assertTrue(connection.recv(12).startswith(b"HTTP/1.1 200"))
        listener = self.mcp()
        head = (f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\nAccept: text/event-stream\r\n"
                f"Mcp-Session-Id: {listener.session}\r\n\r\n")
        self.assertTrue(self.send(head.encode()).recv(12).startswith(b"HTTP/1.1 200"))
        self.ok("stop", "web")

    def test_who_hangs_up_is_searched_for_no_longer(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        body = self.modern_call("get_process_output", process="web", grep=SLOW, lines=0)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.daemon.port)) as gone:
                gone.sendall(body)
        # Without that each of them would be looked for during two seconds, on two threads.
        answer = self.mcp().call("get_process_output", process="web", grep="^done")
        self.assertEqual(answer.meta["lines"], 1)

    def test_who_hangs_up_in_a_session_is_searched_for_no_longer(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        session = self.mcp()
        asked = [self.session_call(session, number, "get_process_output", process="web", grep=SLOW, lines=5)
                 for number in range(40)]
        connections = [self.send(each) for each in asked]
        self.assertFalse(session.call("list_processes").is_error)
        for connection in connections:
            connection.close()
        # A session's searches look one after another: as many as it may have would take 8 s at the least.
        begin = time.monotonic()
        harness.eventually("its own search has its turn", lambda: self.finds_done(session))
        self.assertLess(time.monotonic() - begin, 8)

    def test_waits_that_sleep_cost_nobody_a_place(self):
        self.start("web", ["sleep", "600"])
        greedy, other = self.mcp(), self.mcp()
        connections = []
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", self.daemon.port))
            self.addCleanup(connection.close)
            connection.sendall(self.session_call(greedy, 1000 + number, "wait_for_process", process="web",
                                                 until="exit", timeout_seconds=50))
            connections.append(connection)
        self.assertFalse(other.call("list_processes").is_error)
        self.assertFalse(greedy.call("list_processes").is_error)
        self.assertEqual(other.request("prompts/list")["prompts"][0]["name"] != "", True)
        self.ok("stop", "web")
        for connection in connections:
            connection.settimeout(harness.PATIENCE)
            self.assertTrue(connection.recv(12).startswith(b"HTTP/1.1 200"))

    def test_waits_of_several_programs_leave_another_places(self):
        self.start("web", ["sleep", "600"])
        wait = self.modern_call("wait_for_process", process="web", until="exit", timeout_seconds=50)
        greedy = [self.greedy([wait] * 350) for _ in range(4)]
        refused, _, _ = select.select([each.stdout for each in greedy], [], [], harness.PATIENCE)
        self.assertTrue(refused)
        begin = time.monotonic()
        answer = self.mcp().call("wait_for_process", process="web", until="exit", timeout_seconds=0.5)
        self.assertEqual(answer.meta["outcome"], "timed_out", answer.text)
        self.assertLess(time.monotonic() - begin, 5)

    def test_waits_for_slow_patterns_take_turns_with_those_of_others(self):
        self.start("web", harness.python(PRINTER))
        self.ok("wait", "web", "--pattern", "^done")
        greedy, other = self.mcp(), self.mcp()
        for number in range(20):
            connection = socket.create_connection(("127.0.0.1", self.daemon.port))
            self.addCleanup(connection.close)
            connection.sendall(self.session_call(greedy, 2000 + number, "wait_for_process", process="web",
                                                 until="pattern", pattern=SLOW, timeout_seconds=50))
        # The greedy one's looks alone would take the waits of others minutes.
        answer = other.call("wait_for_process", process="web", until="pattern", pattern="^done", timeout_seconds=40)
        self.assertEqual(answer.meta["outcome"], "matched")
        self.ok("stop", "web")

    def test_bodies_that_never_come_whole_keep_nobody_out(self):
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\nContent-Length: 1000\r\n\r\n{"
        ).encode()
        with contextlib.ExitStack() as stuck:
            for _ in range(2600):
                connection = stuck.enter_context(socket.socket())
                connection.connect(("127.0.0.1", self.daemon.port))
                connection.sendall(head)
            self.ok("list")
            self.assertFalse(self.mcp().call("list_processes").is_error)

    def modern_call(self, tool, more_headers="", **arguments):
        meta = {
            "io.modelcontextprotocol/protocolVersion": harness.MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        headers = f"MCP-Protocol-Version: {harness.MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        return self.raw_post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
                             headers + more_headers)

    def send(self, request, receive_buffer=None):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.settimeout(harness.PATIENCE)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", self.daemon.port))
        connection.sendall(request)
        return connection

    def session_call(self, session, number, tool, **arguments):
        params = {"name": tool, "arguments": arguments}
        headers = f"MCP-Protocol-Version: {harness.PROTOCOL}\r\nMcp-Session-Id: {session.session}\r\n"
        return self.raw_post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}, headers)

    def raw_post(self, message, headers):
        body = json.dumps(message).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class FewDescriptors(harness.TestCase):
    """Where a daemon may open few files, agents get a share of them, whatever they do."""

    autostart = False
    modern_call, raw_post, greedy = Fairness.modern_call, Fairness.raw_post, Fairness.greedy

    def setUp(self):
        super().setUp()
        command = self.daemon.command
        self.daemon.command = lambda ready_fd=None: ["prlimit", "--nofile=512:512", *command(ready_fd)]
        self.daemon.start()

    def hold(self, request):
        for _ in range(700):
            connection = socket.create_connection(("127.0.0.1", self.daemon.port))
            self.addCleanup(connection.close)
            # It may have given way already.
            with contextlib.suppress(OSError):
                connection.sendall(request)

    def check_others(self):
        self.ok("list")
        self.start("mine", ["sleep", "600"])
        other = self.mcp()
        self.assertFalse(other.call("list_processes").is_error)
        started = other.call("start_process", command=["sleep", "600"], working_directory="/")
        self.assertFalse(started.is_error, started.text)

    def test_bodies_that_never_come_whole(self):
        self.hold(f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\nContent-Type: application/json\r\n"
                  "Content-Length: 1000\r\n\r\n{".encode())
        self.check_others()

    def test_waits_of_one_program_leave_another_places(self):
        self.start("web", ["sleep", "600"])
        wait = self.modern_call("wait_for_process", process="web", until="exit", timeout_seconds=50)
        greedy = self.greedy([wait] * 110)
        self.assertIn(b"limit: too many", greedy.stdout.readline())
        # In the same process as no other wait.
        answer = self.mcp().call("wait_for_process", process="web", until="exit", timeout_seconds=0.1)
        self.assertEqual(answer.meta["outcome"], "timed_out", answer.text)

    def test_waits(self):
        self.start("web", ["sleep", "600"])
        self.hold(self.modern_call("wait_for_process", process="web", until="exit", timeout_seconds=50))
        self.check_others()


class History(harness.TestCase):
    daemon_options = ("--keep-ended", "4")

    def test_what_agents_start_does_not_push_out_what_the_person_started(self):
        self.ok("start", "--label", "mine", "sh", "-c", "exit 3")
        agent = self.mcp()
        for number in range(8):
            answer = agent.call("start_process", command=["true", str(number)], working_directory="/")
            self.assertFalse(answer.is_error, answer.text)
        harness.eventually("the oldest are forgotten", lambda: len(self.views()) <= 4)
        self.assertIn("mine", {view["label"] for view in self.views()})


class Starts(harness.TestCase):
    daemon_options = ("--max-processes", "3", "--agent-starts", "1")

    def test_agents_start_no_faster_than_they_may_and_the_client_as_it_likes(self):
        agent = self.mcp()
        refused = None
        for number in range(20):
            answer = agent.call("start_process", command=["true", str(number)], working_directory="/")
            if answer.is_error:
                refused = answer
                break
        self.assertIsNotNone(refused)
        self.assertEqual(refused.error["code"], "limit")
        self.assertIn("1 program a second", refused.text)
        for number in range(10):
            self.ok("start", "true", f"mine {number}")

    def test_no_more_processes_live_than_may(self):
        for number in range(3):
            self.start(f"s{number}", ["sleep", "600"])
        refused = self.cli("start", "--label", "one more", "sleep", "600")
        self.assertEqual(refused.code, 125)
        self.assertIn(b"3 processes run, as many as this daemon keeps at once", refused.err)
        self.assertEqual(len(self.views()), 3)
        # What runs is joined and restarted all the same, and a place that is given back is taken.
        self.ok("restart", "s0")
        self.ok("start", "--label", "s1", "sleep", "600")
        self.ok("stop", "s2")
        self.start("one more", ["sleep", "600"])


class FewDescriptors(harness.TestCase):
    """A daemon that may have no more than a few open files, which nobody can raise."""

    most = 512
    autostart = False

    def setUp(self):
        super().setUp()
        command = self.daemon.command
        self.daemon.command = lambda ready_fd: ["prlimit", f"--nofile={self.most}:{self.most}", *command(ready_fd)]
        self.daemon.start()

    def doctor(self):
        checks = self.cli("doctor", "--json").json()["checks"]
        return next(each for each in checks if each["name"] == "open files")

    def test_programs_cost_nobody_a_connection(self):
        begun = 0
        while begun < self.most:
            started = self.cli("start", "--ready", "notify", "--label", f"s{begun}", "sleep", "600")
            if started.code != 0:
                break
            begun += 1
        self.assertOneLine(started.err, f"{begun} processes run, as many as this daemon may have open files for", "doctor")
        self.assertGreater(begun, 20)
        told = self.doctor()
        self.assertEqual(told["status"], "problem")
        self.assertIn(f"at once, room for {begun} programs, and {begun} run", told["detail"])
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] > self.most:
            self.assertRegex(told["advice"], "^a daemon that is started here may hold [0-9]+: .*--replace$")
        # The agents' quarter is theirs, and the person's own is free beside it.
        agents = [harness.Mcp(self.daemon.port, initialize=False) for _ in range(self.most // 4)]
        for each in agents:
            each.connection.connect()
            self.addCleanup(each.close)
        for each in agents:
            self.assertEqual(each.post_modern("tools/list")[1], 200)
        self.assertEqual(len(self.views()), begun)
        stopped = self.ok("stop", "all", "--json").json()["processes"]
        self.assertEqual({each["state"] for each in stopped}, {"stopped"})
        self.assertEqual(len(stopped), begun)
        for each in agents:
            self.assertEqual(each.post_modern("tools/list")[1], 200)
        self.start("another", ["sleep", "600"])
        self.assertEqual(self.doctor()["status"], "note")


if __name__ == "__main__":
    harness.main()
