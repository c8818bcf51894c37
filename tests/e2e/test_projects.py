"""The project of the README: an API, a worker, a front end and a migration, with programs of several languages."""
import os
import pathlib
import shutil
import signal
import time
import urllib.request

import harness

SHOP = pathlib.Path(__file__).parent / "projects" / "shop"
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
HAS_NODE = shutil.which("node") is not None


class Shop(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.shop = self.place.work / "shop"
        shutil.copytree(SHOP, self.shop)
        self.named = [] if HAS_NODE else ["worker"]
        self.expected = {"migrate": "exited", "api": "running", "worker": "running"}
        if HAS_NODE:
            self.expected["web"] = "running"

    def states(self):
        return {view["project"]["process"]: view["state"] for view in self.views() if view.get("project")}

    def pids(self):
        return {view["label"]: view.get("pid") for view in self.views() if view["state"] == "running"}

    def page(self, process, path, data=None):
        port = int(self.ok("port", process, cwd=self.shop).out)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}{path}", data=data, timeout=harness.PATIENCE) as answer:
            return answer.read().decode()

    def test_the_readme_shows_it(self):
        self.assertIn((SHOP / "persistproc.toml").read_text(), README.read_text())

    def test_up_works_and_goes_down(self):
        self.ok("up", *self.named, cwd=self.shop)
        self.assertEqual(self.states(), self.expected)
        # All are ready: whoever asks is answered.
        self.page("api", "/orders", b"tea")
        harness.eventually("the order is carried out", lambda: '"is_done": true' in self.page("api", "/orders"))
        if HAS_NODE:
            self.assertEqual(self.page("web", "/"), "orders: tea: done\n")
        before = self.pids()
        again = self.ok("up", "--json", *self.named, cwd=self.shop).json()
        self.assertEqual({step["done"] for step in again["steps"]}, {"kept"})
        self.assertEqual(self.pids(), before)
        # What crashes is run again, and is ready again.
        os.kill(self.view("shop/api")["pid"], signal.SIGKILL)
        harness.eventually("api runs again", lambda: self.view("shop/api")["restarts"] == 1)
        self.ok("up", "api", cwd=self.shop)
        self.assertIn("tea", self.page("api", "/orders"))
        # What is saved is run again.
        run = self.view("shop/api")["run"]
        saved = []

        def is_seen():
            # One that was saved before its directory is watched is saved again.
            if not saved or time.monotonic() - saved[-1] > 2:
                saved.append(time.monotonic())
                (self.shop / "api.py").write_text((self.shop / "api.py").read_text() + "\n")
            return self.view("shop/api")["run"] != run

        harness.eventually("api runs again", is_seen)
        self.ok("down", cwd=self.shop)
        self.assertNotIn("running", self.states().values())


if __name__ == "__main__":
    harness.main()
