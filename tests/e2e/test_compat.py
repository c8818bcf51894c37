"""What users of the Python persistproc find when they move: their clients' requests, as bytes on the wire."""
import http.client
import json
import os
import pathlib
import re
import shlex
import sys

import harness
from test_mcp_stdio import Bridge

FIRST = ("start_process", "stop_process", "restart_process", "list_processes", "get_process_output")
ONLY_THEIRS = (
    "ctrl",
    "list",
    "output",
    "start",
    "stop",
    "restart",
    "status",
    "get_log_paths",
    "get_process_status",
    "get_process_log_paths",
)
# What an answer of each tool had, in order. The first generation knew `error` in failures alone.
RESULTS = {
    "ctrl": ["action", "pid", "exit_code", "log_stdout", "log_stderr", "log_combined", "label", "error"],
    "start": ["pid", "log_stdout", "log_stderr", "log_combined", "label", "error"],
    "stop": ["exit_code", "error"],
    "restart": ["pid", "error"],
    "status": ["pid", "command", "working_directory", "status", "label", "error"],
    "output": ["output", "lines_before", "lines_after", "error"],
    "get_log_paths": ["stdout", "stderr", "error"],
    "list": ["processes"],
    "first": ["pid", "command", "start_time", "status", "working_directory", "exit_code", "exit_time", "label"],
    "get_process_log_paths": ["stdout", "stderr", "combined"],
}
# The original's lines: a time, one blank, the text.
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)\n")
TALKS = "import sys,time; print('out 1'); print('err 1', file=sys.stderr); print('out 2'); time.sleep(600)"


