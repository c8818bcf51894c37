"""What a hostile or broken peer can send over a socket, and that it harms nobody.

Each table says what is sent and what must come back. Behind every request of the tables stands a well-formed one: it
is answered where the connection goes on, and must not be where it ends, so that a daemon that takes one request for
two, or two for one, shows it. After each attack another client is served at once on the connection it has had all
along; at the end the daemon is the same process, holds hardly more memory, and has started nothing.
"""
import json
import os
import pathlib
import re
import resource
import select
import socket
import threading
import time
import typing

import harness

SANITIZED = b"__asan_init" in (harness.BIN / "persistprocd").read_bytes()
AT_ONCE = 20.0 if SANITIZED else 5.0  # seconds; below the deadlines of what is unfinished (10 and 30)
MOST_GROWTH = 64 << 20
BODY_LIMIT = 4 << 20

INITIALIZE = json.dumps({
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": harness.PROTOCOL, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}},
}).encode()
POST = (
    b"POST /mcp HTTP/1.1",
    b"Host: localhost",
    b"Content-Type: application/json",
    b"Accept: application/json, text/event-stream",
)
AFTER = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIZE = b"%x" % len(INITIALIZE)
LENGTH = b"Content-Length: %d" % len(INITIALIZE)
LAST_CHUNK = b"0\r\n\r\n"


class Attack(typing.NamedTuple):
    name: str
    request: bytes
    status: int
    goes_on: bool  # whether the connection is good for another request


def head(*lines):
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(*lines, body=INITIALIZE):
    return head(*POST, *lines) + body


def get(line, *lines):
    return head(line, b"Host: localhost", *lines)


def chunked(raw):
    return post(b"Transfer-Encoding: chunked", body=raw)


def chunk(size=SIZE, end_of_size=b"\r\n", data=INITIALIZE, end_of_data=b"\r\n", last=LAST_CHUNK):
    return chunked(size + end_of_size + data + end_of_data + last)


def refused(name, request, status=400):
    return Attack(name, request, status, False)


def answered(name, request, status=200):
    return Attack(name, request, status, True)


# Where the body ends, said in two ways, or in a way that others read differently.
LENGTHS = (
    refused("length and chunked", post(LENGTH, b"Transfer-Encoding: chunked", body=SIZE + b"\r\n" + LAST_CHUNK)),
    refused("chunked and length", post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=LAST_CHUNK)),
    refused("two lengths", post(LENGTH, b"Content-Length: 0")),
    refused("two equal lengths", post(LENGTH, LENGTH)),
    refused("two lengths in one", post(b"Content-Length: 5, 5")),
    refused("length with a sign", post(b"Content-Length: +%d" % len(INITIALIZE))),
    refused("negative length", post(b"Content-Length: -1")),
    refused("length in hexadecimal", post(b"Content-Length: 0x10")),
    refused("length with an exponent", post(b"Content-Length: 1e2")),
    refused("length with a fraction", post(b"Content-Length: 10.0")),
    refused("length with an underscore", post(b"Content-Length: 1_0")),
    refused("length in other digits", post("Content-Length: \u0661\u0662".encode())),
    refused("length behind a no-break space", post(b"Content-Length: \xa0%d" % len(INITIALIZE))),
    refused("no length in it", post(b"Content-Length: ")),
    refused("length beyond 64 bits", post(b"Content-Length: %d" % (2**64 + len(INITIALIZE)))),
    answered("length with zeros in front", post(b"Content-Length: 000%d" % len(INITIALIZE))),
    answered("length between blanks", post(b"Content-Length:\t  %d \t" % len(INITIALIZE))),
    refused("space before the colon", post(b"Content-Length : %d" % len(INITIALIZE))),
    refused("tab before the colon", post(b"Content-Length\t: %d" % len(INITIALIZE))),
    refused("space before a second length's colon", post(LENGTH, b"Content-Length : 0")),
    refused("chunked twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=LAST_CHUNK)),
    refused("chunked, then another", post(b"Transfer-Encoding: chunked, identity", body=LAST_CHUNK)),
    refused("another, then chunked", post(b"Transfer-Encoding: gzip, chunked", body=LAST_CHUNK)),
    refused("identity", post(b"Transfer-Encoding: identity", LENGTH)),
    refused("no coding", post(b"Transfer-Encoding: ", LENGTH)),
    refused("nearly chunked", post(b"Transfer-Encoding: xchunked", LENGTH)),
    refused("chunked in quotes", post(b'Transfer-Encoding: "chunked"', LENGTH)),
    refused("chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", body=LAST_CHUNK)),
    refused("chunked behind a vertical tab", post(b"Transfer-Encoding: \x0bchunked", LENGTH)),
    refused("chunked behind a fold", post(LENGTH, b"Transfer-Encoding:", b" chunked")),
    refused("space before the coding's colon", post(LENGTH, b"Transfer-Encoding : chunked")),
    answered("a field that only looks like it", post(LENGTH, b"Transfer_Encoding: chunked")),
    answered("chunked in other letters", post(b"Transfer-Encoding: CHUNKED", body=SIZE + b"\r\n" + INITIALIZE
                                              + b"\r\n" + LAST_CHUNK)),
    refused("chunked in HTTP/1.0", head(b"POST /mcp HTTP/1.0", *POST[1:], b"Transfer-Encoding: chunked") + LAST_CHUNK),
    answered("neither a length nor a body", post(body=b""), 400),
    # It has a body, which is not taken for the next request.
    answered("a body where none belongs", get(b"GET /healthz HTTP/1.1", b"Content-Length: %d" % len(AFTER)) + AFTER),
    refused("a body of what is refused", get(b"PUT /mcp HTTP/1.1", b"Content-Length: %d" % len(AFTER)) + AFTER, 405),
    refused("a chunked body of what is refused", get(b"PUT /x HTTP/1.1", b"Transfer-Encoding: chunked") + AFTER, 404),
)

