"""When a process is ready and whether it is healthy: what its checks ask, who waits for them, and what survives."""

import json
import os
import pathlib
import signal
import socket
import time
import unittest

import harness

# Listens on argv[1]:argv[2] once the file argv[3] is there, and answers GET with the status argv[4]; says each path.
SERVER = """
import os, socket, sys, time
host, port, gate, status = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
while not os.path.exists(gate): time.sleep(0.01)
family = socket.AF_INET6 if ':' in host else socket.AF_INET
listener = socket.create_server((host, port), family=family)
print('serving', listener.getsockname()[1], flush=True)
while True:
    taken, _ = listener.accept()
    request = taken.recv(65536).decode()
    if request:
        print('asked', request.split()[1], flush=True)
        taken.sendall(f'HTTP/1.1 {status} x\\r\\nLocation: https://example.com/\\r\\nContent-Length: 2\\r\\n\\r\\nok'.encode())
    taken.close()
"""


class Checks(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.gate = self.place.work / "gate"

    def server(self, port, host="127.0.0.1", status=200, is_open=True):
        if is_open:
            self.gate.touch()
        return harness.python(SERVER, host, str(port), str(self.gate), str(status))

    def until_ready(self, label):
        return harness.eventually("it is ready", lambda: (view := self.view(label))["ready"] and view)

    def until_detail(self, label, words):
        return harness.eventually(words, lambda: words in (self.view(label).get("detail") or "") and self.view(label))

    def test_a_port_is_its_own_whatever_the_address(self):
        for host in ("127.0.0.1", "0.0.0.0", "127.0.0.2", "::1", "::"):
            with self.subTest(host):
                try:
                    socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
                except OSError as error:
                    self.skipTest(str(error))
                port = harness.free_port()
                self.ok("start", "--label", f"at {host}", "--ready", str(port), "--wait", "--", *self.server(port, host))
                self.assertIs(self.view(f"at {host}")["ready"], True)

    def test_what_listens_without_a_check_is_ready_whatever_it_printed_before(self):
        code = (
            "import socket, time; print('Error: the cache is cold', flush=True)\n"
            "listener = socket.create_server(('127.0.0.1', 0)); time.sleep(600)"
        )
        self.start("web", harness.python(code))
        self.ok("wait", "web", "--ready")
        agent = self.mcp()
        # An error ends a wait for anything else, once it is old enough.
        vain = agent.call("wait_for_process", process="web", pattern="never", timeout_seconds=60)
        self.assertEqual(vain.meta["outcome"], "error")
        ready = agent.call("wait_for_process", process="web", until="ready", timeout_seconds=60)
        self.assertEqual(ready.meta["outcome"], "ready")

    def test_who_has_its_port_is_told(self):
        port = harness.free_port()
        with socket.create_server(("127.0.0.1", port)):
            self.start("web", ["sleep", "600"], "--ready", str(port))
            self.until_detail("web", f"(PID {os.getpid()})")
            self.assertIs(self.view("web")["ready"], False)
            late = self.cli("wait", "web", "--ready", "--timeout", "0.1")
            self.assertEqual(late.code, 124, late)
            self.assertRegex(late.err.decode(), rf"it was not ready within .*: port {port}: held by .*\(PID {os.getpid()}\)")
            self.assertRegex(self.ok("list").out.decode(), rf"p1: not ready: port {port}: held by ")
        # Who took it after it had begun may do so for it; another process of ours does not.
        other = self.start("other", self.server(port))
        self.until_detail("web", f'held by {other["id"]} "other": persistproc stop {other["id"]}')
        self.assertIs(self.view("web")["ready"], False)

    def test_who_listens_on_another_port_is_told_both(self):
        wanted, other = harness.free_port(), harness.free_port()
        self.start("web", self.server(other), "--ready", str(wanted))
        self.until_detail("web", f"port {wanted}: it listens on {other} instead")
        self.assertIs(self.view("web")["ready"], False)

    def test_who_listens_for_it_outside_its_tree_counts_where_nobody_did_before(self):
        port = harness.free_port()
        self.start("container", ["sleep", "600"], "--ready", str(port))
        self.until_detail("container", "nothing listens")
        with socket.create_server(("127.0.0.1", port)):
            self.until_ready("container")

    def test_http_is_asked_directly_and_follows_nothing(self):
        port = harness.free_port()
        self.place.environment["http_proxy"] = self.place.environment["HTTP_PROXY"] = "http://127.0.0.1:1"
        url = f"http://localhost:{port}/healthz"
        self.ok("start", "--label", "moved", "--ready", url, "--wait", "--", *self.server(port, status=302))
        harness.eventually("it was asked", lambda: b"asked /healthz" in self.ok("output", "moved").out)
        port = harness.free_port()
        url = f"http://localhost:{port}/private"
        closed = self.server(port, status=401)
        self.start("closed", closed, "--ready", url)
        self.until_detail("closed", "status 401")
        asked = json.dumps({"http": url, "status": [401]})
        self.ok("start", "--label", "closed", "--ready", asked, "--fresh", "--wait", "--", *closed)
        # Without a port: where it listens.
        self.ok("start", "--label", "any", "--ready", "/", "--wait", "--", *self.server(harness.free_port()))

    def test_a_line_is_matched_once_it_is_whole(self):
        code = r"""
import os, sys, time
os.write(2, b'partial ')
os.write(1, b'\x1b[32mser')
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
os.write(1, b'ver\x1b[0m is up')
time.sleep(600)
"""
        self.start("web", harness.python(code, str(self.gate)), "--ready", "log:^server is up$")
        harness.eventually("its first half", lambda: b"ser" in self.ok("output", "web").out)
        self.assertIs(self.view("web")["ready"], False)
        self.gate.touch()
        self.until_ready("web")

    def test_what_was_printed_while_nobody_looked_counts_and_what_the_run_before_printed_does_not(self):
        code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nprint('up')\nopen(sys.argv[2], 'w')\ntime.sleep(600)"
        done = self.place.work / "done"
        self.start("web", harness.python(code, str(self.gate), str(done)), "--ready", "log:up")
        self.daemon.kill()
        self.gate.touch()
        harness.eventually("it has printed", done.exists)
        self.daemon.start()
        self.until_ready("web")
        # What is recorded after its readiness: that is told a moment before it is on record.
        self.start("later", ["sleep", "600"])
        # Another daemon keeps its word without looking again.
        self.daemon.restart()
        self.assertIs(self.view("web")["ready"], True)
        self.gate.unlink()
        self.ok("restart", "web")
        self.assertIs(self.view("web")["ready"], False)

    def test_a_file_is_younger_than_the_run(self):
        stale = self.place.work / "run.pid"
        stale.touch()
        # By the clock of the file system, which goes in steps.
        harness.eventually("it is older", lambda: time.time() - stale.stat().st_ctime > 0.1)
        bound = self.place.work / "socket"
        code = """
import os, socket, sys, time
while not os.path.exists('gate'): time.sleep(0.01)
open('run.pid', 'w').write('1')
socket.socket(socket.AF_UNIX).bind('socket')
time.sleep(600)
"""
        self.start("web", harness.python(code), "--ready", "file:run.pid", "--ready", f"socket:{bound}")
        self.until_detail("web", "file run.pid: is older than the run")
        self.gate.touch()
        self.until_ready("web")

    def test_start_waits_and_ends_as_the_program_does(self):
        silent = ["sleep", "600"]
        late = self.cli("start", "--label", "late", "--ready", "log:up", "--wait", "--wait-timeout", "0.1", "--", *silent)
        self.assertEqual(late.code, 124, late)
        self.assertEqual(self.view("late")["state"], "running")
        for code, status in ((3, 3), (0, 1)):
            failed = self.cli("start", "--ready", "log:up", "--wait", "--", "sh", "-c", f"echo last words; exit {code}")
            self.assertEqual(failed.code, status, failed)
            self.assertIn(b"last words", failed.err)
        # Without a check: it listens, and goes on listening.
        port = harness.free_port()
        ready = self.ok("run", "-d", "--label", "web", "--wait", *self.server(port))
        self.assertIn(f"http://localhost:{port}".encode(), ready.out)
        nothing = self.cli("wait", "late", "--ready", "--timeout", "0.1")
        self.assertEqual(nothing.code, 124, nothing)

    def test_start_waits_for_several(self):
        for name in ("one", "two"):
            self.start(name, ["sh", "-c", "[ -e gate ] || exit 3; exec sleep 600"], "--ready", "file:up", "--restart", "never")
        harness.eventually("both have ended", lambda: not any(view["state"] == "running" for view in self.views()))
        self.gate.touch()
        late = self.cli("start", "one", "two", "--wait", "--wait-timeout", "0.1")
        self.assertEqual((late.code, late.out), (124, b""), late)
        self.assertEqual(late.err.count(b"was not ready within 100 ms"), 2, late)
        (self.place.work / "up").touch()
        ready = self.ok("start", "--wait", "one", "two")
        self.assertEqual([line.split(b" is ")[0] for line in ready.out.splitlines()], [b"p1 (one)", b"p2 (two)"], ready)
        self.ok("stop", "one", "two")
        self.gate.unlink()
        failed = self.cli("start", "--wait", "one", "two")
        self.assertEqual(failed.code, 3, failed)
        refused = self.cli("start", "one", "two", "--wait-timeout", "1")
        self.assertEqual(refused.code, 2, refused)
        self.assertIn(b"--wait-timeout goes with --wait", refused.err)

    def test_a_debugger_that_listens_first_is_not_what_is_waited_for(self):
        code = r'''
import os, socket, sys, time
def inspector():
    for port in range(9229, 9240):
        try: return socket.create_server(("127.0.0.1", port))
        except OSError: pass
debugger = inspector()
print("debugger", debugger.getsockname()[1] if debugger else "", flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
application = socket.create_server(("127.0.0.1", 0))
print("serves", application.getsockname()[1], flush=True)
time.sleep(600)
'''
        self.start("node", harness.python(code, str(self.gate)))
        words = harness.eventually("it says its port", lambda: self.ok("output", "node").out.decode().split())
        if len(words) < 2:
            self.skipTest("others have all ports of debuggers")
        harness.eventually("it is seen", lambda: int(words[1]) in (self.view("node").get("ports") or ()))
        self.assertEqual(self.cli("wait", "node", "--ready", "--timeout", "0.3").code, 124)
        self.gate.touch()
        self.ok("wait", "node", "--ready")
        serves = harness.eventually("it says where", lambda: [line for line in self.ok("output", "node").out.decode().splitlines() if "serves" in line])
        self.assertEqual(self.view("node")["url"], "http://localhost:" + serves[0].split()[1])

    def test_a_time_for_readiness_ends_the_run(self):
        self.start("web", ["sleep", "600"], "--ready", '{"log": "up", "timeout": 0.1}')
        view = harness.eventually("its end", lambda: (seen := self.view("web"))["pid"] is None and seen)
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("killed", "SIGTERM", "not_ready"))
        self.assertIn(b"not ready in time", self.cli("status", "web").out)
        self.start("again", ["sleep", "600"], "--ready", '{"log": "up", "timeout": 0.1}', "--restart", "on-failure:2")
        harness.eventually("it gave up", lambda: self.view("again")["state"] == "gave_up")

    def test_an_agent_starts_and_hears_when_it_is_ready(self):
        port = harness.free_port()
        agent = self.mcp()
        answer = agent.call(
            "start_process",
            command=self.server(port),
            working_directory=str(self.place.work),
            label="web",
            ready=[port, "/healthz"],
            wait={"until": "ready"},
        )
        self.assertFalse(answer.is_error, answer.text)
        self.assertIn(f"ready at http://localhost:{port}", answer.text)
        self.assertIs(answer.structured["ready"], True)
        self.assertEqual(answer.structured["wait"]["outcome"], "ready")
        self.assertIn("running, PID", agent.call("list_processes").text)
        self.assertIn(", ready", agent.call("list_processes").text)

    def test_a_command_sees_what_the_program_sees(self):
        (self.place.work / "secret").write_text("hunter2")
        code = 'test "$SECRET" = "$(cat secret)" && test "$PWD" = "$1" && test -e gate || { echo not yet; exit 2; }'
        check = json.dumps({"command": ["sh", "-c", code, "sh", str(self.place.work)]})
        self.start("web", ["sleep", "600"], "--ready", check, "-e", "SECRET=hunter2")
        view = self.until_detail("web", 'exit 2: "not yet"')
        self.assertNotIn("hunter2", json.dumps(view))
        self.gate.touch()
        self.until_ready("web")
        missing = self.start("none", ["sleep", "600"], "--ready", "command:no-such-program -x")
        self.until_detail(missing["id"], "No such file or directory")

    def test_a_command_that_hangs_is_ended_with_all_it_has_started(self):
        code = "echo $$ >> pids; setsid sh -c 'echo $$ >> pids; sleep 600' & trap '' TERM; sleep 600"
        check = json.dumps({"command": ["sh", "-c", code], "probe_timeout": 0.2})
        self.start("web", ["sleep", "600"], "--ready", check)
        self.until_detail("web", "no end in time; it was killed")
        self.ok("stop", "web")
        pids = (self.place.work / "pids").read_text().split()
        harness.eventually("all gone", lambda: not any(harness.is_alive(pid) for pid in pids))

    def test_a_command_does_not_outlive_the_daemon(self):
        check = json.dumps({"command": ["sh", "-c", "echo $$ > pid; sleep 600"], "probe_timeout": 600})
        self.start("web", ["sleep", "600"], "--ready", check)
        pid = harness.eventually("it runs", lambda: (p := self.place.work / "pid").exists() and p.read_text().strip())
        self.daemon.kill()
        harness.eventually("it is gone", lambda: not harness.is_alive(pid))
        self.daemon.start()

    def test_what_is_no_longer_healthy_is_run_again_under_any_policy(self):
        (self.place.work / "healthy").touch()
        check = json.dumps({"command": ["test", "-e", "healthy"], "period": 0.05, "failures": 2})
        web = self.start("web", ["sleep", "600"], "--ready", "command:true", "--health", check)
        self.until_ready("web")
        (self.place.work / "healthy").unlink()
        harness.eventually("another run", lambda: self.view("web")["run"] != web["run"])
        audit = self.ok("audit", "web").out.decode()
        self.assertIn("restart policy", audit)
        self.ok("stop", "web")
        # It may have been on its way out for its health once more.
        self.assertIn(self.view("web")["state"], ("stopped", "killed"))


