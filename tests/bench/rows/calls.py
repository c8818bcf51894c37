"""Row 9: calls a second."""
import statistics
import subprocess

from bench import LIST, CannedServer, Daemon, open_session
from peers import sdk_server
from table import spread


def measure(bench):
    seconds = 0.3 if bench.quick else 3
    rounds = 1 if bench.quick else 3
    with Daemon(bench, "row9") as daemon:
        connection, headers = daemon.session()
        connection.request("POST", "/mcp", LIST, headers)
        body = connection.getresponse().read()
        session = {"Mcp-Session-Id": headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-06-18"}
        with CannedServer(bench, body) as canned:
            for clients in (1, 8, 64):
                ours, limit = [], []
                for _ in range(rounds):
                    limit.append(
                        bench.load(canned.port, bench.request_file(canned.port, session, LIST), clients, seconds)
                    )
                    ours.append(
                        bench.load(daemon.port, bench.request_file(daemon.port, session, LIST), clients, seconds)
                    )
                rate = statistics.median(r["per_second"] for r in ours)
                best = statistics.median(r["per_second"] for r in limit)
                p99 = statistics.median(r["p99_us"] for r in ours)
                bench.table.add(
                    9,
                    f"list_processes, empty, {clients} client{'s' * (clients > 1)}",
                    f"{rate:.0f}/s",
                    f"{best:.0f}/s",
                    f"{rate / best:.2f}",
                    ">= 0.85" if clients == 1 else ">= 0.6",
                    spread([r["per_second"] for r in ours], "/s", 0),
                )
                bench.table.add(9, f"  its p99, {clients}", f"{p99:.0f} us", "", "", "")
        connection.close()
    if command := sdk_server(bench):
        server = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE)
        try:
            port = int(server.stdout.readline())
            connection, headers = open_session(port)
            session = {"Mcp-Session-Id": headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-06-18"}
            for clients in (1, 8, 64):
                result = bench.load(port, bench.request_file(port, session, LIST), clients, seconds)
                what = f"the same, {clients} client{'s' * (clients > 1)}"
                bench.table.peer(9, "TypeScript SDK", what, f"{result['per_second']:.0f}/s")
            connection.close()
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