CHUNKS = (
    answered("as it should be", chunk()),
    answered("size with zeros in front", chunk(b"0000" + SIZE)),
    answered("size in capitals", chunk(SIZE.upper())),
    answered("a small extension", chunk(SIZE + b';a=b;c="d e"')),
    answered("an extension of the last one", chunk(last=b"0;x\r\n\r\n")),
    answered("a last one of several zeros", chunk(last=b"000\r\n\r\n")),
    refused("size with a plus", chunk(b"+" + SIZE)),
    refused("size with a minus", chunk(b"-" + SIZE)),
    refused("size with 0x", chunk(b"0x" + SIZE)),
    refused("space before the size", chunk(b" " + SIZE)),
    refused("space behind the size", chunk(SIZE + b" ")),
    refused("tab behind the size", chunk(SIZE + b"\t")),
    refused("NUL behind the size", chunk(SIZE + b"\0")),
    refused("no size", chunk(b"")),
    refused("no size but an extension", chunk(b";a=b")),
    refused("no hexadecimal", chunk(b"zz")),
    refused("size that wraps around in 64 bits", chunk(b"1%016x" % len(INITIALIZE))),
    refused("size of 64 bits", chunk(b"f" * 16), 413),
    refused("size that is negative in 64 bits", chunk(b"8" + b"0" * 15), 413),
    refused("size over the limit", chunk(b"%x" % (BODY_LIMIT + 1)), 413),
    refused("bare LF behind the size", chunk(end_of_size=b"\n")),
    refused("bare CR behind the size", chunk(end_of_size=b"\r")),
    refused("LF in an extension", chunk(SIZE + b";a\nb")),
    refused("CR in an extension", chunk(SIZE + b";a\rb")),
    refused("NUL in an extension", chunk(SIZE + b";a=\0")),
    refused("an open quote in an extension", chunk(SIZE + b';a="')),
    refused("bare LF behind the data", chunk(end_of_data=b"\n")),
    refused("nothing behind the data", chunk(end_of_data=b"")),
    refused("anything behind the data", chunk(end_of_data=b"XX")),
    refused("more data than said", chunk(b"%x" % (len(INITIALIZE) - 1))),
    refused("less data than said", chunk(b"%x" % (len(INITIALIZE) + 1))),
    refused("bare LFs behind the last one", chunk(last=b"0\n\n")),
    refused("bare LF behind the trailers", chunk(last=b"0\r\n\n")),
    answered("a trailer", chunk(last=b"0\r\nT: v\r\n\r\n")),
    answered("a trailer that names a host", chunk(last=b"0\r\nHost: evil.example\r\n\r\n")),
    answered("a trailer that names an origin", chunk(last=b"0\r\nOrigin: http://evil.example\r\n\r\n")),
    refused("a trailer with a length", chunk(last=b"0\r\nContent-Length: 3\r\n\r\n")),
    refused("a trailer with a coding", chunk(last=b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    refused("a trailer without a colon", chunk(last=b"0\r\nno colon\r\n\r\n")),
    refused("a trailer with space before its colon", chunk(last=b"0\r\nT : v\r\n\r\n")),
    refused("a trailer with a bare LF", chunk(last=b"0\r\nT: v\nX: y\r\n\r\n")),
    refused("a trailer with NUL", chunk(last=b"0\r\nT: \0\r\n\r\n")),
    # A head may have 16 KiB; what stands between and behind chunks is no better, however its bytes arrive.
    refused("a huge extension", chunk(SIZE + b";a=" + b"b" * 17000)),
    refused("a huge extension without an end", chunked(SIZE + b";a=" + b"b" * 100000)),
    refused("a huge trailer", chunk(last=b"0\r\nT: " + b"v" * 20000 + b"\r\n\r\n")),
    refused("huge trailers", chunk(last=b"0\r\n" + b"T: v\r\n" * 3500 + b"\r\n")),
    refused("huge trailers without an end", chunk(last=b"0\r\n" + b"T: v\r\n" * 40000)),
    answered("each byte a chunk", chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in INITIALIZE) + LAST_CHUNK)),
    refused("each byte a chunk, over the limit", chunked(b"1\r\n \r\n" * 16 + b"%x\r\n" % BODY_LIMIT), 413),
)

