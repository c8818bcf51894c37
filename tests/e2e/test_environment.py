"""What programs inherit: of the person's client and of the bridge their own environment, of the daemon a clean one."""
import pathlib
import pwd
import os
import unittest

import harness
from test_mcp_stdio import Bridge

# A secret of one project must not reach the programs of another.
SECRET = "SECRET_OF_THE_DAEMON"


class Environment(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.place.environment.update({SECRET: "hunter2", "LC_TIME": "C", "DISPLAY": ":7", "EDITOR": "vi"})
        self.daemon.start()
        self.place.environment.pop(SECRET)

    def variables_of(self, label):
        self.assertEqual(self.wait_exit(label).code, 0)
        lines = self.ok("output", label, "-n", "0").out.decode().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def test_agents_over_http_get_a_clean_base(self):
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

    def test_the_bridge_and_the_client_send_their_own(self):
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

    @unittest.skipUnless(
        pathlib.Path(pwd.getpwuid(os.geteuid()).pw_shell).name in ("sh", "bash", "dash"), "needs a POSIX login shell"
    )
    def test_their_path_is_that_of_a_login_shell(self):
        profile = 'echo noise; PATH="/opt/of the profile:$PATH"; export PATH; sleep 600 &\n'
        for name in (".profile", ".bash_profile"):
            pathlib.Path(self.place.environment["HOME"], name).write_text(profile)
        self.daemon.restart()
        agent = self.mcp()

        def path_is_known():
            agent.call("start_process", command=["/usr/bin/env"], working_directory="/", label="env")
            return self.variables_of("env")["PATH"].startswith("/opt/of the profile:")

        harness.eventually("the path of the login shell", path_is_known)

    def test_what_an_agent_over_http_says_of_an_environment_counts_for_nothing(self):
        agent = self.mcp()
        params = {
            "name": "start_process",
            "arguments": {"command": ["/usr/bin/env"], "working_directory": "/", "label": "env"},
            "_meta": {"persistproc/environment": ["FORGED=1"]},
        }
        self.assertFalse(agent.request("tools/call", params).get("isError"))
        self.assertNotIn("FORGED", self.variables_of("env"))


if __name__ == "__main__":
    harness.main()
