"""What the README tells to type, as it stands there. Other people's programs are stubs that record how they were called."""
import json
import pathlib
import re
import shlex
import signal
import subprocess
import sys

import harness

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
STUBS = ("npm", "claude", "codex", "gemini", "code", "loginctl")
# A dev server, called as npm is: it says that it is there, listens, and goes on.
NPM = """#!{python}
import os, socket, sys, time
assert sys.argv[1:] == ["run", "dev"], sys.argv
server = socket.create_server(("127.0.0.1", {port}))
print("ready on {port}", flush=True)
time.sleep(600)
"""
RECORDER = """#!/bin/sh
printf '%s' "$(basename "$0")" >> "{record}"
for each; do printf '\\t%s' "$each" >> "{record}"; done
printf '\\n' >> "{record}"
"""


def block(heading, language):
    """Lines of the first block of that language below a heading, without what is said beside them."""
    text = README.split(f"\n## {heading}\n", 1)[1]
    lines = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1].splitlines()
    return [re.sub(r"\s+# .*$", "", line) for line in lines]


class Readme(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.record = self.place.scratch / "calls"
        self.record.touch()
        stubs = self.place.scratch / "stubs"
        stubs.mkdir()
        self.app_port = harness.free_port()
        for name in STUBS:
            text = RECORDER.format(record=self.record)
            if name == "npm":
                text = NPM.format(python=sys.executable, port=self.app_port)
            (stubs / name).write_text(text)
            (stubs / name).chmod(0o755)
        self.place.environment["PATH"] = f"{harness.BIN}:{stubs}:{self.place.environment['PATH']}"
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())

    def calls(self):
        return [line.split("\t") for line in self.record.read_text().splitlines()]

    def typed(self, line):
        """A line of the README, with ports that are free here."""
        line = line.replace("3000", str(self.app_port)).replace("8947", self.place.environment["PERSISTPROC_PORT"])
        words = shlex.split(line)
        self.assertEqual(words[0], "persistproc", line)
        return words[1:]

    def test_two_minutes(self):
        first, interrupt, *rest = block("Two minutes", "sh")
        shown = self.background(*self.typed(first))
        shown.until_output(b"ready on")
        self.assertEqual(interrupt, "^C")
        shown.process.send_signal(signal.SIGINT)
        self.assertEqual(shown.process.wait(harness.PATIENCE), 0)
        follower = None
        for line in rest:
            words = self.typed(line)
            if "-f" in words:
                follower = self.background(*words)
                follower.until_output(b"ready on")
            else:
                self.ok(*words)
            if words[0] == "restart":
                # It is followed, with nothing twice.
                harness.eventually("the next run is shown", lambda: follower.out.count(b"ready on") == 2)
        self.assertEqual(self.view("web")["state"], "stopped")
        self.assertEqual(follower.process.wait(harness.PATIENCE), 0)
        self.assertEqual(follower.out.count(b"ready on"), 2)
        self.ok("shutdown")

    def test_add_it_to_your_agent(self):
        for line in block("Add it to your agent", "sh"):
            self.ok(*self.typed(line))
        home = pathlib.Path(self.place.environment["HOME"])
        url = f"http://127.0.0.1:{self.place.environment['PERSISTPROC_PORT']}/mcp"
        written = json.loads((home / ".claude.json").read_text())["mcpServers"]["persistproc"]
        self.assertEqual((written["command"], written["args"][0]), (str(harness.BIN / "persistproc"), "mcp"))
        by_hand = re.findall(r"^\| [^|]+ \| `((?:claude|codex|gemini|code) [^`]+)` \|$", README, re.MULTILINE)
        self.assertEqual(len(by_hand), 4)
        for command in by_hand:
            command = command.replace("8947", self.place.environment["PERSISTPROC_PORT"])
            subprocess.run(["sh", "-c", command], env=self.place.environment, check=True)
            words = shlex.split(command)
            self.assertEqual(self.calls()[-1], words)
            self.assertIn(url, " ".join(words))
        # `serve` prints the same, with its own port.
        self.ok("serve", "--detach", "-q")
        self.ok("shutdown")
        printed = self.ok("serve", "--detach").out.decode()
        for command in by_hand:
            self.assertIn(command.replace("8947", self.place.environment["PERSISTPROC_PORT"]), printed)
        self.ok("shutdown")

    def test_settings(self):
        home = pathlib.Path(self.place.environment["HOME"])
        text = re.search(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
        port = self.place.environment.pop("PERSISTPROC_PORT")
        file = home / ".config" / "persistproc" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(text.replace("8947", port))
        self.assertIn(f":{port}/mcp", self.ok("serve", "--detach").out.decode())
        self.ok("shutdown")
        # And with each key that stands beside as another.
        for table, key in re.findall(r"^\[(\w+)\]\n([\w-]+) = [^#\n]*# also: ", text, re.MULTILINE):
            also = re.search(rf"^\[{table}\]\n{key} = .*# also: (.*)$", text, re.MULTILINE)[1].split(", ")
            values = {"format": '"json"', "restart": '"always"', "grace": '"2s"', "stop-signal": '"INT"', "history": "5"}
            file.write_text(f"[{table}]\n" + "".join(f"{each} = {values.get(each, 'true')}\n" for each in also))
            self.ok("version")

    def test_what_stands_in_the_text_is_understood(self):
        for command in re.findall(r"`persistproc ((?!SUBCOMMAND|CMD|run |completion|setup CLIENT)[a-z][^`]*)`", README):
            words = shlex.split(command)
            help_text = self.ok(words[0], "--help").out.decode()
            for flag in (word for word in words[1:] if word.startswith("-")):
                self.assertRegex(help_text, rf"(^|[ ,]){re.escape(flag)}\b", command)


if __name__ == "__main__":
    harness.main()
