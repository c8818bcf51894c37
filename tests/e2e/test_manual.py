"""The manual is made by the program and has nothing that man(1) warns of."""
import os
import re
import shutil
import subprocess

import harness


class Manual(harness.TestCase):
    autostart = False

    def test_man_finds_nothing_to_warn_of(self):
        daemon_help = b"The daemon\n  --data-dir TEXT  '. ~ ^ \\ what\n"
        for name, stdin in (("persistproc.1", b""), ("persistprocd.8", daemon_help)):
            page = self.ok("__document", name, stdin=stdin).out
            (self.place.work / name).write_bytes(page)
            for command in (["mandoc", "-T", "lint"], ["man", "--warnings", "-l", "-P", "cat"]):
                if not shutil.which(command[0]):
                    continue
                read = subprocess.run(
                    [*command, str(self.place.work / name)],
                    env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80"),
                    capture_output=True,
                    timeout=harness.PATIENCE,
                )
                self.assertEqual((read.returncode, read.stderr), (0, b""), command)
        self.assertIn(b"on\\-exit", (self.place.work / "persistproc.1").read_bytes())

    def test_the_daemon_and_serve_say_the_same_of_a_flag(self):
        daemon = subprocess.run([harness.BIN / "persistprocd", "--help"], capture_output=True, text=True)
        # Each program is quiet about what is its own.
        # And in the same way.
        for line in ("Usage: persistprocd [FLAGS]", "  -v, --verbose             Say what it does"):
            self.assertIn(line, daemon.stdout.splitlines())
        self.assertLessEqual(max(map(len, daemon.stdout.splitlines())), 80)
        flags = [self.flags(text) for text in (self.ok("serve", "--help").out.decode(), daemon.stdout)]
        both = (flags[0].keys() & flags[1].keys()) - {"--quiet"}
        self.assertLessEqual({"--port", "--data-dir", "--ready-fd", "--verbose", "--help", "--auth"}, both)
        for name in sorted(both):
            with self.subTest(name):
                self.assertEqual(flags[0][name], flags[1][name])

    @staticmethod
    def flags(text):
        """Name of each flag -> its value's name and its sentence."""
        joined = re.sub(r"\n {8,}", " ", text)
        rows = re.findall(r"^  (?:-\w, ?)?(--[\w-]+)(?: (\w+))?(?: \.\.\.)? +(.*)$", joined, re.MULTILINE)
        return {name: (value, re.sub(r" +", " ", sentence)) for name, value, sentence in rows}


if __name__ == "__main__":
    harness.main()
