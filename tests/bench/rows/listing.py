"""Row 4: `list` of many processes."""
from bench import LIST, CannedServer, Daemon, percentile
from peers import supervisor_status


def measure(bench):
    count = 30 if bench.quick else 1000
    times = 10 if bench.quick else 50
    with Daemon(bench, "row4") as daemon:
        session = daemon.session()
        for i in range(count):
            daemon.call(
                session, "start_process", command=["sleep", "3600"], working_directory="/", label=f"idle{i}"
            )
        listed = daemon.client("list")
        if len(listed.splitlines()) < count:
            raise SystemExit(f"scripts/bench: list shows {len(listed.splitlines())} lines of {count} processes")
        ours = percentile(bench.durations_ms(times, [bench.bin / "persistproc", "list"], daemon.environment), 0.5)
        connection, headers = session
        connection.request("POST", "/mcp", LIST, headers)
        body = connection.getresponse().read()
        connection.close()
        with CannedServer(bench, body) as canned:
            request = bench.request_file(canned.port, {}, LIST)
            limit = percentile(
                bench.durations_ms(times, [bench.tests / "http_load", canned.port, request, "1", "10", "1"]), 0.5
            )
        bench.table.add(
            4,
            f"cold `list` with {count} processes, p50",
            f"{ours:.2f} ms",
            f"{limit:.2f} ms",
            f"{ours / limit:.1f} x",
            "<= 3 ms",
        )
    supervisor_status(bench, 4, count)
