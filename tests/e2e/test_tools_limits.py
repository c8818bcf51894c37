"""What every client pays for, and what nobody may see."""
import json
import pathlib
import re

import harness

SECRET = "correct-horse-battery-staple"


class Tools(harness.TestCase):
    def test_the_list_of_tools_is_small_and_complete(self):
        client = self.mcp()
        result = client.request("tools/list")
        self.assertLessEqual(len(json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()), 8192)
        # In 2026-07-28 the same carries more around it; what counts is what is sent.
        _, status, _, body = client.post_modern("tools/list")
        self.assertEqual(status, 200)
        self.assertLessEqual(len(body), 8192)
        self.assertEqual(json.loads(body)["result"]["tools"], result["tools"])
        tools = {t["name"]: t for t in result["tools"]}
        self.assertTrue(
            {
                "start_process",
                "stop_process",
                "restart_process",
                "list_processes",
                "get_process_output",
                "wait_for_process",
                "run_project",
            }
            <= set(tools),
            sorted(tools),
        )
        for name, tool in tools.items():
            with self.subTest(name):
                self.assertTrue(tool["title"] and tool["description"])
                self.assertEqual(
                    set(tool["annotations"]) - {"title"},
                    {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"},
                )
                self.assertEqual(tool["inputSchema"]["type"], "object")
                self.assertIs(tool["inputSchema"]["additionalProperties"], False)
                text_heavy = name in ("get_process_output", "wait_for_process", "run_project", "send_process_input")
                self.assertEqual("outputSchema" in tool, not text_heavy)

    def test_the_readme_names_every_tool_and_argument(self):
        readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
        table = readme.split("<!-- tools, from the program -->\n")[1].split("<!-- end -->")[0]
        told = {}
        for row in table.splitlines()[2:]:
            _, name, _, arguments, _ = row.split("|")
            told[name.strip(" `")] = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", arguments)))
        tools = self.mcp().request("tools/list")["tools"]
        self.assertEqual(told, {each["name"]: set(each["inputSchema"]["properties"]) for each in tools})

    def test_words_may_have_dashes(self):
        client = self.mcp()
        sleeper = ["sleep", "600"]
        started = client.call("start_process", command=sleeper, working_directory="/", restart="on-failure")
        self.assertTrue(started.structured["created"])
        self.assertEqual(client.call("list_processes", state="gave-up").structured, {"processes": []})

    def test_text_and_structure_say_the_same(self):
        self.start("web", ["sleep", "60"])
        client = self.mcp()
        answer = client.call("list_processes")
        view = answer.structured["processes"][0]
        for word in ("p1", "web", "running", str(view["pid"])):
            self.assertIn(word, answer.text)
        output = client.call("get_process_output", process="web")
        self.assertNotIn("structuredContent", output.result)
        self.assertTrue(output.meta["next_cursor"])

    def test_both_paths_serve(self):
        self.assertEqual(self.mcp(path="/mcp/").call("list_processes").structured, {"processes": []})


class Refusals(harness.TestCase):
    """What is refused is repeated in part, and shown as what it is."""

    LONG = "x\x7f\x9b31m\u202e\u2028\x1b" + "A" * 1_000_000

    def check(self, answer, *what):
        self.assertLess(len(answer), 2048, what)
        for hidden in "\x7f\x9b\u202e\u2028\x1b":
            self.assertNotIn(hidden, answer, what)
            self.assertNotIn(f"\\u{ord(hidden):04x}", answer, what)

    def call(self, client, tool, **arguments):
        status, _, body = client.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        )
        self.assertEqual(status, 200)
        self.check(body.decode(), tool, list(arguments))

    def test_no_tool_repeats_an_argument_at_length(self):
        client = self.mcp()
        self.start("web", ["sleep", "600"])
        needed = {"process": "web", "command": "sleep 1", "working_directory": str(self.place.work), "until": "exit"}
        free = {"pattern", "description"}  # any text is one
        for tool in client.request("tools/list")["tools"]:
            members = tool["inputSchema"]["properties"]
            given = {name: needed[name] for name in tool["inputSchema"].get("required", []) if name in needed}
            self.call(client, tool["name"], **given, **{self.LONG: 1})
            for name, schema in members.items():
                wrong = [[[self.LONG]], {self.LONG: {}}, {self.LONG: 1}]
                if schema.get("type") in ("number", "integer"):
                    wrong.append(self.LONG + "5")
                if name not in free and schema.get("type") != "boolean":
                    wrong.append(self.LONG)
                for each in wrong:
                    with self.subTest(tool=tool["name"], argument=name, kind=type(each).__name__):
                        self.call(client, tool["name"], **{**given, name: each})

    def test_no_other_method_does(self):
        client = self.mcp()
        for method, params in (
            ("resources/read", {"uri": "persistproc://" + self.LONG}),
            ("resources/subscribe", {"uri": self.LONG}),
            ("prompts/get", {"name": self.LONG}),
            ("tools/call", {"name": self.LONG}),
            ("tools/list", {"cursor": self.LONG}),
            ("resources/list", {"cursor": self.LONG}),
            ("completion/complete", {"ref": {"type": self.LONG}, "argument": {"name": "a", "value": "b"}}),
            (
                "completion/complete",
                {"ref": {"type": "ref/prompt", "name": self.LONG}, "argument": {"name": self.LONG, "value": "b"}},
            ),
            ("logging/setLevel", {"level": self.LONG}),
            ("prompts/get", {"name": "diagnose_process", "arguments": {self.LONG: "x", "process": self.LONG}}),
            (self.LONG, {}),
        ):
            with self.subTest(method[:30], params=list(params)):
                _, _, body = client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
                self.check(body.decode(), method[:30])

    def test_nor_does_the_command_line(self):
        self.start("web", ["sleep", "600"])
        long = "\u202ex" + "A" * 100_000
        for words in (
            ("audit", "--since", long),
            ("output", "web", "--since", long),
            ("output", "web", "-n", long),
            ("wait", "web", "--timeout", long),
            ("wait", "web", "--pattern", "(" * 100_000),
            ("stop", "web", "--grace", long),
            ("--port", long, "list"),
            ("serve", "--auth", long),
            ("start", "--env-file", long, "true"),
            ("start", "-e", long, "true"),
            ("start", "-C", "/" + long, "true"),
            ("start", "--restart", long, "true"),
            ("mcp", "--url", long),
            ("rename", "web", long),
            ("signal", long, "web"),
            ("setup", long),
            ("completion", long),
            ("list", long),
            ("list", "--" + long),
            (long,),
        ):
            with self.subTest(words[0][:20], flag=words[1][:20] if len(words) > 1 else ""):
                refused = self.cli(*words)
                self.assertNotEqual(refused.code, 0)
                self.check((refused.out + refused.err).decode(), words[0][:20])
        refused = self.cli("list", env={"PERSISTPROC_PORT": long})
        self.assertEqual(refused.code, 2)
        self.check(refused.err.decode())


