"""A development server for row 11 of scripts/bench: serve.py VARIANT LINES_PER_SECOND, in the folder of its source.

Loads its source, says so, and loads it again whenever it changes; what is wrong is told by the real interpreter or
compiler. Beside it, it logs requests: so many lines a second.
  python    app.py in this process; a traceback, and it goes on watching
  node      app.js by node
  compiler  app.cpp by the C++ compiler
  crash     app.py, as above, but an error ends the server: its restart policy runs it again
"""
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time
import traceback

SOURCES = {"python": "app.py", "node": "app.js", "compiler": "app.cpp", "crash": "app.py"}


def out(text):
    """One write, so that no two threads share a line."""
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def log_requests(per_second):
    chosen = random.Random(1)
    users = ("curl/7.88.1", "Mozilla/5.0 (X11; Linux x86_64)", "okhttp/4.12.0", "kube-probe/1.29")
    paths = ("/", "/api/items", "/api/items/{}", "/assets/index-{}.js", "/api/users/{}/cart", "/healthz")
    burst = max(1, per_second // 100)
    begin = time.monotonic()
    for count in itertools.count(1):
        out(
            "".join(
                f'{time.strftime("%H:%M:%S")} INFO  127.0.0.1 "GET {chosen.choice(paths).format(chosen.randrange(9999))} '
                f'HTTP/1.1" {chosen.choice((200, 200, 200, 304))} {chosen.randrange(40, 90000)} '
                f'{chosen.randrange(1, 400) / 10} ms "{chosen.choice(users)}"\n'
                for _ in range(burst)
            )
        )
        time.sleep(max(0.0, begin + count * burst / per_second - time.monotonic()))


def load(variant, source):
    """Whether it loads; what is wrong has been printed then."""
    if variant in ("python", "crash"):
        try:
            exec(compile(pathlib.Path(source).read_text(), source, "exec"), {})
        except Exception:
            traceback.print_exc()
            if variant == "crash":
                sys.exit(1)
            return False
        return True
    compiler = next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), "c++")
    command = ["node", source] if variant == "node" else [compiler, "-std=c++20", "-fsyntax-only", source]
    return subprocess.run(command).returncode == 0


def main():
    variant, per_second = sys.argv[1], int(sys.argv[2])
    source = pathlib.Path(SOURCES[variant]).resolve()
    out(f"\n  shop-dev 4.2.1 ({variant})\n\n  loading {source.name} ...\n")
    if per_second:
        threading.Thread(target=log_requests, args=(per_second,), daemon=True).start()
    while True:
        changed = source.stat().st_mtime_ns
        if load(variant, str(source)):
            out(f"  ready: http://127.0.0.1:5173/\n  watching {source.parent} for changes, press h + enter to show help\n")
        else:
            out("  waiting for changes before it is loaded again ...\n")
        while source.stat().st_mtime_ns == changed:
            time.sleep(0.02)
        out(f"  {time.strftime('%H:%M:%S')} change in {source.name}, loading it again\n")


if __name__ == "__main__":
    main()
