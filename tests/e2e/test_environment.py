"""What programs inherit: of the person's client and of the bridge their own environment, of the daemon a clean one."""
import json
import os
import pathlib
import resource
import pwd
import time
import unittest

import harness
from test_mcp_stdio import Bridge

# A secret of one project must not reach the programs of another.
SECRET = "SECRET_OF_THE_DAEMON"


needs_posix_login_shell = unittest.skipUnless(
    pathlib.Path(pwd.getpwuid(os.geteuid()).pw_shell).name in ("sh", "bash", "dash"), "needs a POSIX login shell"
)


class Environment(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.place.environment.update({"LC_TIME": "C", "DISPLAY": ":7", "EDITOR": "vi"})

    def start_with_secret(self):
        # The loader and the allocator know none of these names.
        secret = dict.fromkeys((SECRET, "LD_FOO", "MALLOC_X", "MY_SAN_OPTIONS"), "hunter2")
        self.place.environment.update(secret)
        self.daemon.start()
        for name in secret:
            self.place.environment.pop(name)

    def variables_of(self, label):
        self.assertEqual(self.wait_exit(label).code, 0)
        lines = self.ok("output", label, "-n", "0").out.decode().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def test_agents_over_http_get_a_clean_base(self):
        self.start_with_secret()
        answer = self.mcp().call(
            "start_process", command=["/usr/bin/env"], working_directory="/", label="env", environment={"OWN": "1"}
        )
        self.assertFalse(answer.is_error, answer.text)
        found = self.variables_of("env")
        self.assertNotIn(SECRET, found)
        self.assertNotIn("EDITOR", found)
        self.assertEqual((found["OWN"], found["LC_TIME"], found["DISPLAY"]), ("1", "C", ":7"))
        self.assertEqual(found["HOME"], self.place.environment["HOME"])
        self.assertIn("PATH", found)
        # Any program of this user may read it there.
        kept = pathlib.Path(f"/proc/{self.daemon.process.pid}/environ").read_bytes()
        self.assertNotIn(SECRET.encode(), kept)
        self.assertNotIn(b"hunter2", kept)
        self.assertIn(b"DISPLAY=:7", kept)

    def test_the_bridge_and_the_client_send_their_own(self):
        self.start_with_secret()
        self.place.environment["OF_THE_AGENT"] = "yes"
        bridge = Bridge(self)
        bridge.initialize()
        started = bridge.result(bridge.call("start_process", command=["/usr/bin/env"], working_directory="/", label="b"))
        self.assertFalse(started.get("isError"), started)
        modern = bridge.call("start_process", True, command=["/usr/bin/env"], working_directory="/", label="m")
        self.assertFalse(bridge.result(modern).get("isError"))
        self.ok("start", "--label", "c", "/usr/bin/env")
        for label in ("b", "m", "c"):
            found = self.variables_of(label)
            self.assertEqual(found.get("OF_THE_AGENT"), "yes", label)
            self.assertNotIn(SECRET, found)
        self.assertNotIn("hunter2", (self.place.root / "daemon.stderr").read_text())

    def test_a_client_within_a_program_finds_its_daemon(self):
        self.daemon.start()
        client = str(harness.BIN / "persistproc")
        for label, environment in (("http", {}), ("own", {"PERSISTPROC_PORT": "1"})):
            self.mcp().call("start_process", command=["sh", "-c", f"{client} list -q; env"], working_directory="/",
                            label=label, environment=environment)
            found = self.variables_of(label)
            self.assertEqual(found["PERSISTPROC_DATA_DIR"], str(self.place.data))
            self.assertEqual(found["PERSISTPROC_PORT"], environment.get("PERSISTPROC_PORT", str(self.daemon.port)))
            self.assertEqual({name for name in found if name.startswith("PERSISTPROC_")},
                             {"PERSISTPROC_DATA_DIR", "PERSISTPROC_PORT"})
        self.assertIn("p1", self.ok("output", "http", "-n", "0").out.decode().split())
        # The next daemon has another port.
        self.daemon.kill()
        self.daemon.port = 0
        self.daemon.start()
        self.ok("restart", "http")
        self.assertEqual(self.variables_of("http")["PERSISTPROC_PORT"], str(self.daemon.port))

    def test_soft_limits_and_umask_of_who_started_the_daemon_do_not_stay(self):
        low = {resource.RLIMIT_NOFILE: 64, resource.RLIMIT_CPU: 1000, resource.RLIMIT_FSIZE: 1 << 20,
               resource.RLIMIT_STACK: 1 << 20}
        before = {each: resource.getrlimit(each) for each in low}
        umask = os.umask(0o077)
        try:
            for each, soft in low.items():
                resource.setrlimit(each, (soft, before[each][1]))
            self.daemon.start()
        finally:
            os.umask(umask)
            for each, limits in before.items():
                resource.setrlimit(each, limits)
        for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
            self.assertEqual(resource.prlimit(self.daemon.process.pid, each), (before[each][1],) * 2)
        command = ["sh", "-c", "umask; ulimit -Sn; ulimit -St; ulimit -Sf; ulimit -Ss; ulimit -Hn"]
        self.mcp().call("start_process", command=command, working_directory="/", label="limits")
        self.assertEqual(self.wait_exit("limits").code, 0)
        shown = self.ok("output", "limits", "-n", "0").out.decode().split()
        shown = [shown[0], *(text if text == "unlimited" else int(text) for text in shown[1:])]
        unlimited = lambda each: "unlimited" if before[each][1] == resource.RLIM_INFINITY else before[each][1]
        self.assertEqual(shown[:2], ["0022", 1024])
        self.assertEqual(shown[2], unlimited(resource.RLIMIT_CPU))
        self.assertGreater(10**18 if shown[3] == "unlimited" else shown[3], 1 << 11)
        self.assertEqual(shown[4:], [8 << 10, unlimited(resource.RLIMIT_NOFILE)])
        # A person's client sends its own.
        self.ok("start", "--label", "own", "sh", "-c", "ulimit -Sn")
        self.assertEqual(self.wait_exit("own").code, 0)
        self.assertEqual(int(self.ok("output", "own", "-n", "0").out), before[resource.RLIMIT_NOFILE][0])

    def write_profile(self, text):
        for name in (".profile", ".bash_profile"):
            pathlib.Path(self.place.environment["HOME"], name).write_text(text)

    @needs_posix_login_shell
    def test_a_profile_that_hangs_keeps_no_daemon_from_leaving(self):
        began = self.place.scratch / "began"
        self.write_profile(f"touch {began}; sleep 600\n")
        self.daemon.start()
        harness.eventually("the profile runs", began.exists)
        asked = time.monotonic()
        self.ok("shutdown")
        self.daemon.process.wait(harness.PATIENCE)
        # Without being told it would look for two seconds.
        self.assertLess(time.monotonic() - asked, 1.5)

    @needs_posix_login_shell
    def test_a_profile_that_takes_too_long_gives_back_what_it_has_locked(self):
        lock = self.place.scratch / "lock"
        self.write_profile(f"trap 'rm -f {lock}; exit 1' TERM; touch {lock}; while :; do sleep 0.05; done\n")
        self.daemon.start()
        harness.eventually("the profile runs", lock.exists)
        harness.eventually("it has given its lock back", lambda: not lock.exists())

    @needs_posix_login_shell
    def test_their_path_is_that_of_a_login_shell(self):
        self.write_profile('echo noise; PATH="/opt/of the profile:$PATH"; export PATH; sleep 600 &\n')
        self.daemon.start()
        agent = self.mcp()

        def path_is_known():
            agent.call("start_process", command=["/usr/bin/env"], working_directory="/", label="env")
            return self.variables_of("env")["PATH"].startswith("/opt/of the profile:")

        harness.eventually("the path of the login shell", path_is_known)

    @needs_posix_login_shell
    def test_doctor_says_that_the_login_shell_tells_no_path(self):
        self.write_profile("exit\n")
        self.daemon.start()
        harness.eventually("doctor says so", lambda: b"tells no PATH" in self.cli("doctor").out)

    def test_what_an_agent_over_http_says_of_an_environment_counts_for_nothing(self):
        self.daemon.start()
        agent = self.mcp()
        params = {
            "name": "start_process",
            "arguments": {"command": ["/usr/bin/env"], "working_directory": "/", "label": "env"},
            "_meta": {"persistproc/environment": ["FORGED=1"]},
        }
        self.assertFalse(agent.request("tools/call", params).get("isError"))
        self.assertNotIn("FORGED", self.variables_of("env"))

    def test_values_stand_in_the_spec_alone(self):
        self.daemon.start()
        value = "hunter2-in-no-other-place"
        program = harness.python("import time; print('up'); time.sleep(600)")
        shown = []
        for flags in ((), ("--json",)):
            self.place.environment["INHERITED"] = value
            shown.append(self.ok("start", "--label", "own", "--fresh", "-e", f"SECRET={value}", *flags, *program))
            self.place.environment.pop("INHERITED")
        agent = self.mcp()
        given = {"command": program, "working_directory": "/", "label": "agents", "environment": {"SECRET": value}}
        answers = [agent.call("start_process", **given)]
        # Refusals repeat what was wrong, and not what was given.
        answers.append(agent.call("start_process", **given, **{"if_running": "error"}))
        answers.append(agent.call("start_process", **{**given, "label": "x", "environment": {"A=B": value}}))
        shown.append(self.cli("start", "-e", f"=={value}", "true"))
        for tool in ("restart_process", "get_process_output", "list_processes", "stop_process"):
            answers.append(agent.call(tool, process="agents"))
        for words in (("list",), ("status", "all"), ("audit",), ("doctor",), ("stop", "own"), ("start", "own")):
            shown += [self.cli(*words), self.cli(*words, "--json")]
        self.daemon.restart()
        shown += [self.cli("list"), self.cli("audit", "--json"), self.cli("stop", "all")]
        for each in answers:
            self.assertNotIn(value, json.dumps(each.result))
        for each in shown:
            self.assertNotIn(value.encode(), each.out + each.err)
        found = {
            path.name
            for path in self.place.root.rglob("*")
            if path.is_file() and not path.is_symlink() and value.encode() in path.read_bytes()
        }
        self.assertEqual(found, {"spec"})


if __name__ == "__main__":
    harness.main()
