"""What every client pays for, and what nobody may see."""
import json
import pathlib

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
                text_heavy = name in ("get_process_output", "wait_for_process", "send_process_input")
                self.assertEqual("outputSchema" in tool, not text_heavy)

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
