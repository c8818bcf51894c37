"""Whom a request comes from, by its headers: Host, Origin and Sec-Fetch-Site, with every method, type and path.

The contract, and which rule wins over which:

1. Host is there, once (else 400), and names 127.0.0.1, localhost or [::1], with any port or none, which is 80 (else
   403).
2. Origin, where there is one, is `http://` and one of these names with the port that Host names (else 403).
3. Sec-Fetch-Site is not there, or "none" without an Origin (else 403): pages of this very origin are turned away, too.
4. GET and HEAD get the health pages, whatever else the request says, other methods do not; any path but these and the
   endpoint's is 404.
5. The method is POST, GET or DELETE (else 405).
6. The type of a POST is application/json (else 415).
7. Then it is the protocol's: a request is answered, GET and DELETE without a session are 405 and 400.

No answer ever has a header that lets pages of others read it, and what is refused has no effect: every body of the
matrix that must be refused would start a program.
"""
import itertools
import json
import re
import socket
import typing

import harness

METHODS = ("POST", "GET", "DELETE", "OPTIONS", "PUT", "HEAD")
TYPES = (None, "application/json", "text/plain")
PATHS = ("/mcp", "/healthz", "/nothing")
OTHERWISE_ON_A_PAGE = 405  # another method than GET and HEAD
# (value, whether it is let in, with an Origin besides); no value: the header is not sent.
SITES = ((None, True, True), ("none", True, False), ("same-origin", False, False), ("same-site", False, False),
         ("Cross-Site", False, False))


class Name(typing.NamedTuple):
    """What a Host or an Origin says."""

    text: typing.Optional[str]
    port: typing.Optional[int]  # of this machine's own that it names; None: it names something else


def expected(host, origin, site, method, kind, path):
    """The contract above, rule by rule."""
    if host.text is None:
        return 400
    if host.port is None:
        return 403
    if origin.text is not None and origin.port != host.port:
        return 403
    if not site[2 if origin.text is not None else 1]:
        return 403
    if path == "/healthz":
        return 200 if method in ("GET", "HEAD") else OTHERWISE_ON_A_PAGE
    if path != "/mcp":
        return 404
    if method not in ("POST", "GET", "DELETE"):
        return 405
    if method == "POST" and (kind or "").split(";")[0].strip().lower() != "application/json":
        return 415
    return {"POST": 200, "GET": 405, "DELETE": 400}[method]