LINES = (
    answered("as it should be", get(b"GET /healthz HTTP/1.1")),
    answered("a query", get(b"GET /healthz?a=b HTTP/1.1")),
    answered("empty lines in front", b"\r\n" * 1000 + AFTER),
    answered("upgrade to HTTP/2", get(b"GET /healthz HTTP/1.1", b"Connection: Upgrade, HTTP2-Settings",
                                      b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")),
    answered("upgrade to a web socket", get(b"GET /mcp HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket",
                                            b"Sec-WebSocket-Version: 13",
                                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 405),
    refused("bare LF in front", b"\n" + AFTER),
    refused("bare LF behind the line", AFTER.replace(b"1.1\r\n", b"1.1\n")),
    refused("bare LFs", AFTER.replace(b"\r\n", b"\n")),
    refused("bare CRs", AFTER.replace(b"\r\n", b"\r") + b"\r\n"),
    refused("no version", get(b"GET /healthz")),
    refused("HTTP/0.9", b"GET /healthz\r\n\r\n"),
    refused("HTTP/0.9, said so", get(b"GET /healthz HTTP/0.9")),
    refused("HTTP/1.0", get(b"GET /healthz HTTP/1.0"), 200),
    answered("HTTP/1.0 that stays", get(b"GET /healthz HTTP/1.0", b"Connection: keep-alive")),
    refused("HTTP/1.0 without a host", b"GET /healthz HTTP/1.0\r\n\r\n", 403),
    refused("HTTP/1.2", get(b"GET /healthz HTTP/1.2")),
    refused("HTTP/1.10", get(b"GET /healthz HTTP/1.10")),
    refused("HTTP/2.0", get(b"GET /healthz HTTP/2.0")),
    refused("HTTP/3", get(b"GET /healthz HTTP/3")),
    refused("http", get(b"GET /healthz http/1.1")),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    refused("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\n" + b"x" * 150),
    refused("another protocol", b"EHLO localhost\r\nMAIL FROM:<a@example>\r\n\r\n"),
    refused("two spaces", get(b"GET  /healthz HTTP/1.1")),
    refused("space in front", get(b" GET /healthz HTTP/1.1")),
    refused("space behind", get(b"GET /healthz HTTP/1.1 ")),
    refused("tabs", get(b"GET\t/healthz\tHTTP/1.1")),
    refused("no target", get(b"GET HTTP/1.1")),
    refused("only a method", get(b"GET")),
    refused("space in the target", get(b"GET /health z HTTP/1.1")),
    refused("NUL in the target", get(b"GET /healthz\0 HTTP/1.1")),
    refused("DEL in the target", get(b"GET /healthz\x7f HTTP/1.1")),
    refused("NUL in the method", get(b"GE\0T /healthz HTTP/1.1")),
    refused("8 bits in the method", get(b"G\xcbT /healthz HTTP/1.1")),
    answered("8 bits in the target", get(b"GET /healthz\xff HTTP/1.1"), 404),
    answered("another method's letters", get(b"get /healthz HTTP/1.1"), 405),
    answered("absolute target", get(b"GET http://localhost/healthz HTTP/1.1")),
    answered("absolute target of another", get(b"GET http://evil.example/mcp HTTP/1.1"), 403),
    answered("a tunnel", get(b"CONNECT localhost:22 HTTP/1.1"), 404),
    answered("everything", get(b"OPTIONS * HTTP/1.1"), 404),
    answered("no slash", get(b"GET healthz HTTP/1.1"), 404),
    answered("unknown method", get(b"BREW /mcp HTTP/1.1"), 405),
    answered("TRACE", get(b"TRACE /mcp HTTP/1.1"), 405),
    answered("PATCH", get(b"PATCH /mcp HTTP/1.1"), 405),
    answered("HEAD", get(b"HEAD /mcp HTTP/1.1"), 405),
    answered("HEAD of a page", get(b"HEAD /healthz HTTP/1.1")),
    answered("a huge method", get(b"M" * 8000 + b" /mcp HTTP/1.1"), 405),
    answered("a large target", get(b"GET /" + b"a" * 8000 + b" HTTP/1.1"), 404),
    refused("a huge target", get(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), 414),
    refused("a line without an end", b"A" * 100000, 414),
)

# One name for each thing: no other spelling of a path reaches it.
PATHS = tuple(
    answered(target, get(method + b" " + target.encode() + b" HTTP/1.1", b"Content-Type: application/json"), 404)
    for method, target in (
        *((b"POST", path) for path in (
            "/", "//mcp", "/mcp//", "/./mcp", "/mcp/.", "/mcp/../mcp", "/x/../mcp", "/%6dcp", "/mcp%2f", "/mcp%00",
            "/mcp;x", "/mcp#x", "/MCP", "/mcpx", "/mcp/mcp", "/mcp\\", "\\mcp", "/sse",
            "/.well-known/oauth-protected-resource")),
        *((b"GET", path) for path in (
            "/", "//healthz", "/healthz/", "/./healthz", "/mcp/../healthz", "/%68ealthz", "/healthz%00", "/healthz;x",
            "/healthz#x", "/HEALTHZ", "/healthz\\", "/readyz/..", "/index.html", "/favicon.ico", "/robots.txt",
            "/.well-known/oauth-authorization-server")),
    )
)

FIELDS = (
    answered("63 of them", get(b"GET /healthz HTTP/1.1", *(b"X%d: y" % n for n in range(63)))),
    refused("65 of them", get(b"GET /healthz HTTP/1.1", *(b"X%d: y" % n for n in range(64))), 431),
    refused("2,000 of them", get(b"GET /healthz HTTP/1.1", *[b"X: y"] * 2000), 431),
    answered("a large one", get(b"GET /healthz HTTP/1.1", b"X: " + b"a" * 16000)),
    refused("a huge one", get(b"GET /healthz HTTP/1.1", b"X: " + b"a" * 16384), 431),
    refused("a huge name", get(b"GET /healthz HTTP/1.1", b"X" * 16384 + b": a"), 431),
    refused("one without an end", AFTER[:-2] + b"X: " + b"a" * 100000, 431),
    refused("no host", head(b"GET /healthz HTTP/1.1")),
    refused("two hosts", get(b"GET /healthz HTTP/1.1", b"Host: localhost")),
    refused("two hosts, one of them evil", get(b"GET /healthz HTTP/1.1", b"Host: evil.example")),
    refused("two origins", get(b"GET /healthz HTTP/1.1", b"Origin: http://localhost", b"Origin: http://localhost")),
    refused("two types", post(LENGTH, b"Content-Type: text/plain")),
    refused("two sessions", post(LENGTH, b"Mcp-Session-Id: a", b"Mcp-Session-Id: b")),
    refused("folded with a space", get(b"GET /healthz HTTP/1.1", b"X: a", b" b")),
    refused("folded with a tab", get(b"GET /healthz HTTP/1.1", b"X: a", b"\tb")),
    refused("the first one folded", head(b"GET /healthz HTTP/1.1", b" Host: localhost")),
    refused("the host folded", head(b"GET /healthz HTTP/1.1", b"Host:", b" localhost")),
    refused("bare LF between two", get(b"GET /healthz HTTP/1.1", b"X: a\nY: b")),
    refused("bare CR in one", get(b"GET /healthz HTTP/1.1", b"X: a\rY: b")),
    refused("no colon", get(b"GET /healthz HTTP/1.1", b"X")),
    refused("no name", get(b"GET /healthz HTTP/1.1", b": y")),
    refused("space in the name", get(b"GET /healthz HTTP/1.1", b"X Y: z")),
    refused("NUL in the name", get(b"GET /healthz HTTP/1.1", b"X\0: y")),
    refused("8 bits in the name", get(b"GET /healthz HTTP/1.1", b"X\xff: y")),
    refused("NUL in a value", get(b"GET /healthz HTTP/1.1", b"X: \0")),
    refused("NUL in the host", head(b"GET /healthz HTTP/1.1", b"Host: localhost\0.evil.example")),
    refused("a control character in a value", get(b"GET /healthz HTTP/1.1", b"X: \x01")),
    refused("DEL in a value", get(b"GET /healthz HTTP/1.1", b"X: \x7f")),
    answered("8 bits in a value", get(b"GET /healthz HTTP/1.1", b"X: \xff\xfe")),
    answered("an empty value", get(b"GET /healthz HTTP/1.1", b"X:")),
    refused("the connection's end", get(b"GET /healthz HTTP/1.1", b"Connection: close"), 200),
    answered("a session that is none", post(LENGTH, b"Mcp-Session-Id: " + b"A" * 8000)),
    answered("a compressed body", post(b"Content-Encoding: gzip", b"Content-Length: 0", body=b""), 415),
    answered("no JSON", head(*POST[:2], b"Content-Type: text/plain", b"Content-Length: 0"), 415),
    answered("nothing acceptable", head(*POST[:3], b"Accept: image/png", b"Content-Length: 0"), 406),
    refused("an expectation of another kind", post(b"Expect: 200-ok", LENGTH), 417),
    refused("a body over the limit", post(b"Content-Length: %d" % (BODY_LIMIT + 1), body=b""), 413),
    refused("a body far over the limit", post(b"Content-Length: 999999999999", body=b""), 413),
    refused("a body over the limit, asked for first",
            post(b"Expect: 100-continue", b"Content-Length: %d" % (BODY_LIMIT + 1), body=b""), 413),
)


def ping(rest, number=b"1"):
    return b'{"jsonrpc":"2.0","id":%s,"method":"ping"%s}' % (number, rest)


def param(value):
    return ping(b',"params":{"a":%s}' % value)


# (name, body, status, code of the error or None)
TEXTS = (
    ("nothing", b"", 400, -32700),
    ("null", b"null", 400, -32600),
    ("a number", b"1", 400, -32600),
    ("a string", b'"x"', 400, -32600),
    ("an empty object", b"{}", 400, -32600),
    ("an empty batch", b"[]", 400, -32600),
    ("a batch after 2025-03-26", b"[" + b",".join([ping(b"")] * 5000) + b"]", 400, -32600),
    ("a byte order mark", b"\xef\xbb\xbf" + ping(b""), 400, -32700),
    ("UTF-16", ping(b"").decode().encode("utf-16"), 400, -32700),
    ("zeros", b"\0" * 1000, 400, -32700),
    ("cut", ping(b"")[:-1], 400, -32700),
    ("something behind it", ping(b"") + b" x", 400, -32700),
    ("two of them", ping(b"") * 2, 400, -32700),
    ("single quotes", b"{'jsonrpc':'2.0'}", 400, -32700),
    ("a comma too many", ping(b","), 400, -32700),
    ("a comment", b"/**/" + ping(b""), 400, -32700),
    ("names without quotes", b"{jsonrpc:2}", 400, -32700),
    ("a raw line end in a string", param(b'"\n"'), 400, -32700),
    ("a raw NUL in a string", param(b'"\0"'), 400, -32700),
    ("an unknown escape", param(b'"\\x41"'), 400, -32700),
    ("a NUL in a string", param(b'"\\u0000"'), 200, None),
    ("a NUL in an id", ping(b"", b'"\\u0000"'), 200, None),
    ("an invalid byte", param(b'"\xff"'), 400, -32700),
    ("a cut character", param(b'"\xe2\x82"'), 400, -32700),
    ("an overlong character", param(b'"\xc0\xaf"'), 400, -32700),
    ("a surrogate in UTF-8", param(b'"\xed\xa0\x80"'), 400, -32700),
    ("a character that is none", param(b'"\xf4\x90\x80\x80"'), 400, -32700),
    ("an invalid byte in a name", ping(b',"\xff":1'), 400, -32700),
    ("a lone high surrogate", param(b'"\\ud800"'), 400, -32700),
    ("a lone low surrogate", param(b'"\\udc00"'), 400, -32700),
    ("surrogates in the wrong order", param(b'"\\udc00\\ud800"'), 400, -32700),
    ("a lone surrogate in an id", ping(b"", b'"\\ud800"'), 400, -32700),
    ("a pair of surrogates", param(b'"\\ud83d\\ude00"'), 200, None),
    ("the method twice", ping(b',"method":"tools/list"'), 400, -32700),
    ("the id twice", ping(b',"id":2'), 400, -32700),
    ("a name twice, once escaped", ping(b',"\\u0069d":2'), 400, -32700),
    ("a parameter twice", param(b'{"b":1,"b":2}'), 400, -32700),
    ("one of 10,000 twice", param(b"{" + b",".join(b'"%d":0' % (n % 9999) for n in range(10000)) + b"}"), 400, -32700),
    ("64 deep", param(b"[" * 62 + b"]" * 62), 200, None),
    ("65 deep", param(b"[" * 63 + b"]" * 63), 400, -32700),
    ("100,000 arrays deep", param(b"[" * 100000 + b"]" * 100000), 400, -32700),
    ("100,000 objects deep", param(b'{"a":' * 100000 + b"0" + b"}" * 100000), 400, -32700),
    ("2,000,000 arrays deep, never closed", b"[" * 2000000, 400, -32700),
    ("99,000 values", param(b"[" + b"0," * 98999 + b"0]"), 200, None),
    ("2,000,000 values", param(b"[" + b"0," * 1999999 + b"0]"), 400, -32700),
    ("300,000 members", param(b"{" + b",".join(b'"%d":0' % n for n in range(300000)) + b"}"), 400, -32700),
    ("a string of 4 MB", param(b'"' + b"a" * 4000000 + b'"'), 200, None),
    ("a string of 600,000 escapes", param(b'"' + b"\\u00e9" * 600000 + b'"'), 200, None),
    ("a name of 4 MB", ping(b',"' + b"a" * 4000000 + b'":1'), 200, None),
    ("a method of 4 MB", b'{"jsonrpc":"2.0","id":1,"method":"' + b"m" * 4000000 + b'"}', 200, -32601),
    ("an id of 1 MB", ping(b"", b'"' + b"i" * 1000000 + b'"'), 400, -32600),
    ("4 MB of blanks", b" " * 4000000 + ping(b""), 200, None),
    ("a number of a million digits", param(b"1" * 1000000), 400, -32700),
    ("a fraction of a million digits", param(b"0." + b"1" * 1000000), 200, None),
    ("a number too large", param(b"1e400"), 400, -32700),
    ("a number too small", param(b"1e-400"), 200, None),
    ("an exponent of 1,000 digits", param(b"1e" + b"9" * 1000), 400, -32700),
    ("not a number", param(b"NaN"), 400, -32700),
    ("infinite", param(b"-Infinity"), 400, -32700),
    ("a zero in front", param(b"01"), 400, -32700),
    ("a plus in front", param(b"+1"), 400, -32700),
    ("hexadecimal", param(b"0x1"), 400, -32700),
    ("an id of 64 bits", ping(b"", b"18446744073709551615"), 200, None),
    ("an id of more", ping(b"", b"18446744073709551616"), 400, -32600),
    ("the smallest id", ping(b"", b"-9223372036854775808"), 200, None),
    ("a smaller id", ping(b"", b"-9223372036854775809"), 400, -32600),
    ("an id with a fraction", ping(b"", b"1.5"), 400, -32600),
    ("a result and an error", b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 400, -32600),
    ("a result that is none", b'{"jsonrpc":"2.0","id":1,"result":5}', 400, -32600),
    ("an answer to nobody", b'{"jsonrpc":"2.0","id":1,"result":{}}', 202, None),
    ("an error for nobody", b'{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":[]}}', 202, None),
)

VALUES = (None, True, 0, -1, 1.5, "", "x", [], [1], {}, {"a": 1})


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


# Of each member of a message: (status, code) for a value that is put in its place.
MEMBERS = {
    "jsonrpc": lambda value: (400, -32600),
    "id": lambda value: (200, None) if isinstance(value, str) or is_integer(value) else (400, -32600),
    "method": lambda value: (200, -32601) if isinstance(value, str) else (400, -32600),
    "params": lambda value: (200, None) if value is None or isinstance(value, dict) else (200, -32602),
}
# An unknown argument is the tool's own error, not the protocol's.
CALL_MEMBERS = {
    "name": lambda value: (200, -32602),
    "arguments": lambda value: (200, None) if value is None or isinstance(value, dict) else (200, -32602),
    "_meta": lambda value: (200, None),
}


class Wire:
    """A connection of bytes."""

    def __init__(self, port, buffer=None):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.received = b""

    def send(self, data):
        """It may hang up while we still send: what counts is what it said."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read(self):
        """False at the end."""
        try:
            more = self.socket.recv(65536)
        except ConnectionResetError:
            more = b""
        self.received += more
        return more != b""

    def end(self):
        """Says that no more comes, and reads to the end."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # already gone
        while self.read():
            pass
        return self.received

    def close(self):
        self.socket.close()


def split_answers(received, of_head=False):
    """(status, head, body) of each answer. `of_head`: the first one is a HEAD's and has no body."""
    out = []
    while received:
        top, separator, received = received.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", top)
        if not separator or not status:
            raise AssertionError(f"no answer: {top[:200]!r}")
        length = re.search(rb"(?i)\r\nContent-Length: (\d+)", top)
        size = int(length[1]) if length and not (of_head and not out) else 0
        if len(received) < size:
            raise AssertionError(f"an answer without its end: {top[:200]!r}")
        out.append((int(status[1]), top, received[:size]))
        received = received[size:]
    return out


class Attacked(harness.TestCase):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < min(hard, 8192):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.other = self.mcp()
        self.other.request("tools/list")
        self.kept = self.other.connection.sock
        self.process = self.daemon.process
        self.memory = self.held_memory()
        self.descriptors = self.open_descriptors()
        self.addCleanup(self.check_unharmed)

    def held_memory(self):
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"(?m)^Pss:\s+(\d+) kB", rollup)[1]) << 10

    def processor_seconds(self):
        user, system = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def open_descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def served(self):
        """The other client is answered at once, on the connection it has had all along."""
        began = time.monotonic()
        self.assertEqual(self.other.request("ping"), {})
        self.assertLess(time.monotonic() - began, AT_ONCE)
        self.assertIs(self.other.connection.sock, self.kept)

    def check_unharmed(self):
        self.served()
        self.assertEqual(self.other.call("list_processes").structured, {"processes": []})
        self.assertIsNone(self.process.poll())
        self.assertIs(self.daemon.process, self.process)
        # A sanitizer keeps what was freed for a while.
        if not SANITIZED:
            self.assertLess(self.held_memory() - self.memory, MOST_GROWTH)

    def is_read(self, wire):
        """Whether the daemon has read all that was sent (proc(5), net/tcp)."""
        own, daemon = wire.socket.getsockname()[1], self.daemon.port
        left = 0
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues = line.split()[:5]
            sent, received = queues.split(":")
            ends = int(local[-4:], 16), int(remote[-4:], 16)
            left += int(sent, 16) if ends == (own, daemon) else int(received, 16) if ends == (daemon, own) else 0
        return left == 0

    def wire(self, **options):
        wire = Wire(self.daemon.port, **options)
        self.addCleanup(wire.close)
        return wire

    def run_table(self, attacks):
        for attack in attacks:
            with self.subTest(attack.name):
                wire = self.wire()
                wire.send(attack.request + AFTER)
                answers = split_answers(wire.end(), attack.request.startswith(b"HEAD "))
                wire.close()
                statuses = [status for status, _, _ in answers]
                self.assertEqual(statuses, [attack.status] + [200] * attack.goes_on, wire.received[:1000])
                if attack.goes_on:
                    self.assertEqual(answers[1][2], b"ok\n")
                else:
                    self.assertIn(b"connection: close", answers[0][1].lower())
                self.served()


class Tables(Attacked):
    def test_where_a_body_ends(self):
        self.run_table(LENGTHS)

    def test_chunks(self):
        self.run_table(CHUNKS)

    def test_request_lines(self):
        self.run_table(LINES)

    def test_paths(self):
        self.run_table(PATHS)

    def test_fields(self):
        self.run_table(FIELDS)

    def test_nothing_depends_on_how_bytes_arrive(self):
        """Each byte of its own, or all at once: the same answer."""
        for attack in (*CHUNKS, *LENGTHS):
            if len(attack.request) > 2000 or not (attack.name.startswith("a ") or "behind" in attack.name):
                continue
            with self.subTest(attack.name):
                wire = self.wire()
                wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in attack.request + AFTER:
                    wire.send(b"%c" % byte)
                statuses = [status for status, _, _ in split_answers(wire.end())]
                self.assertEqual(statuses, [attack.status] + [200] * attack.goes_on)
        self.served()

    def test_json(self):
        attacker = self.mcp()
        for name, body, status, code in TEXTS:
            with self.subTest(name):
                self.check(attacker.post(body), status, code)
                self.served()

    def test_members_of_every_type(self):
        attacker = self.mcp()
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {}}
        call = {"name": "list_processes", "arguments": {}, "_meta": {}}
        for value in VALUES:
            for member, expected in MEMBERS.items():
                with self.subTest(member=member, value=value):
                    self.check(attacker.post({**message, member: value}), *expected(value))
            for member, expected in CALL_MEMBERS.items():
                with self.subTest(member=member, value=value):
                    self.check(attacker.post({**message, "method": "tools/call", "params": {**call, member: value}}),
                               *expected(value))
            # A notification is never answered, whatever it holds.
            for method in ("notifications/cancelled", "notifications/initialized", "notifications/x", "ping"):
                with self.subTest(notification=method, value=value):
                    self.check(attacker.post({"jsonrpc": "2.0", "method": method, "params": value}), 202, None)
                    self.check(attacker.post({"jsonrpc": "2.0", "method": method, "params": {"requestId": value}}),
                               202, None)
            self.served()
        for member in ("jsonrpc", "method"):
            self.check(attacker.post({k: v for k, v in message.items() if k != member}), 400, -32600)

    def test_arguments_of_every_type(self):
        """Whatever an argument is, a tool says what is wrong with it, or takes it; nothing is started by it."""
        attacker = self.mcp()
        for tool in attacker.request("tools/list")["tools"]:
            for argument in tool["inputSchema"]["properties"]:
                for value in (*VALUES, "\0", "x" * 100000, -(2**63), 2**64 - 1, 1e300, [[]], {"": {}}):
                    with self.subTest(tool=tool["name"], argument=argument, value=str(value)[:20]):
                        answer = attacker.call(tool["name"], **{argument: value})
                        required = tool["inputSchema"].get("required", [])
                        if any(name != argument for name in required):
                            self.assertTrue(answer.is_error, answer.text[:300])
            self.served()
        # A command alone is all that a start needs: what was taken for one has failed or is over.
        for view in self.other.call("list_processes").structured["processes"]:
            self.wait_exit(view["id"])
            self.ok("rm", view["id"])

    def test_envelopes_of_every_type(self):
        """2026-07-28: version and capabilities come with each request."""
        attacker = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(attacker.close)
        prefix = "io.modelcontextprotocol/"
        headers = {"MCP-Protocol-Version": harness.MODERN, "Mcp-Method": "tools/list"}

        def ask(meta, **changed):
            return attacker.post(
                {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}, **changed}, headers
            )

        self.check(ask(harness.ENVELOPE), 200, None)
        for value in VALUES:
            with self.subTest(value=value):
                version = -32020 if isinstance(value, str) else -32602
                self.check(ask({**harness.ENVELOPE, prefix + "protocolVersion": value}), 400, version)
                capable = isinstance(value, dict)
                self.check(ask({**harness.ENVELOPE, prefix + "clientCapabilities": value}),
                           *((200, None) if capable else (400, -32602)))
                self.check(ask({**harness.ENVELOPE, prefix + "clientInfo": value}), 200, None)
                self.check(ask({**harness.ENVELOPE, "progressToken": value}), 200, None)
                # Without an envelope in it the headers alone say what it should have been.
                self.check(ask(value), 400, -32602)
                self.check(ask({}, params=value), 400, -32602)
                self.served()

    def check(self, answer, status, code):
        got, headers, body = answer
        self.assertEqual(got, status, body[:300])
        if status == 202:
            self.assertEqual(body, b"")
            return
        text = body.decode()
        if headers.get_content_type() == "text/event-stream":
            text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
        message = json.loads(text)
        self.assertEqual(message.get("error", {}).get("code"), code, text[:300])


