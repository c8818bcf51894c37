"""The manual is made by the program and has nothing that man(1) warns of."""
import os
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


if __name__ == "__main__":
    harness.main()
