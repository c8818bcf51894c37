"""Sixty-four clients of both eras, mixed calls, and a daemon that is killed and restarted under them five times.

Every answer belongs to its question, no session is lost, nothing hangs: a request that meets a death is answered, or
fails at once, within a second of the restart. PERSISTPROC_STORM_SECONDS sets how long it lasts.
"""
import http.client
import json
import os
import random
import threading
import time

import harness

CLIENTS, KILLS = 64, 5
CHILD = str(harness.BUILD / "tests" / "child")
SECONDS = float(os.environ.get("PERSISTPROC_STORM_SECONDS", "15"))
# Sanitized daemons are several times as slow; what is measured then is that nothing hangs.
BOUND = 10.0 if "san" in harness.BUILD.name else 1.0
BROKEN = (ConnectionError, http.client.HTTPException, OSError)


class Client(threading.Thread):
    def __init__(self, storm, number):
        super().__init__(daemon=True)
        self.storm, self.number = storm, number
        self.is_modern = number % 2 == 1
        self.label = f"c{number}x"
        self.random = random.Random(number)
        self.mcp = harness.Mcp(storm.port, initialize=not self.is_modern)
        self.mcp.connection.timeout = 30
        self.counts = {"answered": 0, "cut": 0}
        self.longest = 0.0  # of an answered request while nobody dies
        self.spans = []  # (begin, end) of each request that was cut or slow
        self.complaints = []

    def request(self, method, params):
        return self.mcp.request_modern(method, params) if self.is_modern else self.mcp.request(method, params)

    def tool(self, name, **arguments):
        self.asked = name
        result = self.request("tools/call", {"name": name, "arguments": arguments})
        answer = harness.ToolAnswer(result)
        if answer.is_error:
            raise harness.McpError(200, json.dumps(result).encode())
        return answer

    def own(self, text):
        """The answer is about this client's process and no other's."""
        if self.label not in text:
            raise AssertionError(f"{self.label}: an answer without it: {text[:300]}")
        for other in range(CLIENTS):
            if other != self.number and f"c{other}x" in text:
                raise AssertionError(f"{self.label}: got the answer for c{other}x: {text[:300]}")

    def one(self):
        kind = self.random.randrange(100)
        if kind < 30:
            self.own(self.tool("list_processes", process=self.label).text)
        elif kind < 60:
            self.own(self.tool("get_process_output", process=self.label, lines=5).text)
        elif kind < 75:
            self.own(self.tool("wait_for_process", process=self.label, until="pattern", pattern=self.label).text)
        elif kind < 85:
            contents = self.request("resources/read", {"uri": f"persistproc://processes/{self.id}"})["contents"]
            self.own(contents[0]["text"])
        elif kind < 97:
            assert len(self.request("tools/list", {})["tools"]) >= 6
        else:
            self.own(self.tool("restart_process", process=self.label).text)

    def run(self):
        # Restarts of sixty-four at once are not what is tested here.
        while not self.storm.is_over:
            begin = time.monotonic()
            self.asked = "another"
            try:
                self.one()
                self.counts["answered"] += 1
            except BROKEN:
                self.counts["cut"] += 1
                self.spans.append((begin, time.monotonic(), f"cut {self.asked}"))
                self.mcp.connection.close()
                self.storm.serving.wait(harness.PATIENCE)
                continue
            except harness.McpError as refused:
                self.spans.append((begin, time.monotonic(), str(refused)))
                continue
            except Exception as wrong:  # whatever it is belongs into the report
                self.complaints.append(f"{type(wrong).__name__}: {wrong}")
                break
            took = time.monotonic() - begin
            if self.storm.is_calm:
                self.longest = max(self.longest, took)
            if took > 0.25:
                self.spans.append((begin, begin + took, f"slow {self.asked}"))
        self.mcp.close()


class Storm(harness.TestCase):
    def test_clients_outlive_every_death_of_the_daemon(self):
        self.is_over, self.is_calm = False, True
        self.port = self.daemon.port
        self.serving = threading.Event()
        self.serving.set()
        clients = [Client(self, number) for number in range(CLIENTS)]
        for each in clients:
            started = each.tool(
                "start_process", command=[CHILD, "line", each.label, ",", "wait"], working_directory="/", label=each.label
            )
            each.id = started.structured["id"]
        for each in clients:
            each.start()
        deaths = []
        begin = time.monotonic()
        for kill in range(1, KILLS + 1):
            time.sleep(max(0, begin + SECONDS * kill / (KILLS + 1) - time.monotonic()))
            self.is_calm = False
            self.serving.clear()
            killed = time.monotonic()
            self.daemon.kill()
            self.daemon.start()
            deaths.append((killed, time.monotonic()))
            self.serving.set()
        time.sleep(max(0, begin + SECONDS - time.monotonic()))
        self.is_over = True
        for each in clients:
            each.join(harness.PATIENCE)
            self.assertFalse(each.is_alive(), f"{each.label} hangs")

        self.assertEqual([c for each in clients for c in each.complaints], [])
        answered = sum(each.counts["answered"] for each in clients)
        cut = sum(each.counts["cut"] for each in clients)
        longest = max(each.longest for each in clients)
        print(f"\n{answered} answered, {cut} cut by {KILLS} deaths in {SECONDS} s; calm: {longest:.2f} s", flush=True)
        self.assertGreater(answered, CLIENTS * KILLS)
        # A busy machine makes every request slow, most of all the durable ones that a death makes all clients repeat at
        # once; what a death adds to that is what counts.
        bound = BOUND + 2 * longest
        # Every span that meets a death ends soon after the next daemon serves; a refusal names the death as its cause.
        for each in clients:
            for start, end, what in each.spans:
                # The last one before its end: what began soon after one death may be cut by the next.
                death = next((d for d in reversed(deaths) if end > d[0]), None)
                if death and start > death[1] + bound:
                    death = None
                if what.startswith("slow"):
                    if death:
                        self.assertLess(end - max(start, death[1]), bound, f"{each.label}: {what}")
                    continue
                self.assertIsNotNone(death, f"{each.label}: {what} without a death")
                self.assertLess(end - death[1], bound, f"{each.label}: {what}")
        views = {view["label"]: view for view in self.mcp().call("list_processes").structured["processes"]}
        self.assertEqual(sorted(views), sorted(each.label for each in clients))
        self.assertEqual({view["state"] for view in views.values()}, {"running"})


if __name__ == "__main__":
    harness.main()
