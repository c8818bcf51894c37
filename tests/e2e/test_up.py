"""A project's processes come up in the order of their dependencies, are left alone while nothing has changed, and go
down in reverse; also over the death of the daemon."""
import os
import signal

import harness

# Each says that it ran, and waits for what the test lets happen.
SHOP = """
name = "shop"
[process.db]
run = "echo db >> ran; exec sleep 3600"
[process.migrate]
run = "until [ -e go ]; do sleep 0.02; done; echo migrate >> ran; exit $(cat go)"
oneshot = true
depends_on = ["db"]
[process.api]
run = "echo api $COLOUR >> ran; exec sleep 3600"
env = { COLOUR = "%s" }
depends_on = ["db", "migrate"]
"""
VALUE = "unlikely-value-4711"


class Case(harness.TestCase):
    def write(self, text, name="persistproc.toml"):
        path = self.place.work / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def let_migrate_end(self, status):
        going = self.place.work / "go.new"
        going.write_text(f"{status}\n")
        going.rename(self.place.work / "go")

    def ran(self):
        path = self.place.work / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def until_ran(self, lines):
        """What has no check is ready once it runs: it may write its line a moment later."""
        harness.eventually(f"ran: {lines}, not {self.ran()}", lambda: self.ran() == lines)

    def state(self, name):
        return self.view(f"shop/{name}").get("state")

    def pids(self):
        return {view["label"]: view.get("pid") for view in self.views() if view["label"].startswith("shop/")}

    def until_state(self, name, state):
        harness.eventually(f"{name} is {state}", lambda: self.state(name) == state)