class Line:
    """A connection that is kept as long as the daemon keeps it."""

    def __init__(self, port):
        self.port, self.socket = port, None

    def ask(self, request, is_head):
        """(status, head)"""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), harness.PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        received, size = b"", None
        while size is None or len(received) < size:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"hung up in the middle of an answer: {received!r}")
            received += more
            end = received.find(b"\r\n\r\n")
            if size is None and end >= 0:
                head = received[:end].lower()
                length = re.search(rb"\r\ncontent-length: (\d+)", head)
                size = end + 4 + (0 if is_head else int(length[1]))
        if len(received) > size:
            raise AssertionError(f"more than one answer: {received!r}")
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), head

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Origins(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.marker = self.place.scratch / "started"
        self.line = Line(self.daemon.port)
        self.addCleanup(self.line.close)
        meta = {"_meta": harness.ENVELOPE}
        self.start_body = json.dumps({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "start_process", **meta,
                       "arguments": {"command": ["touch", str(self.marker)], "working_directory": "/"}},
        }).encode()
        self.list_body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": meta}
        ).encode()

    def request(self, host, origin, site, method, kind, path, is_let_in):
        """What is not to be let in asks for more."""
        lines = [f"{method} {path} HTTP/1.1"]
        for name, value in (("Host", host), ("Origin", origin), ("Sec-Fetch-Site", site), ("Content-Type", kind)):
            if value is not None:
                lines.append(f"{name}: {value}")
        body = b""
        if method in ("POST", "PUT"):
            body = self.list_body if is_let_in else self.start_body
            called = "Mcp-Method: tools/list" if is_let_in else "Mcp-Method: tools/call\r\nMcp-Name: start_process"
            lines += [f"MCP-Protocol-Version: {harness.MODERN}", called, f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(self, host, origin, site, method, kind, path):
        want = expected(host, origin, site, method, kind, path)
        request = self.request(host.text, origin.text, site[0], method, kind, path, want == 200)
        status, head = self.line.ask(request, method == "HEAD")
        if status != want or b"\naccess-control-" in head:
            with self.subTest(host=host.text, origin=origin.text, site=site[0], method=method, type=kind, path=path):
                self.assertEqual(status, want)
                self.assertNotIn(b"\naccess-control-", head)

    def check_nothing_was_started(self):
        self.assertEqual(self.mcp().call("list_processes").structured, {"processes": []})
        self.assertFalse(self.marker.exists())
        # The same body does start it where nothing is wrong: the matrix could fail.
        self.line.ask(self.request(f"localhost:{self.daemon.port}", None, None, "POST", "application/json", "/mcp",
                                   False), False)
        harness.eventually("started", self.marker.exists)

    def test_every_combination(self):
        port = self.daemon.port
        other = port + 1 if port < 65535 else port - 1
        hosts = (
            Name(f"127.0.0.1:{port}", port),
            Name(f"[::1]:{port}", port),
            Name("LOCALHOST", 80),
            Name(f"localhost:{other}", other),  # as through a forwarded port
            Name(f"evil.example:{port}", None),
            Name("0.0.0.0", None),
            Name(None, None),
        )
        origins = (
            Name(None, None),
            Name(f"http://127.0.0.1:{port}", port),
            Name(f"http://localhost:{port}", port),
            Name("http://localhost", 80),
            Name(f"http://[::1]:{other}", other),
            Name("null", None),
            Name(f"https://localhost:{port}", None),
            Name(f"http://evil.example:{port}", None),
        )
        count = 0
        for host, origin, site, method, kind, path in itertools.product(hosts, origins, SITES, METHODS, TYPES, PATHS):
            self.ask(host, origin, site, method, kind, path)
            count += 1
        self.assertEqual(count, 7 * 8 * 5 * 6 * 3 * 3)
        self.check_nothing_was_started()

    def test_spellings(self):
        """Of one header each, the others being right."""
        port = self.daemon.port
        own = Name(f"localhost:{port}", port)
        none = Name(None, None)
        strange = (
            "", "evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}",
            f"localhost.evil.example:{port}", f"evil.example@localhost:{port}", f"localhost@evil.example:{port}",
            f"localhost.:{port}", "127.1", f"127.0.0.2:{port}", f"127.000.000.001:{port}", f"0177.0.0.1:{port}",
            f"2130706433:{port}", f"0x7f000001:{port}", f"0.0.0.0:{port}", f"[::]:{port}", f"[::ffff:127.0.0.1]:{port}",
            f"[0:0:0:0:0:0:0:1]:{port}", f"::1:{port}", f"[::1{port}", f"[::1%lo]:{port}", "[::1]x",
            f"xlocalhost:{port}", f"localhostx:{port}", f"localhost/:{port}", f"localhost, evil.example:{port}",
            f"localhost evil.example:{port}", "localhost:", "localhost:x", "localhost:-1", "localhost:+80",
            "localhost:65536", "localhost:99999999999", f"localhost:{port}:{port}", f"localhost:{port}/",
            f"localhost:{port}#", f"localhost:{port}?", f"%6cocalhost:{port}", "l\u043ecalhost",
        )
        good = (f"localhost:{port}", f"LocalHost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"  localhost:{port}\t")
        for text in good:
            self.ask(Name(text, port), none, SITES[0], "POST", "application/json", "/mcp")
            self.ask(own, Name(f"http://{text.strip()}", port), SITES[0], "POST", "application/json", "/mcp")
        for text in strange:
            self.ask(Name(text, None), none, SITES[0], "POST", "application/json", "/mcp")
            self.ask(own, Name(f"http://{text}", None), SITES[0], "POST", "application/json", "/mcp")
        for text in (
            "", "null", "*", "http://", "http:", "//", f"//localhost:{port}", f"localhost:{port}",
            f"https://localhost:{port}", f"HTTP://localhost:{port}", f"ws://localhost:{port}",
            f"ftp://localhost:{port}", "file://", "about:blank", "data:", "chrome-extension://abcdefghijklmnop",
            "vscode-webview://abc",
            f"blob:http://localhost:{port}", f"http://localhost:{port} http://evil.example",
            f"http://localhost:{port},http://evil.example", f"http://evil.example http://localhost:{port}",
            f"http://localhost:{port}/mcp", f"http:///localhost:{port}", f"http://http://localhost:{port}",
        ):
            self.ask(own, Name(text, None), SITES[0], "POST", "application/json", "/mcp")
        for kind in (
            "Application/JSON", "application/json; charset=utf-8", "application/json ;a=b", "application/json;",
            "", "*/*", "json", "text/json", "application/", "application/jsonp", "application/json-rpc",
            "application/*", "application/x-www-form-urlencoded", "multipart/form-data; boundary=application/json",
            "text/plain", "text/plain; application/json", "text/plain, application/json",
            "application/json, text/plain", "application/ json", "text/html;application/json", '"application/json"',
        ):
            self.ask(own, none, SITES[0], "POST", kind, "/mcp")
        for site, is_let_in in (
            ("CROSS-SITE", False), ("cross-site ", False), ("Same-Site", False), ("SAME-ORIGIN", False),
            ("elsewhere", False), ("", True), ("None", True),
        ):
            self.ask(own, none, (site, is_let_in, False), "POST", "application/json", "/mcp")
        self.check_nothing_was_started()


if __name__ == "__main__":
    harness.main()