# Says each line that appears in the file argv[1] to NOTIFY_SOCKET, from a process of its own that ends at once.
NOTIFIER = """
import os, socket, sys, time
name = os.environ['NOTIFY_SOCKET'].replace('@', '\\0', 1)
said = 0
while True:
    lines = open(sys.argv[1]).read().splitlines() if os.path.exists(sys.argv[1]) else []
    for line in lines[said:]:
        if os.fork() == 0:
            out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            out.connect(name)
            out.send(line.encode())
            os._exit(0)
        os.wait()
        print('said', line, flush=True)
    said = max(said, len(lines))
    time.sleep(0.01)
"""


class Notifications(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.lines = self.place.work / "lines"

    def begin(self):
        return self.start("web", harness.python(NOTIFIER, str(self.lines)), "--ready", "notify")

    def say(self, *words):
        with self.lines.open("a") as lines:
            for each in words:
                lines.write(each + "\n")

    def until_said(self, words):
        harness.eventually(words, lambda: f"said {words}".encode() in self.ok("output", "web").out)

    def until_ready(self, ready):
        harness.eventually(f"ready: {ready}", lambda: self.view("web")["ready"] is ready)

    def test_the_first_word_is_heard_and_the_last_one_counts(self):
        self.say("READY=1")
        self.begin()
        self.until_ready(True)
        self.say("RELOADING=1")
        self.until_ready(False)
        self.assertEqual(self.view("web").get("detail"), "notify: is reloading")
        self.say("RELOADING=1", "STATUS=reading its files")
        harness.eventually("its status", lambda: self.view("web").get("detail") == 'notify: "reading its files"')
        self.say("READY=1")
        self.until_ready(True)

    def test_a_word_outlives_whoever_should_hear_it(self):
        view = self.begin()
        self.daemon.kill()
        self.say("READY=1")
        self.until_said_in_log(view, b"said READY=1")
        self.daemon.start()
        self.until_ready(True)
        shim = int(pathlib.Path(f"/proc/{view['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])
        harness.suspend(shim)
        self.say("RELOADING=1", "STATUS=again")
        # The program waits for nobody: its words are with the socket.
        os.kill(shim, signal.SIGKILL)
        self.until_said("STATUS=again")
        self.until_ready(False)
        self.say("READY=1")
        self.until_ready(True)

    def until_said_in_log(self, view, words):
        log = pathlib.Path(view["log_path"])
        harness.eventually(words, lambda: log.exists() and words in log.read_bytes())

    def test_descriptors_are_not_kept_and_who_waits_at_one_goes_on(self):
        code = """
import array, os, socket, sys, time
out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out.connect(os.environ['NOTIFY_SOCKET'].replace('@', '\\0', 1))
kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(200)]
out.sendmsg([b'FDSTORE=1'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', kept))])
end, other = os.pipe()
out.sendmsg([b'BARRIER=1'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [other]))])
os.close(other)
os.read(end, 1)
print('went on', flush=True)
out.send(b'READY=1')
time.sleep(600)
"""
        pid = self.start("web", harness.python(code), "--ready", "notify", "--wait")["pid"]
        self.assertIn(b"went on", self.ok("output", "web").out)
        shim = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
        self.assertLess(len(os.listdir(f"/proc/{shim}/fd")), 40)

    def test_who_is_not_asked_hears_of_no_socket(self):
        self.place.environment["NOTIFY_SOCKET"] = "/run/elsewhere"
        self.ok("start", "--label", "web", "--ready", "log:^none$", "--wait", "--", "sh", "-c", "echo ${NOTIFY_SOCKET-none}; exec sleep 600")

    @harness.needs_root
    def test_another_user_is_not_believed(self):
        environment = pathlib.Path(f"/proc/{self.begin()['pid']}/environ").read_bytes().split(b"\0")
        name = next(each.decode().partition("=@")[2] for each in environment if each.startswith(b"NOTIFY_SOCKET=@"))
        code = "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.connect(chr(0) + sys.argv[1])\ns.send(b'READY=1')"
        harness.subprocess.run([*harness.AS_NOBODY, *harness.python(code, name)], check=True)
        self.say("STATUS=mine")
        harness.eventually("its own word", lambda: self.view("web").get("detail") == 'notify: "mine"')
        self.assertIs(self.view("web")["ready"], False)


if __name__ == "__main__":
    harness.main()