class Up(Case):
    def test_in_order_and_left_alone_afterwards(self):
        self.write(SHOP % "red")
        up = self.background("up")
        harness.eventually("migrate runs", lambda: "db" in self.ran())
        self.until_state("api", "waiting")
        self.assertIn(b"waiting: migrate", self.cli("status", "shop/api").out)
        self.let_migrate_end(0)
        finished = up.wait()
        self.assertEqual(finished.code, 0, finished)
        self.until_ran(["db", "migrate", "api red"])
        before = self.pids()
        # Another terminal, another environment: nothing happens. In the project's directory short names do.
        self.ok("up", env={"OTHER": "1"})
        self.assertEqual(self.pids(), before)
        self.assertEqual(self.ok("status", "api", "--json").json()["label"], "shop/api")
        # A script's variable that is not set names none of them.
        self.assertIn(b"must name a program", self.cli("start", "").err)
        self.write(SHOP % "blue")
        self.ok("up")
        harness.eventually("api runs anew", lambda: self.ran()[-1] == "api blue")
        after = self.pids()
        self.assertEqual({name for name in before if before[name] != after[name]}, {"shop/api"})
        self.assertEqual(self.ran().count("migrate"), 1)
        self.ok("down")
        self.assertEqual({view["state"] for view in self.views()}, {"stopped", "exited"})
        # A oneshot runs again after a down.
        self.ok("up")
        self.assertEqual(self.ran().count("migrate"), 2)

    def test_what_fails_is_told_and_nothing_that_needs_it_starts(self):
        self.write(SHOP % "red")
        self.let_migrate_end(3)
        finished = self.cli("up")
        self.assertEqual(finished.code, 1, finished)
        self.assertIn(b"migrate", finished.err)
        self.assertEqual(self.state("db"), "running")
        self.assertEqual(self.state("api"), "failed")
        self.assertIn(b"needs migrate of its project", self.cli("restart", "shop/api").err)
        # It has never run, and nothing is kept of what it would have run with.
        self.assertOneLine(self.cli("start", "api").err, "was never begun", "persistproc up --no-deps api begins it alone")
        self.until_ran(["db", "migrate"])
        self.let_migrate_end(0)
        self.ok("up")
        self.assertEqual(self.state("api"), "running")

    def test_a_wrong_file_touches_nothing(self):
        self.let_migrate_end(0)
        self.write(SHOP % "red")
        self.ok("up")
        before = self.pids()
        path = self.write(SHOP % "red" + "[process.web]\nrun = 'true'\nready_if = 3000\nwatches = 1\n")
        finished = self.cli("up")
        self.assertEqual(finished.code, 2, finished)
        said = finished.err.decode().splitlines()
        self.assertEqual(len(said), 2, said)
        for line, key in zip(said, ("ready_if", "watches")):
            self.assertRegex(line, rf"^persistproc: \S+/persistproc.toml:\d+:\d+: process.web.{key}: ")
        self.assertEqual(self.pids(), before)
        path.unlink()
        # What was applied goes down without its file.
        self.ok("down")

    def test_an_unknown_name_is_told_where_there_is_no_daemon_too(self):
        self.write(SHOP % "red")
        self.ok("shutdown")
        self.assertEqual(self.cli("down", "db").code, 0)
        for _ in ("without", "with"):
            refused = self.cli("down", "dbb")
            self.assertEqual(refused.code, 2, refused)
            self.assertOneLine(refused.err, "dbb")
            if not self.is_served():
                self.daemon.start()

    def test_an_interrupt_leaves_and_says_what_goes_on(self):
        self.write(SHOP % "red")
        up = self.background("up")
        harness.eventually("db is told", lambda: b"shop/db" in up.out)
        up.signal(signal.SIGINT)
        finished = up.wait()
        self.assertEqual(finished.code, -signal.SIGINT, finished)
        self.assertOneLine(finished.err, "left; all of it goes on; not ready yet: api (waits for migrate), migrate")
        self.let_migrate_end(0)
        self.until_state("api", "running")

    def test_a_name_of_this_project_is_no_unknown_word(self):
        self.write('name = "shop"\n[process.wb]\nrun = "exec sleep 3600"\n')
        self.ok("up")
        # Which is nearly that.
        self.start("wbx", ["sleep", "3600"])
        for command in ("wb", "run wb"):
            refused = self.cli(*command.split())
            self.assertEqual(refused.code, 2, refused)
            self.assertOneLine(refused.err, '"wb" is p1, running: persistproc status wb, persistproc output -f wb, or persistproc restart wb')
        for command, instead in (("kill wb", "persistproc stop --force wb"), ("describe wb", "persistproc status wb")):
            refused = self.cli(*command.split())
            self.assertEqual(refused.code, 2, refused)
            self.assertIn(instead.encode(), refused.err)

    def test_scripts_are_named_as_package_json_has_them(self):
        self.write('{"scripts": {"dev:api": "x", "dev": "x"}}', "package.json")
        (self.place.work / "bin").mkdir()
        npm = self.place.work / "bin" / "npm"
        npm.write_text("#!/bin/sh\nexec sleep 3600\n")
        npm.chmod(0o700)
        env = {"PATH": f"{npm.parent}:{os.environ['PATH']}"}
        # None of them starts by itself: what could be named is said.
        named = self.ok("up", env=env)
        self.assertEqual(named.out, b"")
        self.assertOneLine(named.err, "note: nothing of work starts unless it is named; there are: dev:api, dev")
        self.assertEqual(self.views(), [])
        self.ok("up", "dev:api", env=env)
        self.assertEqual([view["label"] for view in self.views()], ["work/dev-api"])
        for command in (["status", "dev:api"], ["stop", "dev:api"], ["start", "dev:api"], ["restart", "dev-api"],
                        ["down", "dev:api"]):
            self.ok(*command, env=env)
        self.assertEqual(len(self.views()), 1)
        self.assertOneLine(self.cli("port", "dev:api").err, "dev:api has no port")

    def test_time_is_over_and_everything_goes_on(self):
        self.write(SHOP % "red")
        finished = self.cli("up", "--timeout", "0.2")
        self.assertEqual(finished.code, 124, finished)
        self.let_migrate_end(0)
        self.until_state("api", "running")
        dry = self.ok("up", "--dry-run").out.decode()
        self.assertIn("api kept", dry)

    def test_a_part_brings_what_it_needs_and_nothing_else(self):
        self.let_migrate_end(0)
        self.write(SHOP % "red" + "[process.docs]\nrun = 'sleep 3600'\n")
        self.ok("up", "migrate")
        self.assertEqual(set(self.pids()), {"shop/db", "shop/migrate"})
        # Nor does an edit bring the others up.
        self.write(SHOP % "blue" + "[process.docs]\nrun = 'sleep 3600'\n")
        self.ok("up", "migrate")
        self.assertEqual(set(self.pids()), {"shop/db", "shop/migrate"})
        self.ok("up", "--no-deps", "docs")
        self.ok("down", "db")
        self.assertEqual(self.state("docs"), "running")
        self.assertEqual(self.state("db"), "stopped")


    def test_an_edit_is_told_until_it_is_applied(self):
        self.let_migrate_end(0)
        self.write(SHOP % "red")
        self.ok("up")
        self.assertNotIn(b"has changed", self.ok("status", "api").out)
        self.write(SHOP % "blue")
        self.assertIn(b"has changed since up", self.ok("status", "api").out)
        self.assertTrue(self.ok("status", "api", "--json").json()["project_file_changed"])
        # Until then it is run as it was applied.
        self.ok("restart", "api")
        harness.eventually("api ran twice", lambda: len(self.ran()) == 4)
        self.assertEqual(self.ran()[-1], "api red")
        self.ok("up")
        self.assertNotIn(b"has changed", self.ok("status", "api").out)

    def test_what_runs_already_is_taken_in(self):
        self.write("name = 'shop'\n[process.web]\nrun = 'sleep 3600'\n")
        self.start("mine", ["sleep", "3600"])
        before = self.view("mine")
        self.assertIn(b"web adopted", self.ok("up").err)
        self.assertEqual(self.view("mine")["pid"], before["pid"])
        self.assertEqual(self.ok("status", "web", "--json").json()["id"], before["id"])
        self.assertEqual([view["id"] for view in self.ok("list", "--project", "shop", "--json").json()["processes"]],
                         [before["id"]])
        self.assertEqual(self.ok("list", "--project", "other", "--json").json()["processes"], [])

    def test_the_second_interrupt_kills(self):
        self.write("name = 'shop'\n[process.web]\nrun = \"trap '' TERM; echo deaf > deaf; while :; do sleep 1; done\"\n"
                   "grace = '1h'\n")
        self.ok("up")
        harness.eventually("web is deaf", lambda: (self.place.work / "deaf").exists())
        down = self.background("down")
        self.until_state("web", "stopping")
        down.signal(signal.SIGINT)
        harness.eventually("that is told", lambda: b"again kills" in down.err)
        down.signal(signal.SIGINT)
        finished = down.wait()
        self.assertEqual(finished.code, 0, finished)
        self.assertEqual(self.view("shop/web")["signal"], "SIGKILL")

    def test_a_stop_command_comes_before_the_signal(self):
        self.write("name = 'shop'\n[process.web]\nrun = \"trap '' TERM; until [ -e $END ]; do sleep 0.02; done; echo ended >> ran; exit 0\"\n"
                   "env = { END = 'end' }\n"
                   "stop_command = \"echo stop >> ran; touch $END; until grep -q ended ran; do sleep 0.02; done\"\n")
        self.ok("up")
        self.ok("down")
        self.until_ran(["stop", "ended"])
        view = self.view("shop/web")
        self.assertEqual((view["state"], view["exit_code"]), ("stopped", 0))
        # By its name in the project of this directory.
        (self.place.work / "end").unlink()
        self.ok("start", "web")
        self.assertEqual(self.state("web"), "running")
        self.assertEqual(len(self.views()), 1)
        self.ok("stop", "web")