class PythonClient:
    """Speaks as FastMCP's client of that time did: revision 2025-03-26, the path with a slash, results as JSON text."""

    def __init__(self, test, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.PATIENCE * 2)
        test.addCleanup(self.connection.close)
        self.session, self.number = None, 0
        self.rpc(
            "initialize",
            {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "mcp", "version": "0.1.0"}},
        )
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def post(self, message):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.session:
            headers["mcp-session-id"] = self.session
        self.connection.request("POST", "/mcp/", json.dumps(message).encode(), headers)
        answer = self.connection.getresponse()
        self.session = answer.headers.get("mcp-session-id") or self.session
        return answer.status, answer.read()

    def rpc(self, method, params):
        self.number += 1
        status, body = self.post({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        assert status == 200, (status, body)
        text = body.decode()
        if text.startswith("event:") or text.startswith("data:") or text.startswith("id:"):
            data = [line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]
            return next(m for m in map(json.loads, data) if m.get("id") == self.number)
        return json.loads(text)

    def tool(self, name, arguments):
        """What the original's programs do with a result: the first text, parsed."""
        return json.loads(self.text(name, arguments))

    def text(self, name, arguments):
        result = self.rpc("tools/call", {"name": name, "arguments": arguments})["result"]
        assert not result.get("isError"), result
        return result["content"][0]["text"]


class Compat(harness.TestCase):
    daemon_options = ("--compat",)

    def setUp(self):
        super().setUp()
        self.client = PythonClient(self, self.daemon.port)
        self.work = str(self.place.work)

    def lines(self, tool, arguments, count):
        """The output, once it has so many lines."""

        def read():
            answer = self.client.tool(tool, arguments)
            self.assertIsNone(answer["error"])
            return answer["output"] if len(answer["output"]) >= count else None

        return harness.eventually(f"{count} lines", read)

    def test_the_last_generation_ctrl_list_output(self):
        command = f'{sys.executable} -u -c "{TALKS}"'
        started = self.client.tool(
            "ctrl",
            {
                "action": "start",
                "command_or_label": command,
                "working_directory": self.work,
                "environment": dict(os.environ, PP_COMPAT="1"),
                "force": False,
                "label": "web-server",
            },
        )
        self.assertEqual(list(started), RESULTS["ctrl"])
        self.assertEqual((started["action"], started["label"], started["error"]), ("start", "web-server", None))
        self.assertTrue(harness.is_alive(started["pid"]))
        self.assertIn(b"PP_COMPAT=1", pathlib.Path(f"/proc/{started['pid']}/environ").read_bytes().split(b"\0"))

        found = self.client.tool("list", {"command_or_label": "web-server"})["processes"]
        self.assertEqual([p["pid"] for p in found], [started["pid"]])
        self.assertEqual(found[0]["command"], [sys.executable, "-u", "-c", TALKS])
        self.assertEqual((found[0]["working_directory"], found[0]["status"]), (self.work, "running"))
        self.assertEqual(self.client.tool("list", {"pid": started["pid"]})["processes"], found)
        self.assertEqual(self.client.tool("list", {"pid": 1})["processes"], [])
        server = self.client.tool("list", {"pid": 0})["processes"][0]
        self.assertEqual((server["pid"], server["label"]), (self.daemon.process.pid, "persistproc-server"))

        by_command = {"command_or_label": command, "working_directory": self.work}
        lines = self.lines("output", by_command, 3)
        self.assertEqual(sorted(LINE.fullmatch(line)[1] for line in lines), ["err 1", "out 1", "out 2"])
        only = self.lines("output", {"pid": started["pid"], "stream": "stderr", "lines": 50}, 1)
        self.assertEqual([LINE.fullmatch(line)[1] for line in only], ["err 1"])
        last = self.client.tool("output", {"pid": started["pid"], "stream": "stdout", "lines": 1})
        self.assertEqual([LINE.fullmatch(line)[1] for line in last["output"]], ["out 2"])
        self.assertEqual((last["lines_before"], last["lines_after"]), (1, 0))
        # From the time of a line on, that line is there; before it, it is not.
        first = lines[0].split(" ")[0]
        self.assertIn(lines[0], self.client.tool("output", {"pid": started["pid"], "since_time": first})["output"])
        self.assertEqual(self.client.tool("output", {"pid": started["pid"], "before_time": first})["output"], [])
        self.assertIn("out 1\n", pathlib.Path(started["log_combined"]).read_text())

        restarted = self.client.tool("ctrl", {"action": "restart", "pid": started["pid"]})
        self.assertIsNone(restarted["error"])
        self.assertNotEqual(restarted["pid"], started["pid"])
        self.assertEqual(restarted["exit_code"], -15)
        harness.eventually("the old one is gone", lambda: not harness.is_alive(started["pid"]))
        self.assertEqual(self.client.tool("ctrl", {"action": "stop", "pid": started["pid"]})["pid"], None)
        stopped = self.client.tool("ctrl", {"action": "stop", "command_or_label": "web-server", "force": True})
        self.assertEqual((stopped["pid"], stopped["exit_code"]), (restarted["pid"], -9))
        self.assertEqual(self.client.tool("list", {})["processes"][0]["status"], "terminated")

    def test_the_first_generation(self):
        command = f'{sys.executable} -u -c "{TALKS}"'
        arguments = {"command": command, "working_directory": self.work, "environment": dict(os.environ, PP_COMPAT="1")}
        started = self.client.tool("start_process", arguments)
        self.assertEqual(list(started), RESULTS["first"])
        self.assertTrue(harness.is_alive(started["pid"]))
        # What its `run` did: who is running already is found in the error.
        again = self.client.tool("start_process", arguments)
        self.assertEqual(list(again), ["error"])
        self.assertIn("is already running", again["error"])
        self.assertEqual(int(re.search(r"PID (\d+)", again["error"])[1]), started["pid"])

        listed = self.client.tool("list_processes", {})
        self.assertEqual([(p["pid"], p["status"]) for p in listed], [(started["pid"], "running")])
        # Its `run` finds a restarted one by the words it has joined, and a later time.
        self.assertEqual(shlex.split(listed[0]["command"]), shlex.split(command))
        status = self.client.tool("get_process_status", {"pid": started["pid"]})
        self.assertEqual(status, listed[0])
        self.assertEqual((status["status"], status["working_directory"]), ("running", self.work))
        self.assertEqual(self.client.tool("get_process_status", {"pid": 1}), {"error": "PID 1 not found"})

        wanted = {"pid": started["pid"], "stream": "combined"}
        lines = harness.eventually(
            "three lines", lambda: (lambda got: got if len(got) == 3 else None)(self.first_output(wanted))
        )
        self.assertEqual(sorted(LINE.fullmatch(line)[1] for line in lines), ["err 1", "out 1", "out 2"])
        self.assertEqual(len(self.first_output(dict(wanted, lines=1))), 1)
        text = self.client.text("get_process_log_paths", {"pid": started["pid"]})
        self.assertNotIn("error", text)  # as its client asks
        self.assertEqual(list(json.loads(text)), RESULTS["get_process_log_paths"])
        self.assertIn("out 1\n", pathlib.Path(json.loads(text)["combined"]).read_text())

        restarted = self.client.tool("restart_process", {"pid": started["pid"]})
        self.assertEqual(list(restarted), RESULTS["first"])
        self.assertTrue(harness.is_alive(restarted["pid"]))
        self.assertGreater(restarted["start_time"], started["start_time"])
        stopped = self.client.tool("stop_process", {"pid": restarted["pid"], "force": False})
        self.assertEqual((list(stopped), stopped["exit_code"]), (RESULTS["first"], -15))
        self.assertFalse(harness.is_alive(restarted["pid"]))
        # Its output is still asked for by its PID.
        self.assertEqual(self.client.tool("get_process_status", {"pid": restarted["pid"]})["status"], "terminated")

    def first_output(self, arguments):
        lines = self.client.tool("get_process_output", arguments)
        self.assertIsInstance(lines, list)
        return lines

    def test_the_names_between_them(self):
        arguments = {"command": "sleep 600", "working_directory": self.work, "label": "s"}
        started = self.client.tool("start", arguments)
        self.assertEqual((list(started), started["label"], started["error"]), (RESULTS["start"], "s", None))
        again = self.client.tool("start", arguments)
        self.assertEqual(again["error"], f"Process with label 's' already running with PID {started['pid']}.")
        self.assertEqual((list(again), again["pid"]), (RESULTS["start"], None))
        status = self.client.tool("status", {"command_or_label": "s"})
        self.assertEqual(list(status), RESULTS["status"])
        self.assertEqual((status["command"], status["status"], status["error"]), (["sleep", "600"], "running", None))
        paths = self.client.tool("get_log_paths", {"pid": started["pid"]})
        self.assertEqual(list(paths), RESULTS["get_log_paths"])
        self.assertEqual(paths["stdout"], started["log_stdout"])
        self.assertEqual(list(self.client.tool("output", {"pid": started["pid"]})), RESULTS["output"])
        self.assertEqual(list(self.client.tool("list", {})), RESULTS["list"])
        restarted = self.client.tool("restart", {"label": "s"})
        self.assertEqual((list(restarted), restarted["error"]), (RESULTS["restart"], None))
        self.assertNotEqual(restarted["pid"], started["pid"])
        stopped = self.client.tool("stop", {"command_or_label": "sleep 600", "working_directory": self.work})
        self.assertEqual(stopped, {"exit_code": -15, "error": None})
        elsewhere = {"command_or_label": "sleep 600", "working_directory": "/usr"}
        self.assertRegex(self.client.tool("stop", elsewhere)["error"], 'no process is "sleep 600" in /usr; elsewhere: p')

    def test_a_label_that_is_taken_is_told_with_the_pid(self):
        first = self.client.tool("start", {"command": "sleep 600", "working_directory": self.work, "label": "s"})
        for tool, key, more in (("start", "command", {}), ("ctrl", "command_or_label", {"action": "start"})):
            with self.subTest(tool):
                other = {key: "sleep 601", "working_directory": "/", "label": "s", **more}
                self.assertEqual(
                    self.client.tool(tool, other)["error"],
                    f"Process with label 's' already running with PID {first['pid']}.",
                )

    def test_an_empty_label_is_none(self):
        started = self.client.tool(
            "ctrl", {"action": "start", "command_or_label": "sleep 600", "working_directory": self.work, "label": ""}
        )
        self.assertEqual((started["label"], started["error"]), (f"sleep 600 in {self.work}", None))
        stopped = self.client.tool("ctrl", {"action": "stop", "command_or_label": "sleep 600", "label": ""})
        self.assertEqual((stopped["pid"], stopped["error"]), (started["pid"], None))

    def test_no_failure_is_an_error_of_the_call(self):
        # Its client raises on one, and shows what it was told in `error`.
        for tool, arguments in (
            ("ctrl", {"action": "start", "command_or_label": "sleep 1"}),
            ("ctrl", {"action": "fly"}),
            ("ctrl", {}),
            ("start", {"command": "no-such-program-anywhere", "working_directory": self.work}),
            ("start", {"command": "sleep 1", "working_directory": "/no/such/directory"}),
            ("start", {}),
            ("stop", {"pid": 1}),
            ("restart", {"label": "nobody"}),
            ("list", {"pid": "x"}),
            ("output", {"pid": 1}),
            ("output", {"pid": 1, "since_time": "noon"}),
            ("status", {}),
            ("get_log_paths", {"pid": 1}),
            ("start_process", {"command": "no-such-program-anywhere", "working_directory": self.work}),
            ("start_process", {"command": "sleep 1", "working_directory": "/no/such/directory"}),
            ("stop_process", {"pid": 1}),
            ("restart_process", {"pid": 1}),
            ("get_process_status", {"pid": 1}),
            ("get_process_output", {"pid": 1, "stream": "combined"}),
            ("get_process_output", {"pid": 1, "stream": "both"}),
            ("get_process_log_paths", {"pid": 1}),
        ):
            with self.subTest(tool, arguments=arguments):
                self.assertTrue(self.client.tool(tool, arguments)["error"])
        self.assertEqual(self.client.tool("list", {}), {"processes": []})

    def test_what_the_bridge_starts_has_the_environment_of_its_agent(self):
        self.place.environment["OF_THE_AGENT"] = "yes"
        bridge = Bridge(self)
        bridge.initialize()
        for tool, arguments in (
            ("start", {"command": "sleep 601"}),
            ("ctrl", {"command_or_label": "sleep 602", "action": "start"}),
            ("start_process", {"command": "sleep 603"}),
        ):
            with self.subTest(tool):
                result = bridge.result(bridge.call(tool, working_directory=self.work, **arguments))
                pid = json.loads(result["content"][0]["text"])["pid"]
                environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                self.assertIn(b"OF_THE_AGENT=yes", environment)
        stopped = bridge.result(bridge.call("ctrl", action="stop", command_or_label="sleep 602"))
        self.assertIsNone(json.loads(stopped["content"][0]["text"])["error"])

    def test_our_own_client_and_agents_that_ask_our_way_notice_nothing(self):
        view = self.start("web", ["sleep", "600"])
        self.assertEqual(self.view("web")["pid"], view["pid"])
        agent = self.mcp()
        answer = agent.call("list_processes", process="web")
        self.assertIn('p1 "web" running', answer.text)
        self.assertEqual(answer.structured["processes"][0]["id"], "p1")
        self.assertEqual(agent.call("restart_process", process="web").structured["old_pid"], view["pid"])
        self.assertEqual(agent.call("stop_process", process="web").structured["state"], "stopped")
        self.assertTrue(agent.call("get_process_output", process="web").meta["next_cursor"])
        # Over its socket the list has no arguments, as theirs: who asks decides.
        self.assertEqual([(v["state"], v["pid"]) for v in self.views()], [("stopped", None)])

    def test_the_list_of_tools_stays_small(self):
        result = self.client.rpc("tools/list", {})["result"]
        self.assertLessEqual(len(json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()), 12 * 1024)
        names = [tool["name"] for tool in result["tools"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({*FIRST, *ONLY_THEIRS, "wait_for_process"}, set(names))
        for tool in result["tools"]:
            with self.subTest(tool["name"]):
                self.assertTrue(tool["title"] and tool["description"])
                self.assertEqual(len(set(tool["annotations"]) - {"title"}), 4)


class WithoutCompat(harness.TestCase):
    def test_nothing_of_it_is_there(self):
        client = PythonClient(self, self.daemon.port)
        for name in ONLY_THEIRS:
            with self.subTest(name):
                answer = client.rpc("tools/call", {"name": name, "arguments": {}})
                self.assertEqual(answer["error"]["code"], -32602)
        names = {tool["name"] for tool in client.rpc("tools/list", {})["result"]["tools"]}
        self.assertFalse(names & set(ONLY_THEIRS))
        result = client.rpc("tools/call", {"name": "stop_process", "arguments": {"pid": 1}})["result"]
        self.assertTrue(result["isError"])
        self.assertIn("pid: unknown argument (known: process,", result["content"][0]["text"])


class AskedFor(harness.TestCase):
    """Every way to ask for it reaches the daemon."""

    autostart = False

    def has_ctrl(self):
        client = PythonClient(self, int(self.place.environment["PERSISTPROC_PORT"]))
        return "ctrl" in {tool["name"] for tool in client.rpc("tools/list", {})["result"]["tools"]}

    def setUp(self):
        super().setUp()
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())

    def test_serve_with_the_flag(self):
        self.ok("serve", "--detach", "--compat")
        self.assertTrue(self.has_ctrl())

    def test_serve_in_the_foreground_with_the_flag(self):
        serving = self.background("serve", "--compat")
        harness.eventually("it serves", lambda: serving.process.poll() is not None or self.is_served())
        self.assertTrue(self.has_ctrl())
        self.ok("shutdown")

    def test_a_command_that_starts_the_daemon_with_the_variable(self):
        self.place.environment["PERSISTPROC_COMPAT"] = "1"
        self.ok("start", "--label", "s", "sleep", "600")
        self.assertTrue(self.has_ctrl())
        # It was meant for the daemon: the program does not inherit it.
        environment = pathlib.Path(f"/proc/{self.view('s')['pid']}/environ").read_bytes()
        self.assertNotIn(b"PERSISTPROC_COMPAT", environment)

    def test_the_daemon_itself_with_the_variable(self):
        self.place.environment["PERSISTPROC_COMPAT"] = "1"
        self.daemon.start()
        self.assertTrue(self.has_ctrl())

    def test_a_value_that_means_nothing_is_refused(self):
        self.place.environment["PERSISTPROC_COMPAT"] = "maybe"
        finished = self.cli("serve", "--detach")
        self.assertEqual(finished.code, 2, finished)
        self.assertOneLine(finished.err, "PERSISTPROC_COMPAT", "1 or 0")


if __name__ == "__main__":
    harness.main()
