"""What `cmake --install` puts where, and that it works from there."""
import subprocess

import harness


class Install(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.prefix = self.place.root / "prefix"
        subprocess.run(
            ["cmake", "--install", str(harness.BUILD), "--prefix", str(self.prefix)], check=True, capture_output=True
        )

    def test_only_the_client_is_in_bin(self):
        names = {p.relative_to(self.prefix).as_posix() for p in self.prefix.rglob("*") if p.is_file()}
        self.assertEqual([n for n in names if n.startswith("bin/")], ["bin/persistproc"])
        for each in ("persistprocd", "persistproc-shim"):
            self.assertIn(f"libexec/persistproc/{each}", names)

    def test_programs_are_stripped(self):
        for each in ("bin/persistproc", "libexec/persistproc/persistprocd", "libexec/persistproc/persistproc-shim"):
            told = subprocess.run(["readelf", "-S", str(self.prefix / each)], check=True, capture_output=True).stdout
            self.assertNotIn(b".debug_", told, each)
            self.assertNotIn(b".symtab", told, each)

    def test_the_unit_names_the_installed_daemon(self):
        unit = (self.prefix / "share/systemd/user/persistprocd.service").read_text()
        self.assertIn(f"\nExecStart={self.prefix}/libexec/persistproc/persistprocd\n", unit)
        self.assertNotIn("@", unit)

    def test_the_installed_client_finds_daemon_and_keeper(self):
        program = str(self.prefix / "bin/persistproc")
        ran = subprocess.run(
            [program, "--port", "0", "start", "--label", "web", "sleep", "600"],
            capture_output=True, env=self.place.environment, cwd=self.place.work, timeout=harness.PATIENCE,
        )  # fmt: skip
        self.assertEqual(ran.returncode, 0, ran.stderr)
        paths = [c.split()[0] for _, c in harness.processes_of(self.place.data)]
        self.assertIn(f"{self.prefix}/libexec/persistproc/persistprocd", paths)
        self.assertEqual(subprocess.run([program, "stop", "web"], env=self.place.environment).returncode, 0)


if __name__ == "__main__":
    harness.main()
