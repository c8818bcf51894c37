"""Row 11: what an agent pays for output. A scripted job, done as an agent does it: start a development server, wait until it
is ready, break it, learn file, line and message of the error, mend it, see that it is ready again.

Four variants (what loads the source, and what an error does): Python, Node, a C++ compiler, and a server that ends by the
error and is run again by its policy. Beside it the server logs no requests, 50 or 2,000 a second (dev_server.py). Counted is
what a model reads (the text of each answer) and writes (name and arguments of each call). Two agents with a shell stand
beside it, each at its best: they look at the log three times, at the very moments at which ours was answered; one reads all
of it, the other what is new (`tail -n +K`).
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import tempfile
import time

from bench import Daemon, result_in

PYTHON = """import json

ITEMS = json.loads('[{"name": "tea", "price": 3}]')


def total(items):
    cents = 0
    for item in items:
        cents += item["NAME"]
    return cents


CART = total(ITEMS)
"""
NODE = """const items = [{ name: "tea", price: { cents: 300 } }];

function total(items) {
  let cents = 0;
  for (const item of items) cents += item.NAME.cents;
  return cents;
}

globalThis.cart = total(items);
"""
CPP = """#include <vector>

struct Item {
    int price = 3;
};

int total(const std::vector<Item>& items) {
    int cents = 0;
    for (const auto& item : items) cents += item.NAME;
    return cents;
}
"""
# Variant: its source, which is broken by another NAME; on which line; and what is said of it.
VARIANTS = {
    "python": ("app.py", PYTHON, 9, ["KeyError: 'prise'"]),
    "node": ("app.js", NODE, 5, ["TypeError: Cannot read properties of undefined (reading 'cents')"]),
    "compiler": ("app.cpp", CPP, 9, ["no member named", "prise"]),
    "crash": ("app.py", PYTHON, 9, ["KeyError: 'prise'"]),
}
NOISE = {"quiet": 0, "noisy": 50, "storm": 2000}  # requests a second
SERVER = pathlib.Path(__file__).resolve().parents[1] / "dev_server.py"


def tokens_in(text):
    """An estimate that needs no vocabulary: a token for every begun 8 letters of a word, 3 digits, 4 signs in a row, and
    for blanks that are no single space. Over requests and answers of this row it is within 4 % of what o200k_base counts.
    """
    count = 0
    for piece in re.findall(r"[^\W\d_]+|\d+|\s+|(?:[^\w\s]|_)+", text):
        size = 8 if piece[0].isalpha() else 3 if piece[0].isdigit() else 4
        count += piece != " " if piece.isspace() else -(-len(piece) // size)
    return count


class Job:
    """One variant at one level of noise."""

    def __init__(self, daemon, variant, noise, pause, label):
        self.daemon, self.variant, self.noise, self.pause, self.label = daemon, variant, noise, pause, label
        self.file, self.source, self.line, self.message = VARIANTS[variant]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shop."))
        self.written, self.read = [], []  # by the model, a text per call
        self.log = []  # all of it, after each answer

    def call(self, tool, **arguments):
        """(text, cursor) of the answer."""
        connection, headers = self.session
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        connection.request("POST", "/mcp", json.dumps(body), headers)
        result = result_in(connection.getresponse())
        text = "\n".join(c["text"] for c in result["content"])
        self.written.append(tool + json.dumps(arguments, separators=(",", ":")))
        self.read.append(text)
        if "structuredContent" in result:
            self.path = pathlib.Path(result["structuredContent"]["log_path"]).parent
        self.log.append(b"".join(p.read_bytes() for p in sorted(self.path.glob("*.log"))).decode())
        cursors = re.findall(r"cursor (p\d+:[0-9a-z]+)", text.split("\n  ")[0])
        return text, cursors[-1] if cursors else None

    def edit(self, name):
        """The source with that name in it, whole at any moment."""
        (self.folder / "new").write_text(self.source.replace("NAME", name))
        os.replace(self.folder / "new", self.folder / self.file)

    def expect(self, answer, *parts):
        missing = [p for p in parts if p not in answer]
        if missing:
            raise SystemExit(f"scripts/bench: job {self.variant}, {self.noise}: {missing} is missed in: {answer}")

    def run(self):
        self.session = self.daemon.session()
        shutil.copy(SERVER, self.folder / "serve.py")
        self.edit("price")
        command, ready = f"python3 serve.py {self.variant} {NOISE[self.noise]}", {"pattern": "ready:"}
        policy = {"restart": "on_failure"} if self.variant == "crash" else {}
        place = {"working_directory": str(self.folder), "label": self.label}
        text, cursor = self.call("start_process", command=command, **place, **policy, wait=ready)
        self.expect(text, "ready: http")
        time.sleep(self.pause)
        self.edit("prise")
        text, cursor = self.call("wait_for_process", process=self.label, cursor=cursor, **ready)
        self.expect(text, f"{self.file}:{self.line}", *self.message)
        time.sleep(self.pause)
        self.edit("price")
        if self.variant == "crash":
            text, _ = self.call("restart_process", process=self.label, wait=ready)
        else:
            text, _ = self.call("wait_for_process", process=self.label, cursor=cursor, **ready)
        self.expect(text, "ready: http")
        self.session[0].close()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def size_of(texts):
    return sum(len(text.encode()) for text in texts)


def tokens_of(texts):
    return sum(map(tokens_in, texts))


def add_jobs(bench, daemon, pause):
    programs = {"node": ["node"], "compiler": ["c++", "g++", "clang++"]}
    variants = [v for v in VARIANTS if any(map(shutil.which, programs.get(v, ["python3"])))]
    bench.table.skipped.update(set(VARIANTS) - set(variants))
    kinds = [(variant, noise) for noise in NOISE for variant in variants]
    jobs = [Job(daemon, *kind, pause, f"web{i}") for i, kind in enumerate(kinds)]
    try:
        with concurrent.futures.ThreadPoolExecutor(len(jobs)) as all_at_once:
            for done in [all_at_once.submit(job.run) for job in jobs]:
                done.result()
    finally:
        for job in jobs:
            job.close()
    for job in jobs:
        ours, new = size_of(job.read), size_of(job.log[-1:])
        bench.table.add(
            11,
            f"job {job.variant}, {job.noise}: read; limit: new output",
            f"{ours} bytes",
            f"{new} bytes",
            f"{ours / new:.2g} x",
            "<= new output" if job.noise == "quiet" else "<= 900 bytes",
        )
    for noise in NOISE:
        of_noise = [job for job in jobs if job.noise == noise]
        ours, new = (max(tokens_of(t) for t in each) for each in zip(*((j.read, j.log[-1:]) for j in of_noise)))
        goal = "" if noise == "quiet" else "<= 300 tokens"
        bench.table.add(11, f"  {noise}: read, the most", f"{ours} tokens", f"{new} tokens", f"{ours / new:.2g} x", goal)
        least = min(size_of(job.log) for job in of_noise)
        bench.table.peer(11, "shell", f"{noise}: whole-log reads, the least", f"{least} bytes")
    bench.table.add(11, "  calls, the most", f"{max(len(job.read) for job in jobs)} calls", "", "", "<= 3")
    written = max(tokens_of(job.written) for job in jobs)
    bench.table.add(11, "  written, the most", f"{written} tokens", "", "", "<= 120 tokens")


def measure(bench):
    with Daemon(bench, "row11") as daemon:
        add_jobs(bench, daemon, pause=0.05 if bench.quick else 5)
    ended = 20 if bench.quick else 100
    with Daemon(bench, "row11") as daemon:
        session = daemon.session()
        for i in range(ended):
            daemon.call(session, "start_process", command=["true"], working_directory="/", label=f"job{i}")
        daemon.call(session, "wait_for_process", process=f"job{ended - 1}", until="exit")
        listed = daemon.call(session, "list_processes")["content"][0]["text"]
        tokens = tokens_in(listed)
        bench.table.add(11, f"list_processes, {ended} have ended", f"{tokens} tokens", "", "", "<= 400 tokens")
        connection, headers = session
        connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), headers)
        tools = connection.getresponse().read()
        bench.table.add(11, "tools/list", f"{len(tools)} bytes", "", "", "<= 8192 bytes")
        connection.close()