class Bodies(Attacked):
    def test_the_largest_body_is_taken(self):
        body = INITIALIZE.ljust(BODY_LIMIT)
        wire = self.wire()
        wire.send(post(b"Content-Length: %d" % BODY_LIMIT, body=body) + AFTER)
        self.assertEqual([status for status, _, _ in split_answers(wire.end())], [200, 200])

    def test_a_body_is_asked_for_once_its_head_is_right(self):
        wire = self.wire()
        wire.send(post(b"Expect: 100-continue", LENGTH, body=b""))
        while b"\r\n\r\n" not in wire.received:
            self.assertTrue(wire.read())
        self.assertEqual(wire.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(INITIALIZE + AFTER)
        statuses = [status for status, _, _ in split_answers(wire.end())]
        self.assertEqual(statuses, [100, 200, 200])

    def test_a_chunked_body_over_the_limit_is_refused_in_the_middle(self):
        wire = self.wire()
        wire.send(chunked(b""))
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(BODY_LIMIT // 65536 + 1):
            wire.send(piece)
        answers = split_answers(wire.end())
        self.assertEqual([status for status, _, _ in answers], [413])

    def test_bodies_that_are_announced_cost_nothing(self):
        wires = [self.wire() for _ in range(1000)]
        for wire in wires:
            wire.send(post(b"Content-Length: %d" % BODY_LIMIT, body=b"{"))
        self.served()
        self.check_unharmed()

    def test_unfinished_bodies_give_way_to_each_other(self):
        """In all 9 MiB of them are held."""
        wires = [self.wire() for _ in range(60)]
        for wire in wires:
            wire.send(post(b"Content-Length: %d" % BODY_LIMIT, body=b" " * (BODY_LIMIT - 1)))
            # Else the one before is read while it is, and may be the newer one.
            harness.eventually("it is read", lambda: self.is_read(wire))
            self.served()
        self.check_unharmed()
        # The newest was kept.
        wires[-1].send(b" " + AFTER)
        self.assertEqual([status for status, _, _ in split_answers(wires[-1].end())], [400, 200])

    def test_a_batch_holds_no_more_memory_than_others_may(self):
        """One that is allowed asks for thousands of long answers at once."""
        attacker = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(attacker.close)
        opening = json.loads(INITIALIZE)
        opening["params"]["protocolVersion"] = "2025-03-26"
        _, headers, _ = attacker.post(opening)
        attacker.session = headers["Mcp-Session-Id"]
        for method in ("ping", "tools/list"):
            with self.subTest(method):
                # From here on the kernel counts the most it had anew.
                pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
                batch = [{"jsonrpc": "2.0", "id": number, "method": method} for number in range(10000)]
                attacker.post(batch, {"MCP-Protocol-Version": "2025-03-26"})
                self.served()
                status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
                most = int(re.search(r"(?m)^VmHWM:\s+(\d+) kB", status)[1]) << 10
                if not SANITIZED:
                    self.assertLess(most - self.memory, MOST_GROWTH)


class Kept(Attacked):
    """What a daemon keeps of a request that is over, or sleeps, is bounded in bytes and not only in number."""

    LARGE = "x" * 3900000
    TIMES = 30

    def repeated(self, attacker, make):
        """Refused or taken: it is the memory that counts."""
        for number in range(self.TIMES):
            status, _, body = attacker.post(make(number))
            self.assertIn(status, (200, 400, 413), body[:200])
            self.served()

    def test_resources_that_are_subscribed_to(self):
        self.repeated(self.mcp(), lambda number: {
            "jsonrpc": "2.0", "id": number, "method": "resources/subscribe",
            "params": {"uri": f"persistproc://processes/{number}{self.LARGE}"},
        })

    def test_what_clients_say_of_themselves(self):
        opening = json.loads(INITIALIZE)
        attacker = harness.Mcp(self.daemon.port, initialize=False)
        self.addCleanup(attacker.close)
        self.repeated(attacker, lambda number: {**opening, "params": {
            **opening["params"], "capabilities": {"experimental": {"a": self.LARGE}},
            "clientInfo": {"name": self.LARGE[:1000], "version": self.LARGE[:1000]},
        }})

    def sleep(self, pad):
        """Waits that do not end, of one session, whose requests are large."""
        process = self.start("web", ["sleep", "600"])["id"]
        attacker = self.mcp()
        session = b"Mcp-Session-Id: " + attacker.session.encode()
        wires = []
        for number in range(self.TIMES):
            arguments = {"process": process, "until": "exit", "timeout_seconds": 50}
            call = {"name": "wait_for_process", "arguments": arguments}
            message = {"jsonrpc": "2.0", "id": str(number), "method": "tools/call", "params": call}
            body = pad(message).encode()
            wires.append(self.wire())
            wires[-1].send(post(session, b"Content-Length: %d" % len(body), body=body))
            self.served()

        def end():
            for wire in wires:
                wire.close()
            self.ok("stop", process)
            self.ok("rm", process)

        self.addCleanup(end)

    def check_held(self):
        if not SANITIZED:
            self.assertLess(self.held_memory() - self.memory, MOST_GROWTH)

    def test_requests_that_sleep(self):
        self.sleep(lambda message: json.dumps(message) + self.LARGE.replace("x", " "))
        self.check_held()

    def test_requests_that_sleep_with_large_ids(self):
        self.sleep(lambda message: json.dumps({**message, "id": message["id"] + self.LARGE}))
        self.check_held()

    def test_requests_that_sleep_cost_others_no_place(self):
        """What others hold is never a reason to drop one that is well-behaved and comes later."""
        self.sleep(lambda message: json.dumps(message) + self.LARGE.replace("x", " "))
        status, _, body = self.other.post(ping(b"").ljust(3 << 20))
        self.assertEqual((status, json.loads(body)["result"]), (200, {}))
        self.served()

    def test_resources_that_are_listened_to(self):
        headers = (
            b"MCP-Protocol-Version: " + harness.MODERN.encode(),
            b"Mcp-Method: subscriptions/listen",
        )
        for number in range(self.TIMES):
            wanted = {"resourceSubscriptions": [f"persistproc://processes/{number}{self.LARGE}"]}
            body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "subscriptions/listen",
                               "params": {"notifications": wanted, "_meta": harness.ENVELOPE}})
            wire = self.wire()
            wire.send(post(*headers, b"Content-Length: %d" % len(body), body=body.encode()))
            # Listened to, refused or hung up on: the answer is read to its end, so that it is not what is held.
            while b"subscriptionId" not in wire.received and b'"error"' not in wire.received and wire.read():
                pass
            self.served()
        self.check_held()


