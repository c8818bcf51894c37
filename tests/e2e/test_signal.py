"""`signal`: how it is typed, and what it says."""
import unittest

import harness


class Signal(harness.TestCase):
    def test_it_says_what_it_sent(self):
        rows = [
            (["-HUP", "a"], "SIGHUP"),
            (["-9", "b"], "SIGKILL"),
            (["KILL", "c"], "SIGKILL"),
            (["9", "d"], "SIGKILL"),
            (["-s", "TERM", "e"], "SIGTERM"),
            (["--signal", "15", "f"], "SIGTERM"),
            (["g", "INT"], "SIGINT"),
            (["-SIGUSR1", "h"], "SIGUSR1"),
        ]
        for arguments, _ in rows:
            self.start(next(word for word in arguments if len(word) == 1 and word.isalpha()), ["sleep", "60"])
        for number, (arguments, name) in enumerate(rows, 1):
            label = next(word for word in arguments if len(word) == 1 and word.isalpha())
            with self.subTest(arguments):
                self.assertEqual(self.ok("signal", *arguments).out.decode(), f"sent {name} to p{number} ({label})\n")
                self.wait_exit(label)
                self.assertEqual(self.view(label)["signal"], name)
        self.start("many", ["sleep", "60"])
        self.start("more", ["sleep", "60"])
        said = self.ok("signal", "-TERM", "many", "more").out.decode().splitlines()
        self.assertEqual([line.split()[1] for line in said], ["SIGTERM", "SIGTERM"])
        self.assertOneLine(self.cli("signal", "-WHAT", "many").err, '"WHAT" cannot be sent')


if __name__ == "__main__":
    unittest.main()