class Secrets(harness.TestCase):
    def test_values_of_variables_appear_nowhere_but_in_the_spec(self):
        client = self.mcp()
        said = []
        for number, command in enumerate(("sleep 60", "no-such-program", "sh -c 'exit 3'")):
            answer = client.call(
                "start_process",
                command=command,
                working_directory=str(self.place.work),
                label=f"s{number}",
                environment={"API_KEY": SECRET},
            )
            said.append(json.dumps(answer.result))
        bad = client.call(
            "start_process", command="sleep 1", working_directory=str(self.place.work), environment={"A=B": SECRET}
        )
        said.append(json.dumps(bad.result))
        pair = f"K={SECRET}"
        for wrong in (pair, [pair], {pair: "1"}, {pair: 1}, {"K": [SECRET]}, {f"={SECRET}": "1"}):
            bad = client.call(
                "start_process", command="sleep 1", working_directory=str(self.place.work), environment=wrong
            )
            self.assertTrue(bad.is_error)
            said.append(json.dumps(bad.result))
        self.ok("start", "--label", "c", "-e", f"TOKEN={SECRET}", "--", "sleep", "60")
        said.append(json.dumps(client.call("list_processes").result))
        for arguments in (
            ["list"],
            ["list", "--json"],
            ["status", "s0"],
            ["status", "s0", "--json"],
            ["status", "c", "--json"],
        ):
            finished = self.cli(*arguments)
            said.append((finished.out + finished.err).decode(errors="replace"))
        self.daemon.restart()
        said.append(json.dumps(self.mcp().call("list_processes").result))
        said.append(self.daemon.log())
        for text in said:
            self.assertNotIn(SECRET, text)
        holders = {
            p.name
            for p in pathlib.Path(self.place.data).rglob("*")
            if p.is_file() and SECRET.encode() in p.read_bytes()
        }
        self.assertEqual(holders, {"spec"})
        for path in pathlib.Path(self.place.data).rglob("spec"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_modes_of_the_data_directory(self):
        self.assertEqual(self.place.data.stat().st_mode & 0o777, 0o700)
        token = self.place.data / "token"
        if token.exists():
            self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        for path in self.place.root.rglob("*.sock"):
            self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700, path)


if __name__ == "__main__":
    harness.main()