class Floods(Attacked):
    def test_connections_that_send_nothing(self):
        silent = [self.wire() for _ in range(2000)]
        self.served()
        self.mcp().request("tools/list")
        # Beyond 2,048 those go that have been silent for longest.
        silent += [self.wire() for _ in range(500)]
        self.mcp().request("tools/list")
        self.served()
        for wire in silent:
            wire.close()
        harness.eventually("their descriptors are closed",
                           lambda: self.open_descriptors() <= self.descriptors + 8)

    def test_connections_that_hang_up_at_once(self):
        for number in range(1000):
            wire = Wire(self.daemon.port)
            wire.send((b"", AFTER, post(LENGTH), post(LENGTH, body=b"{"))[number % 4])
            wire.close()
        self.served()
        harness.eventually("their descriptors are closed",
                           lambda: self.open_descriptors() <= self.descriptors + 8)

    def test_a_thousand_requests_in_one_go(self):
        attacker = self.mcp()
        session = b"Mcp-Session-Id: " + attacker.session.encode()

        def request(number):
            body = ping(b"", b"%d" % number)
            return post(session, b"Content-Length: %d" % len(body), body=body)

        answers = self.pipelined(b"".join(request(number) for number in range(1000)))
        self.assertEqual({status for status, _, _ in answers}, {200})
        self.assertEqual([json.loads(body)["id"] for _, _, body in answers], list(range(1000)))

    def test_five_thousand_notifications(self):
        attacker = self.mcp()
        bodies = [
            json.dumps({"jsonrpc": "2.0", "method": method, "params": {"requestId": number}}).encode()
            for number in range(1250)
            for method in ("notifications/cancelled", "notifications/initialized", "notifications/roots/list_changed",
                           "notifications/unheard/of")
        ]
        session = b"Mcp-Session-Id: " + attacker.session.encode()
        answers = self.pipelined(
            b"".join(post(session, b"Content-Length: %d" % len(body), body=body) for body in bodies)
        )
        self.assertEqual([status for status, _, _ in answers], [202] * 5000)
        self.assertEqual(attacker.request("ping"), {})

    def test_members_that_are_named_like_ours_cost_no_more_than_others(self):
        def cost(prefix):
            before = self.processor_seconds()
            meta = {f"{prefix}/{number:05}": 1 for number in range(40_000)}
            self.assertEqual(self.other.request("tools/call", {"name": "list_processes", "arguments": {}, "_meta": meta})
                             ["structuredContent"], {"processes": []})
            return self.processor_seconds() - before

        # Where each is looked for among all before it, they cost a hundred times as much.
        others = cost("elsewhere")
        self.assertLess(cost("persistproc"), 10 * others + 0.1)

    def test_sessions_of_one_cost_others_none(self):
        answers = self.pipelined(post(LENGTH) * 1000)
        sessions = {re.search(rb"(?i)\r\nMcp-Session-Id: (\S+)", top)[1] for _, top, _ in answers}
        self.assertEqual(len(sessions), 1000)
        self.assertEqual(self.mcp().request("ping"), {})

    def pipelined(self, requests):
        """Sends them all while reading: nobody is read on who does not take his answers."""
        wire = self.wire()
        sender = threading.Thread(target=wire.send, args=(requests,))
        sender.start()
        self.served()
        while wire.read():
            if wire.received.count(b"HTTP/1.1 ") >= requests.count(b" HTTP/1.1\r\n"):
                break
        sender.join()
        return split_answers(wire.end())