class Death(Case):
    def test_who_waits_is_begun_by_the_next_daemon_once(self):
        self.write(SHOP % VALUE)
        up = self.background("up")
        self.until_state("api", "waiting")
        holders = {
            path.name
            for path in self.place.data.rglob("*")
            if path.is_file() and VALUE.encode() in path.read_bytes()
        }
        self.assertEqual(holders, {"spec"})
        self.daemon.kill()
        self.let_migrate_end(0)
        # Who waits for it starts the next daemon, and waits on.
        finished = up.wait()
        self.assertEqual(finished.code, 0, finished)
        self.assertEqual(self.state("api"), "running")
        self.until_ran(["db", "migrate", f"api {VALUE}"])

    def test_down_goes_on_with_the_next_daemon(self):
        stubborn = "trap 'until [ -e go ]; do sleep 0.02; done; exit 0' TERM; echo web >> ran; while :; do sleep 0.02; done"
        self.write(f'name = "shop"\n[process.web]\nrun = "{stubborn}"\ngrace = "600s"\n')
        self.ok("up")
        harness.eventually("it listens for the signal", lambda: self.ran() == ["web"])
        down = self.background("down")
        self.until_state("web", "stopping")
        self.daemon.kill()
        self.let_migrate_end(0)
        finished = down.wait()
        self.assertEqual(finished.code, 0, finished)
        self.assertEqual(self.state("web"), "stopped")


