"""Projects before anything of them runs: what their files say, who may start them, and which ports are theirs."""
import os
import pathlib
import signal
import subprocess
import sys

import harness

SHOP = """
[process.db]
run = "postgres -D .pg -p ${db.port}"
port = "auto"
ready = { command = "pg_isready -q" }
[process.api]
run = ["node", "server.js"]
port = { http = "auto", admin = "auto" }
ready = "http://localhost:${api.port.http}/healthz"
depends_on = ["db"]
env = { TOKEN = "hunter2" }
"""

HOSTILE = {
    "persistproc.toml": '[process.a]\nrun = "touch {0}/ran"\nready = {{ command = "touch {0}/ran" }}\n',
    "process-compose.yaml": 'processes:\n  a:\n    command: touch {0}/ran\n',
    "Procfile.dev": "a: touch {0}/ran\n",
    "Procfile": "a: touch {0}/ran\n",
    ".claude/launch.json": '{{"configurations":[{{"name":"a","runtimeExecutable":"touch","runtimeArgs":["{0}/ran"]}}]}}',
    "package.json": '{{"scripts":{{"dev":"touch {0}/ran"}}}}',
    ".env": "A=$(touch {0}/ran)\n",
}


class Check(harness.TestCase):
    def setUp(self):
        super().setUp()
        (self.place.work / ".git").mkdir()

    def write(self, name, text):
        path = self.place.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test_it_shows_what_a_project_comes_to(self):
        self.write("persistproc.toml", SHOP)
        shown = self.ok("check").out.decode()
        self.assertTrue(shown.startswith(f"work ({self.place.work}/persistproc.toml)\n"), shown)
        self.assertLess(shown.index("\ndb\n"), shown.index("\napi\n"))
        for line in ("  run      node server.js\n", "  after    db: ready\n", "  ready    pg_isready -q\n", " (auto; proposed: not booked yet)\n",
                     "  sets     PORT_ADMIN, PORT_HTTP, TOKEN\n", "agents may not start it: persistproc allow"):
            self.assertIn(line, shown)
        self.assertNotIn("hunter2", shown)
        self.assertEqual(shown.count("; proposed: not booked yet)"), 3, shown)
        whole = self.ok("check", "--json").json()
        self.assertEqual([each["name"] for each in whole["processes"]], ["db", "api"])
        self.assertIn(f"\ndigest {whole['digest']}\n", shown)
        self.assertEqual(len({each["number"] for each in whole["ports"]}), 3)
        # From below, by its directory and by its name.
        (self.place.work / "src").mkdir()
        for arguments, cwd in (((), "src"), (("..",), "src"), (("../persistproc.toml",), "src"),
                               (("-C", "src"), "."), (("--file", "persistproc.toml"), ".")):
            self.assertEqual(self.ok("check", *arguments, "--json", cwd=self.place.work / cwd).json(), whole, arguments)

    def test_what_is_wrong_stands_at_its_place(self):
        file = self.write("persistproc.toml", "[process.a]\nrun = 'x'\nreadiness = 3000\ntrust = true\n"
                                              "[process.b]\nrun = 'y'\ndepends_on = ['c']\n"
                                              "[process.c]\nrun = 'z'\ndepends_on = ['b']\n")
        wrong = self.cli("check")
        self.assertEqual((wrong.code, wrong.out), (2, b""), wrong)
        self.assertIn(f"{file}:3:1: process.a.readiness: no such key; nearest: ready", wrong.err.decode())
        self.assertIn(f"{file}:4:1: process.a.trust: no such key", wrong.err.decode())
        self.assertIn("b -> c -> b", wrong.err.decode())
        as_json = self.cli("check", "--json")
        self.assertEqual((as_json.code, len(as_json.json()["problems"])), (2, 3))
        self.write("persistproc.toml", "[process.a\n")
        self.assertIn(f"{file}:1:", self.cli("check").err.decode())
        file.unlink()
        for command in (["check"], ["allow"], ["revoke"], ["up"], ["down"], ["port", "api"]):
            none = self.cli(*command)
            self.assertEqual(none.code, 2, command)
            self.assertOneLine(none.err, "no persistproc.toml in", "persistproc init")

    def test_a_hostile_working_copy_runs_and_writes_nothing(self):
        for name, text in HOSTILE.items():
            self.write(name, text.format(self.place.work))
        def listing():
            return sorted(str(each) for each in self.place.work.rglob("*"))

        before = listing()
        for name in HOSTILE:
            if name == ".env":
                continue
            self.assertEqual(self.ok("check", name, "--json").json()["problems"], [], name)
        for arguments in (("list",), ("list", "--json"), ("status",), ("doctor",), ("completion", "bash"), ("check",),
                          ("__complete", "--", "up", "")):
            self.cli(*arguments)
        agent = self.mcp()
        agent.call("list_processes", working_directory=str(self.place.work))
        self.assertEqual(self.views(), [])
        self.assertEqual(listing(), before)

    def test_files_of_others_are_not_believed(self):
        self.write("persistproc.toml", SHOP)
        deep = self.write("src/persistproc.toml", "[process.evil]\nrun = 'x'\n")
        deep.chmod(0o666)
        passed = self.ok("check", cwd=deep.parent)
        self.assertIn(f"not read: {deep} may be written by everybody", passed.err.decode())
        self.assertNotIn(b"evil", passed.out)
        self.assertIn("may be written by everybody", self.cli("check", str(deep)).err.decode())

    def test_ports_stay_with_a_project(self):
        self.write("persistproc.toml", SHOP)
        number = self.ok("port", "db").out
        self.assertRegex(number.decode(), r"^2[0-9]{4}\n$")
        self.assertEqual(self.ok("port", "api").out.decode().split()[::2], ["http", "admin"])
        self.assertEqual(self.ok("port", "api", "http").out.split()[0], self.ok("port", "api").out.split()[1])
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.ok("port", "db").out, number)
        for arguments, words in ((("port", "dbb"), "nearest: db"), (("port", "api", "x"), 'api has no port "x"')):
            refused = self.cli(*arguments)
            self.assertEqual(refused.code, 2)
            self.assertOneLine(refused.err, words)

    def test_who_has_no_port_is_told_by_its_name(self):
        self.write("persistproc.toml", "[process.worker]\nrun = 'sleep 3600'\n")
        self.ok("up")
        refused = self.cli("port", "worker")
        self.assertEqual(refused.code, 2)
        self.assertOneLine(refused.err, "worker has no port; persistproc status p1")

    def test_the_port_of_a_process_that_no_file_defines_is_told(self):
        self.start("api", ["sleep", "600"])
        refused = self.cli("port", "api")
        self.assertEqual((refused.code, refused.out), (2, b""), refused)
        self.assertOneLine(refused.err, "no persistproc.toml in", "persistproc status p1 shows p1 (api)")
        program = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(600)"
        self.start("web", [sys.executable, "-c", program])
        (port,) = harness.eventually("it listens", lambda: self.view("web")["ports"])
        self.assertOneLine(self.cli("port", "web").err, f"p2 (web) listens on port {port}; ", "no persistproc.toml in")

    def test_a_person_allows_and_an_agent_does_not(self):
        file = self.write("persistproc.toml", SHOP)
        shown = self.ok("allow").out.decode()
        self.assertIn("agents may start it as it is", shown)
        self.assertNotIn("not booked", shown)
        self.assertEqual(self.ok("check").out.decode(), shown)
        self.assertRegex(self.ok("audit").out.decode(), f" allow {file}\n")
        self.write("persistproc.toml", SHOP + "#\n")
        self.assertIn("agents may not start it", self.ok("check").out.decode())
        self.ok("allow")
        file.unlink()
        self.assertIn("is not allowed any more", self.ok("revoke").out.decode())
        agent = self.mcp()
        names = [each["name"] for each in agent.request("tools/list")["tools"]]
        for tool in ("allow_project", "revoke_project", "check_project", "book_port"):
            self.assertNotIn(tool, names)
            with self.assertRaises(harness.McpError):
                agent.call(tool, directory=str(self.place.work))

    def test_no_program_that_runs_here_gives_consent(self):
        self.write("persistproc.toml", SHOP)
        agent = self.mcp()
        own = "env -i PERSISTPROC_DATA_DIR=$PERSISTPROC_DATA_DIR PERSISTPROC_PORT=$PERSISTPROC_PORT "
        # As it is, without the run's mark, and as an orphan in a session of its own.
        for before, words in (("", "allow"), (own, "allow"), ("setsid -f " + own, "allow"), (own, "up")):
            command = f"{before}{harness.BIN / 'persistproc'} {words} 2>&1; exec sleep 600"
            agent.call("start_process", command=["sh", "-c", command], working_directory=str(self.place.work), label="evil")
            harness.eventually("its refusal", lambda: b"consent is a person's" in self.ok("output", "evil").out)
            self.ok("rm", "-f", "evil")
        self.assertIn("agents may not start it", self.ok("check").out.decode())
        self.assertIn("agents may start it", self.ok("allow").out.decode())

    def test_nor_does_a_command_of_a_check_or_what_is_left_without_a_keeper(self):
        self.write("persistproc.toml", SHOP)
        script, go, said = (self.place.root / name for name in ("later.sh", "go", "said"))
        script.write_text(f"until test -e {go}; do sleep 0.1; done\n"
                          f"{harness.BIN / 'persistproc'} allow {self.place.work} >{said}.new 2>&1; mv {said}.new {said}\n")
        shed = "setsid env -i PERSISTPROC_DATA_DIR=$PERSISTPROC_DATA_DIR PERSISTPROC_PORT=$PERSISTPROC_PORT sh"
        agent = self.mcp()

        def start(command, **options):
            go.unlink(missing_ok=True)
            agent.call("start_process", command=["sh", "-c", command], working_directory=str(self.place.work), label="evil", **options)
            return int(pathlib.Path(f"/proc/{self.view('evil')['pid']}/stat").read_text().rpartition(")")[2].split()[1])

        def assert_refused():
            go.touch()
            harness.eventually("its refusal", lambda: said.exists() and b"consent is a person's" in said.read_bytes())
            said.unlink()
            self.ok("rm", "-f", "evil")

        start("exec sleep 600", ready={"command": ["sh", str(script)]})
        assert_refused()
        left = f"{shed} {script} </dev/null >/dev/null 2>&1 & exec sleep 600"
        # The next above it is the daemon,
        os.kill(start(left), signal.SIGKILL)
        assert_refused()
        # and where that has died, too, nobody of ours.
        keeper = start(left)
        self.daemon.kill()
        os.kill(keeper, signal.SIGKILL)
        self.daemon.start()
        assert_refused()
        self.assertIn("agents may not start it", self.ok("check").out.decode())

    def test_a_file_is_written_to_begin_with(self):
        self.write("Procfile", "web: node server.js -p $PORT\n")
        # A disk that is full leaves nothing.
        full = subprocess.run(
            ["bash", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$0" init', harness.BIN / "persistproc"],
            env=self.place.environment, cwd=self.place.work, stdin=subprocess.DEVNULL, capture_output=True,
        )
        self.assertEqual(full.returncode, 1, full)
        written = self.ok("init")
        self.assertIn(f"{self.place.work}/persistproc.toml is written, from {self.place.work}/Procfile", written.out.decode())
        from_procfile = self.ok("check", "Procfile", "--json").json()
        ours = self.ok("check", "--json").json()
        self.assertEqual(ours["processes"], from_procfile["processes"])
        again = self.cli("init")
        self.assertEqual(again.code, 1)
        self.assertOneLine(again.err, "is there already")
        self.assertEqual(self.ok("init", "--json", "home", cwd=self.place.root).json(),
                         {"file": f"{self.place.root}/home/persistproc.toml", "from": None})
        self.assertEqual([each["name"] for each in self.ok("check", "home", "--json", cwd=self.place.root).json()["processes"]],
                         ["web"])
        self.write("deep/Procfile", "web: x\nweb: y\n")
        wrong = self.cli("init", "deep")
        self.assertEqual(wrong.code, 2)
        self.assertOneLine(wrong.err, "deep/Procfile:2:1")
        self.assertFalse((self.place.work / "deep/persistproc.toml").exists())

        self.write("bare/package.json", '{"scripts": {"all": "x"}}')
        bare = self.ok("init", "bare")
        self.assertIn("package.json:1:14: scripts.all: left out:", bare.err.decode())
        self.ok("check", "bare")


class WithoutDaemon(harness.TestCase):
    autostart = False

    def test_none_is_started_where_there_is_no_project(self):
        self.addCleanup(self.cli, "shutdown")
        for arguments in (("up",), ("up", "--dry-run"), ("down",), ("down", "web"), ("down", "--file", "/no/persistproc.toml"), ("check",), ("allow",), ("revoke",), ("port", "web"), ("check", "persistproc.toml")):
            refused = self.cli(*arguments)
            self.assertEqual(refused.code, 2, arguments)
            self.assertOneLine(refused.err, "persistproc.toml")
        self.assertIn("persistproc.toml", self.cli("down", "--json").json()["error"]["message"])
        self.ok("init")
        self.assertOneLine(self.ok("down").err, "no processes yet")
        self.assertEqual(self.ok("down", "--json").json()["processes"], [])
        self.assertIn("was not allowed", self.ok("revoke").out.decode())
        self.assertEqual(list(self.place.data.rglob("*.sock")), [])
        self.assertFalse((self.place.data / "daemon.lock").exists())

    def test_who_only_looks_is_told_that_a_daemon_was_started(self):
        (self.place.work / "persistproc.toml").write_text("[process.a]\nrun = 'x'\n")
        self.addCleanup(self.cli, "shutdown")
        self.assertOneLine(self.ok("check").err, "it was started")
        self.assertEqual(self.ok("check").err, b"")


if __name__ == "__main__":
    harness.main()
