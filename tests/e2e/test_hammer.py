"""No accepted connection is ever answered with an error or a reset, from the first packet on."""
import multiprocessing
import subprocess

import harness

CLIENTS, SESSIONS = 8, 400


def hammer(port, tidy, results):
    """Opens sessions one after the other. Refused connections are retried only before the first success."""
    done = 0
    try:
        while done < SESSIONS:
            try:
                client = harness.Mcp(port)
            except ConnectionRefusedError:
                if done:
                    raise
                continue
            answer = client.call("list_processes")
            assert not answer.is_error and answer.structured == {"processes": []}, answer.result
            if tidy:
                client.end_session()
            client.close()
            done += 1
        results.put((done, None))
    except Exception as failed:  # whatever it is belongs into the report
        results.put((done, f"{type(failed).__name__}: {failed}"))


class Hammer(harness.TestCase):
    autostart = False

    def test_eight_clients_from_the_moment_of_execution(self):
        self.daemon.port = harness.free_port()
        self.place.environment["PERSISTPROC_PORT"] = str(self.daemon.port)
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        # Half of them never end their sessions, as many real clients do.
        clients = [context.Process(target=hammer, args=(self.daemon.port, i % 2 == 0, results)) for i in range(CLIENTS)]
        for each in clients:
            each.start()
        with open(self.place.root / "daemon.stderr", "ab") as log:
            self.daemon.process = subprocess.Popen(
                self.daemon.command(), env=self.place.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        outcomes = [results.get(timeout=240) for _ in clients]
        for each in clients:
            each.join()
        self.assertEqual(outcomes, [(SESSIONS, None)] * CLIENTS, self.daemon.log())


class SessionsSurvive(harness.TestCase):
    def test_a_session_goes_on_after_the_daemon_was_killed(self):
        client = self.mcp()
        client.call("list_processes")
        self.daemon.restart()
        client.close()  # the connection is gone, the session is not
        self.assertEqual(client.call("list_processes").structured, {"processes": []})


if __name__ == "__main__":
    harness.main()
