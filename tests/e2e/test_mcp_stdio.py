"""persistproc mcp: an agent that starts its server itself speaks lines; the daemon behind it may come and go."""
import array
import fcntl
import json
import os
import pathlib
import queue
import signal
import subprocess
import termios
import threading
import time

import harness

MODERN = "2026-07-28"
# Seconds. The product promises 0.05; a busy machine may take longer, and who waited for something would take more.
LOSS_BOUND = float(os.environ.get("PERSISTPROC_TEST_LOSS_BOUND", "5"))


class Bridge:
    """The program with pipes on both sides; lines of it with the time they came."""

    def __init__(self, test, *arguments):
        with open(test.place.scratch / "bridge.err", "ab") as log:
            self.process = subprocess.Popen(
                [str(harness.BIN / "persistproc"), "mcp", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=test.place.environment,
                cwd=test.place.work,
            )
        self.lines = queue.Queue()
        self.kept = []
        self.number = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), line))
        self.lines.put((time.monotonic(), None))

    def say(self, *messages):
        text = b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def ask(self, method, params=None, modern=False, number=None):
        """Sends a request; its id."""
        self.number += 1
        number = self.number if number is None else number
        params = dict(params or {})
        if modern:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        self.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def call(self, tool, modern=False, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments}, modern)

    def hear(self, wanted, patience=harness.PATIENCE):
        """(time, message) of the first message that `wanted` is true of; the others are kept for later."""
        for i, (when, message) in enumerate(self.kept):
            if wanted(message):
                del self.kept[i]
                return when, message
        deadline = time.monotonic() + patience
        while True:
            try:
                when, line = self.lines.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"nothing came in {patience} s; kept: {self.kept}") from None
            if line is None:
                raise AssertionError(f"the bridge ended: {self.process.wait()}; kept: {self.kept}")
            assert line.endswith(b"\n"), line
            message = json.loads(line)
            if wanted(message):
                return when, message
            self.kept.append((when, message))

    def answer(self, number, patience=harness.PATIENCE):
        return self.hear(lambda m: "method" not in m and m.get("id") == number, patience)[1]

    def result(self, number):
        answer = self.answer(number)
        assert "result" in answer, answer
        return answer["result"]

    def initialize(self, version="2025-11-25"):
        result = self.result(
            self.ask(
                "initialize",
                {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}},
            )
        )
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    def has_passed_on(self):
        """Whether it sleeps with all read that it was told: it has passed that on."""
        unread = array.array("i", [0])
        fcntl.ioctl(self.process.stdin, termios.FIONREAD, unread)
        stats = [each.read_text() for each in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat")]
        return not unread[0] and all(each.rsplit(")", 1)[1].split()[0] == "S" for each in stats)

    def close_input(self):
        self.process.stdin.close()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for each in (self.process.stdin, self.process.stdout):
            try:
                each.close()
            except OSError:
                pass


class Stdio(harness.TestCase):
    def bridge(self, *arguments):
        return Bridge(self, *arguments)

    def test_both_eras_side_by_side(self):
        bridge = self.bridge()
        # Agents probe with the newest revision, and may then begin a session all the same.
        probe = bridge.ask("server/discover", modern=True)
        self.assertEqual(bridge.result(probe)["supportedVersions"], [MODERN])
        self.assertEqual(bridge.initialize("2025-06-18")["protocolVersion"], "2025-06-18")
        old, new = bridge.ask("tools/list"), bridge.ask("tools/list", modern=True)
        old, new = bridge.result(old), bridge.result(new)
        self.assertEqual(old["tools"], new["tools"])
        self.assertNotIn("resultType", old)
        self.assertEqual(new["resultType"], "complete")
        # Who comes by the bridge is an agent, not the person at the terminal.
        names = {tool["name"] for tool in old["tools"]}
        self.assertIn("start_process", names)
        self.assertFalse(names & {"signal_process", "shutdown_daemon", "remove_process"}, names)
        started = bridge.call("start_process", modern=True, command="sleep 60", working_directory=str(self.place.work))
        view = bridge.result(started)["structuredContent"]
        self.assertEqual(self.view(view["id"])["state"], "running")
        self.assertIn(view["id"], json.dumps(bridge.result(bridge.call("list_processes"))))

    def test_ids_and_bytes_pass_unchanged(self):
        bridge = self.bridge()
        bridge.initialize()
        for number in ('"é\\" \\u0000', 0, -7, 2**53, "", "1"):
            self.assertEqual(bridge.answer(bridge.ask("ping", number=number)), {"jsonrpc": "2.0", "id": number, "result": {}})
        # Blank lines and carriage returns are nothing; a message may come in pieces.
        bridge.say(b'\r\n\n  \r\n{"jsonrpc":"2.0","id":"crlf","meth')
        time.sleep(0.05)
        bridge.say(b'od":"ping"}\r\n')
        self.assertEqual(bridge.result("crlf"), {})

    def test_batches_of_the_revision_that_has_them(self):
        bridge = self.bridge()
        bridge.initialize("2025-03-26")
        ping = {"jsonrpc": "2.0", "method": "ping"}
        bridge.say(json.dumps([{**ping, "id": 71}, {**ping, "id": 72}]).encode() + b"\n")
        answers = bridge.hear(lambda m: isinstance(m, list))[1]
        self.assertEqual(sorted(a["id"] for a in answers), [71, 72])

        other = self.bridge()
        other.initialize("2025-06-18")
        for batch in ([{**ping, "id": 71}], []):
            other.say(json.dumps(batch).encode() + b"\n")
            self.assertEqual(other.hear(lambda m: "error" in m)[1]["error"]["code"], -32600)

    def test_garbage_is_refused_and_survived(self):
        bridge = self.bridge()
        bridge.initialize()
        for line, code in (
            (b"garbage\n", -32700),
            (b'{"jsonrpc":"2.0","id":1,"method":"ping"\n', -32700),
            (b"\xff\xfe\n", -32700),
            (b"7\n", -32600),
            (b'"text"\n', -32600),
            (b"{}\n", -32600),
            (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', -32600),
            (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n', -32600),
            (b"[" * 100_000 + b"\n", -32700),
            (b"[" * 1000 + b"]" * 1000 + b"\n", None),
            (b'{"jsonrpc":"2.0","id":1,"x":"' + b"x" * (4 << 20) + b'"}\n', -32600),
            (b"x" * (9 << 20) + b"\n", -32600),
        ):
            bridge.say(line)
            refused = bridge.hear(lambda m: "error" in m)[1]
            self.assertIsNone(refused["id"], line[:60])
            if code is not None:
                self.assertEqual(refused["error"]["code"], code, line[:60])
        self.assertEqual(bridge.result(bridge.ask("ping")), {})
        # As large as may be passes.
        number = bridge.ask("ping", {"pad": "x" * ((4 << 20) - 200)})
        self.assertEqual(bridge.result(number), {})

    def test_twenty_waits_at_once(self):
        bridge = self.bridge()
        bridge.initialize()
        gate = self.place.work / "go"
        waiter = "import os,sys,time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"
        ids = [self.start(f"w{i}", harness.python(waiter, str(gate)))["id"] for i in range(2)]
        calls = [
            bridge.call("wait_for_process", modern=bool(i & 1), process=ids[i % 2], until="exit", timeout_seconds=30)
            for i in range(20)
        ]
        # None holds up another.
        self.assertEqual(bridge.result(bridge.ask("ping")), {})
        gate.touch()
        for number in calls:
            self.assertFalse(bridge.result(number).get("isError", False))

    def test_a_modern_call_is_cancelled_by_notification(self):
        bridge = self.bridge()
        pid = self.start("s", ["sleep", "60"])["id"]
        number = bridge.call("wait_for_process", modern=True, process=pid, until="exit", timeout_seconds=50)
        other = bridge.call("list_processes", modern=True)
        bridge.result(other)
        bridge.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})
        bridge.result(bridge.call("list_processes", modern=True))
        with self.assertRaises(AssertionError):
            bridge.answer(number, 0.3)
        self.assertIsNone(bridge.process.poll())

    def test_a_call_in_a_session_is_cancelled_even_at_once(self):
        pid = self.start("s", ["sleep", "60"])["id"]
        # What is open is waited for, 1.5 s.
        harness.eventually("the end of the input ends it at once", lambda: self.seconds_after_cancellations(pid) < 1.2)

    def seconds_after_cancellations(self, pid):
        """From the end of the input to that of a bridge whose calls have all been cancelled."""
        bridge = self.bridge()
        bridge.initialize()
        for pause in (0, 0.2):
            number = bridge.call("wait_for_process", process=pid, until="exit", timeout_seconds=50)
            time.sleep(pause)
            bridge.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})
            bridge.result(bridge.call("list_processes"))
            with self.assertRaises(AssertionError):
                bridge.answer(number, 0.3)
        begin = time.monotonic()
        bridge.close_input()
        self.assertEqual(bridge.process.wait(harness.PATIENCE), 0)
        return time.monotonic() - begin

    def test_a_session_that_a_daemon_does_not_know_is_begun_again(self):
        bridge = self.bridge()
        bridge.initialize()
        bridge.result(bridge.ask("tools/list"))
        for _ in range(2):
            # The next daemon cannot tell that the session's id was its predecessor's.
            (self.place.data / "session.key").unlink()
            self.kill_daemon()
            harness.eventually("a daemon is back", lambda: self.ok("version", "--json").json()["daemon"])
            asked = [bridge.ask("tools/list") for _ in range(5)]
            for number in asked:
                self.assertIn("tools", bridge.result(number))
        self.assertIn(b"began it again", (self.place.scratch / "bridge.err").read_bytes())
        # The agent hears nothing of it.
        self.assertFalse([m for _, m in bridge.kept if "id" in m and "method" not in m])

    def test_the_next_daemon_knows_the_agent_by_its_name(self):
        bridge = self.bridge()
        bridge.initialize()
        for label in ("before", "after"):
            bridge.result(bridge.call("start_process", command=["sleep", "600"], label=label))
            view = self.view(label)
            self.assertEqual(view["started_by"], 'agent "e2e" 1')
            self.assertEqual(view["working_directory"], str(self.place.work.resolve()))
            self.kill_daemon()
            harness.eventually("a daemon is back", lambda: self.ok("version", "--json").json()["daemon"])
        tools = {each["name"]: each for each in bridge.result(bridge.ask("tools/list"))["tools"]}
        self.assertEqual(tools["start_process"]["inputSchema"]["required"], ["command"])

    def test_streams_of_notifications(self):
        bridge = self.bridge()
        listen = bridge.ask("subscriptions/listen", {"notifications": {"resourcesListChanged": True}}, modern=True)
        bridge.hear(lambda m: m.get("method") == "notifications/subscriptions/acknowledged")
        bridge.initialize()
        self.start("s", ["sleep", "60"])
        changed = [
            bridge.hear(lambda m: m.get("method") == "notifications/resources/list_changed")[1] for _ in range(2)
        ]
        # One on the session's stream, one on that of the newer era, which says whose it is.
        marks = [m.get("params", {}).get("_meta", {}).get("io.modelcontextprotocol/subscriptionId") for m in changed]
        self.assertEqual(sorted(marks, key=str), sorted([listen, None], key=str))
        bridge.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": listen}})
        bridge.result(bridge.call("list_processes", modern=True))
        self.start("t", ["sleep", "60"])
        changed = bridge.hear(lambda m: m.get("method") == "notifications/resources/list_changed")[1]
        self.assertNotIn("io.modelcontextprotocol/subscriptionId", json.dumps(changed))

    def kill_daemon(self):
        for pid, command in harness.processes_of(self.place.data):
            if command.split()[0].endswith("persistprocd"):
                os.kill(pid, signal.SIGKILL)

    def test_death_fails_what_changes_something_at_once_and_is_repaired(self):
        bridge = self.bridge()
        bridge.initialize()
        pid = self.start("s", ["sleep", "600"])["id"]
        before = self.view(pid)["pid"]
        joining = {"command": ["sleep", "600"], "working_directory": str(self.place.work), "label": "s"}
        waits = [bridge.call("wait_for_process", modern=bool(i & 1), process=pid, until="exit", timeout_seconds=600) for i in range(4)]
        for death in range(3):
            wait = {"until": "exit", "timeout_seconds": 50}
            calls = [bridge.call("start_process", modern=bool(i & 1), wait=wait, **joining) for i in range(20)]
            harness.eventually("the calls are with the daemon", bridge.has_passed_on)
            daemon = self.ok("version", "--json").json()
            self.assertTrue(daemon["daemon"])
            self.kill_daemon()
            killed = time.monotonic()
            for number in calls:
                when, answer = bridge.hear(lambda m, n=number: m.get("id") == n)
                self.assertEqual(answer["error"]["code"], -32603, answer)
                self.assertIn("daemon was lost", answer["error"]["message"])
                self.assertLess(when - killed, LOSS_BOUND)
            # Nothing was asked: the daemon comes back by itself, and the next call finds the process as it was.
            harness.eventually("a daemon is back", lambda: self.ok("version", "--json").json()["daemon"])
            listed = bridge.result(bridge.call("list_processes", modern=bool(death & 1)))
            self.assertIn(pid, json.dumps(listed))
            self.assertEqual(self.view(pid)["pid"], before)
        # What only reads was asked again, and has heard of none of them.
        self.ok("stop", pid)
        for number in waits:
            self.assertIn("stopped", json.dumps(bridge.result(number)))

    def test_what_was_started_before_the_death_is_told(self):
        for modern in (False, True):
            bridge = self.bridge()
            bridge.initialize()
            label = f"behind-{modern}"
            start = {"command": ["sleep", "600"], "working_directory": str(self.place.work), "label": label}
            number = bridge.call("start_process", modern=modern, wait={"pattern": "never"}, **start)
            started = harness.eventually("it runs", lambda: next((p for p in self.views() if p["label"] == label and p["state"] == "running"), None))
            bridge.result(bridge.ask("ping"))
            self.kill_daemon()
            message = bridge.answer(number)["error"]["message"]
            expected = f'Started {started["id"]} "{label}", PID {started["pid"]}; cursor {started["id"]}:'
            self.assertTrue(message.startswith(expected), message)
            self.assertIn("the daemon was lost", message)
            self.assertNotIn("notifications/persistproc", json.dumps(bridge.kept))
        self.ok("list")  # with a daemon, whether or not the bridge has begun one by now

    def test_a_daemon_that_was_ended_is_not_started_again_unasked(self):
        bridge = self.bridge()
        bridge.initialize()
        bridge.result(bridge.ask("tools/list"))
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        time.sleep(0.5)
        self.assertIsNone(self.cli("version", "--json").json()["daemon"])
        self.assertIn("tools", bridge.result(bridge.ask("tools/list")))

    def test_input_ends(self):
        bridge = self.bridge()
        bridge.initialize()
        number = bridge.ask("tools/list")
        bridge.close_input()
        self.assertIn("tools", bridge.result(number))
        self.assertEqual(bridge.process.wait(harness.PATIENCE), 0)
        # What takes longer is dropped.
        bridge = self.bridge()
        bridge.initialize()
        pid = self.start("s", ["sleep", "60"])["id"]
        bridge.call("wait_for_process", process=pid, until="exit", timeout_seconds=50)
        begin = time.monotonic()
        bridge.close_input()
        self.assertEqual(bridge.process.wait(harness.PATIENCE), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_signals_and_a_reader_that_goes(self):
        for end in (lambda b: b.process.send_signal(signal.SIGTERM), lambda b: b.process.send_signal(signal.SIGINT)):
            bridge = self.bridge()
            bridge.initialize()
            pid = self.start("s", ["sleep", "60"])["id"]
            bridge.call("wait_for_process", process=pid, until="exit", timeout_seconds=50)
            bridge.result(bridge.ask("ping"))
            end(bridge)
            self.assertEqual(bridge.process.wait(harness.PATIENCE), 0)
        read, write = os.pipe()
        process = subprocess.Popen(
            [str(harness.BIN / "persistproc"), "mcp"],
            stdin=subprocess.PIPE,
            stdout=write,
            stderr=subprocess.DEVNULL,
            env=self.place.environment,
        )
        os.close(write)
        os.close(read)
        process.stdin.write(b"garbage\n")
        process.stdin.flush()
        self.assertEqual(process.wait(harness.PATIENCE), 0)
        process.stdin.close()

    def test_a_reader_that_goes_is_noticed_before_the_next_line(self):
        process = subprocess.Popen(
            [str(harness.BIN / "persistproc"), "mcp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.place.environment,
        )
        process.stdin.write(b"garbage\n")
        process.stdin.flush()
        self.assertIn(b"Parse error", process.stdout.readline())
        process.stdout.close()
        self.assertEqual(process.wait(harness.PATIENCE), 0)
        process.stdin.close()

    def test_input_from_a_file(self):
        path = self.place.scratch / "lines"
        path.write_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n' * 3 + b"garbage")
        with open(path, "rb") as lines:
            ran = subprocess.run(
                [str(harness.BIN / "persistproc"), "mcp"],
                stdin=lines,
                capture_output=True,
                timeout=30,
                env=self.place.environment,
            )
        self.assertEqual(ran.returncode, 0)
        self.assertEqual(len(ran.stdout.splitlines()), 4)


class WithoutDaemon(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.place.environment["PERSISTPROC_PORT"] = "0"

    def test_it_is_started_once(self):
        bridges = [Bridge(self) for _ in range(3)]
        asked = [(b, b.ask("tools/list", modern=True)) for b in bridges for _ in range(4)]
        for bridge, number in asked:
            self.assertIn("tools", bridge.result(number))
        daemons = [c for _, c in harness.processes_of(self.place.data) if c.split()[0].endswith("persistprocd")]
        self.assertEqual(len(daemons), 1, daemons)

    def test_it_is_not_started_when_that_is_not_wanted(self):
        bridge = Bridge(self, "--no-autostart")
        for _ in range(3):
            answer = bridge.answer(bridge.ask("tools/list", modern=True), 5)
            self.assertEqual(answer["error"]["code"], -32603)
            self.assertIn("persistproc serve", answer["error"]["message"])
        self.assertFalse([c for _, c in harness.processes_of(self.place.data) if "persistprocd" in c])

    def test_it_cannot_be_started(self):
        self.place.data.mkdir(mode=0o700)
        # Something else holds the lock's place.
        (self.place.data / "daemon.lock").mkdir()
        bridge = Bridge(self)
        begin = time.monotonic()
        for _ in range(3):
            answer = bridge.answer(bridge.ask("tools/list", modern=True))
            self.assertEqual(answer["error"]["code"], -32603, answer)
        self.assertLess(time.monotonic() - begin, 20)
        bridge.close_input()
        self.assertEqual(bridge.process.wait(harness.PATIENCE), 0)


if __name__ == "__main__":
    harness.main()