class Agent(Case):
    def test_agents_run_what_a_person_has_consented_to(self):
        self.let_migrate_end(0)
        self.write(SHOP % "red")
        client = self.mcp()
        directory = str(self.place.work)
        refused = client.call("run_project", action="up", directory=directory)
        self.assertEqual(refused.error["code"], "denied")
        self.assertIn("exec sleep 3600", refused.text)
        self.assertEqual(self.ran(), [])
        self.ok("up")
        self.ok("down")
        answer = client.call("run_project", action="up", directory=directory)
        self.assertFalse(answer.is_error, answer.text)
        self.assertIn("3 of 3 ready", answer.text)
        self.assertIn("shop/api", client.call("run_project", action="show", directory=directory).text)
        self.write(SHOP % "blue")
        self.assertEqual(client.call("run_project", action="up", directory=directory).error["code"], "denied")
        looked = client.call("run_project", action="down", directory=directory, dry_run=True)
        self.assertEqual(looked.error["code"], "invalid")
        self.assertEqual(self.state("api"), "running")
        down = client.call("run_project", action="down", directory=directory)
        self.assertFalse(down.is_error, down.text)
        self.assertIn("shop: 3 stopped", down.text)
        shown = client.call("run_project", action="show", directory=directory).text
        self.assertIn("shop: 0 of 3 ready; down: ", shown)
        self.assertNotIn("running", {view["state"] for view in self.views()})

    def test_what_a_lost_database_knew_of_consent_is_not_guessed(self):
        self.let_migrate_end(0)
        self.write(SHOP % "red")
        self.ok("up")
        self.daemon.kill()
        for each in self.place.data.glob("persistproc.db*"):
            each.unlink()
        self.daemon.start()
        before = self.pids()
        client = self.mcp()
        directory = str(self.place.work)
        refused = client.call("run_project", action="up", directory=directory)
        self.assertEqual(refused.error["code"], "denied")
        self.assertIn(f"persistproc allow {directory}", refused.text)
        self.assertIn("persistproc allow lets them", self.ok("check").out.decode())
        self.ok("allow")
        answer = client.call("run_project", action="up", directory=directory)
        self.assertFalse(answer.is_error, answer.text)
        self.assertEqual(self.pids(), before, answer.text)

    def test_what_a_variable_has_for_others_changes_nothing(self):
        self.let_migrate_end(0)
        self.write(SHOP % "${env.SHADE:-none}")
        person = {"SHADE": "red"}
        self.ok("up", env=person)
        self.until_ran(["db", "migrate", "api red"])
        before = self.pids()
        client = self.mcp()
        directory = str(self.place.work)
        answer = client.call("run_project", action="up", directory=directory)
        self.assertFalse(answer.is_error, answer.text)
        self.assertEqual(self.pids(), before, answer.text)
        # What has ended begins with what it had.
        client.call("stop_process", process="shop/api")
        answer = client.call("run_project", action="up", directory=directory)
        self.assertFalse(answer.is_error, answer.text)
        self.until_ran(["db", "migrate", "api red", "api red"])
        # To the person nothing has changed either.
        before = self.pids()
        self.ok("up", env=person)
        self.assertEqual(self.pids(), before)


if __name__ == "__main__":
    harness.main()