class Slow(Attacked):
    def test_who_sends_a_byte_now_and_then(self):
        """A head has 10 seconds from its first byte, however many follow; a body has 30, and keeps nobody waiting."""
        heads, bodies = [self.wire() for _ in range(100)], [self.wire() for _ in range(100)]
        for wire in heads:
            wire.send(AFTER[:-2] + b"X: ")
        for wire in bodies:
            wire.send(post(b"Content-Length: 100000", body=b"{"))
        deadline = time.monotonic() + harness.PATIENCE
        open_heads = {wire.socket: wire for wire in heads}
        while open_heads:
            self.assertLess(time.monotonic(), deadline, "heads that never end are waited for")
            ready, _, _ = select.select(list(open_heads), [], [], 0.5)
            for each in ready:
                if not open_heads[each].read():
                    del open_heads[each]
            if not ready:
                for wire in (*open_heads.values(), *bodies):
                    wire.send(b" ")
                self.served()
        for wire in heads:
            self.assertEqual([status for status, _, _ in split_answers(wire.received)], [408])
        for wire in bodies:
            self.assertEqual(wire.received, b"")
            wire.close()
        harness.eventually("their descriptors are closed",
                           lambda: self.open_descriptors() <= self.descriptors + len(heads) + 8)

    def test_who_never_reads(self):
        attacker = self.mcp()
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
        session = b"Mcp-Session-Id: " + attacker.session.encode()
        requests = post(session, b"Content-Length: %d" % len(body), body=body) * 500
        greedy = [self.wire(buffer=4096) for _ in range(100)]
        for wire in greedy:
            wire.socket.setblocking(False)
            try:
                # What is not taken at once would never be: the daemon reads no further.
                wire.socket.send(requests)
            except BlockingIOError:
                pass
        self.served()
        self.assertEqual(attacker.request("ping"), {})
        self.check_unharmed()
        for wire in greedy:
            wire.close()
        harness.eventually("their descriptors are closed",
                           lambda: self.open_descriptors() <= self.descriptors + 8)


if __name__ == "__main__":
    harness.main()
