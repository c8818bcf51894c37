"""What `cmake --install` puts where, and that it works from there; what scripts/install and scripts/uninstall say and do."""
import os
import pathlib
import shutil
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
        for each in (
            "libexec/persistproc/persistprocd",
            "libexec/persistproc/persistproc-shim",
            "share/systemd/user/persistprocd.service",
            "share/man/man1/persistproc.1",
            "share/man/man8/persistprocd.8",
            "share/bash-completion/completions/persistproc",
            "share/zsh/site-functions/_persistproc",
            "share/fish/vendor_completions.d/persistproc.fish",
        ):
            self.assertIn(each, names)

    def test_programs_are_stripped(self):
        for each in ("bin/persistproc", "libexec/persistproc/persistprocd", "libexec/persistproc/persistproc-shim"):
            told = subprocess.run(["readelf", "-S", str(self.prefix / each)], check=True, capture_output=True).stdout
            self.assertNotIn(b".debug_", told, each)
            self.assertNotIn(b".symtab", told, each)

    def test_the_unit_names_the_installed_daemon(self):
        unit = self.prefix / "share/systemd/user/persistprocd.service"
        lines = unit.read_text().splitlines()
        self.assertIn(f'ExecStart="{self.prefix}/libexec/persistproc/persistprocd"', lines)
        for each in ("KillMode=process", "OOMPolicy=continue", "TasksMax=infinity"):
            self.assertIn(each, lines)
        self.assertNotIn("@", unit.read_text())
        if shutil.which("systemd-analyze"):
            found = subprocess.run(
                ["systemd-analyze", "--user", "--man=no", "verify", str(unit)],
                capture_output=True, text=True, env=dict(self.place.environment, XDG_RUNTIME_DIR=str(self.place.root)),
            )  # fmt: skip
            self.assertNotIn("persistprocd.service", found.stderr)

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


class Scripts(harness.TestCase):
    autostart = False
    scripts = pathlib.Path(__file__).resolve().parents[2] / "scripts"

    def setUp(self):
        super().setUp()
        self.prefix = self.place.root / "a prefix"
        self.environment = dict(self.place.environment, PATH=os.environ["PATH"], SHELL="/bin/bash")

    def script(self, name, *arguments, code=0, env=None):
        done = subprocess.run(
            [str(self.scripts / name), *map(str, arguments)],
            capture_output=True, text=True, cwd=self.place.work, env=dict(self.environment, **(env or {})),
        )  # fmt: skip
        self.assertEqual(done.returncode, code, done)
        return done

    def install(self, **env):
        return self.script("install", "--from", harness.BUILD, self.prefix, env=env).stdout

    def names(self):
        return sorted(p.relative_to(self.prefix).as_posix() + ("/" if p.is_dir() else "") for p in self.prefix.rglob("*"))

    def test_what_was_installed_goes_and_what_was_there_stays(self):
        kept = ["bin/", "bin/mine", "share/", "share/doc/", "share/man/", "share/man/man1/", "share/man/man1/mine.1"]
        for each in kept:
            path = self.prefix / each
            if each.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.write_text("mine")
        self.install()
        manifest = self.prefix / "share/persistproc/manifest"
        self.assertEqual(sorted([*manifest.read_text().splitlines(), *kept]), self.names())
        # An upgrade takes along what is needed no more, and remembers which folders were made by the first.
        before = self.names()
        (self.prefix / "libexec/persistproc/old").write_text("of an earlier release")
        with manifest.open("a") as file:
            file.write("libexec/persistproc/old\n")
        self.install()
        self.assertEqual(self.names(), before)
        (self.prefix / "share/fish/mine").write_text("came later")
        self.assertIn("removed", self.script("uninstall", self.prefix).stdout)
        self.assertEqual(self.names(), sorted([*kept, "share/fish/", "share/fish/mine"]))
        again = self.script("uninstall", self.prefix, code=1)
        self.assertOneLine(again.stderr.encode(), "manifest does not exist")

    def test_it_says_when_path_does_not_lead_there(self):
        told = self.install()
        line = f"  export PATH={str(self.prefix).replace(' ', chr(92) + ' ')}/bin:\"$PATH\""
        self.assertIn(line, told.splitlines())
        found = subprocess.run(
            ["sh", "-c", f"{line}; command -v persistproc"], capture_output=True, text=True, env=self.environment
        )
        self.assertEqual(found.stdout, f"{self.prefix}/bin/persistproc\n")
        self.assertIn("fish_add_path", self.install(SHELL="/usr/bin/fish"))
        path = f"{self.prefix}/bin:{os.environ['PATH']}"
        self.assertNotIn("PATH", self.install(PATH=path))
        self.assertIn("not this one", self.install(PATH=f"{harness.BIN}:{path}"))

    def test_uninstall_says_what_stays(self):
        self.install()
        program = str(self.prefix / "bin/persistproc")
        for arguments in (["--port", "0", "start", "sleep", "600"], ["setup", "cursor"]):
            done = subprocess.run([program, *arguments], capture_output=True, env=self.environment, cwd=self.place.work)
            self.assertEqual(done.returncode, 0, done)
        self.assertIn("serve --detach --replace", self.install())
        told = self.script("uninstall", self.prefix).stdout
        self.assertFalse(self.names())
        for each in (
            f"the data in {self.place.data}",
            "what runs: the daemon (PID ",
            "programs under their keepers: 1\n",
            f"the entry for Cursor in {self.place.environment['HOME']}/.cursor/mcp.json",
            "setup --remove all",
        ):
            self.assertIn(each, told)
        self.assertEqual(self.cli("shutdown").code, 0)

    def test_wrong_calls_change_nothing(self):
        for name in ("install", "uninstall"):
            self.assertIn(f"Usage: scripts/{name}", self.script(name, "--help").stdout)
            for arguments in ([], ["--force"], ["a", "b"], [""]):
                self.assertOneLine(self.script(name, *arguments, code=2).stderr.encode(), f"usage: scripts/{name}")
        self.assertTrue(self.script("install", "--from", self.place.work, self.prefix, code=1).stderr)
        self.place.work.joinpath("file").touch()
        refused = self.script("install", "--from", harness.BUILD, self.place.work / "file/x", code=1)
        self.assertOneLine(refused.stderr.encode(), "not a directory")
        self.install()
        manifest = self.prefix / "share/persistproc/manifest"
        before = self.names()
        for line in ("/etc/passwd", "../../outside", "bin/../../outside", ""):
            with self.subTest(line):
                text = manifest.read_text()
                manifest.write_text(f"{line}\n{text}")
                self.assertOneLine(self.script("uninstall", self.prefix, code=1).stderr.encode(), "nothing was removed")
                manifest.write_text(text)
                self.assertEqual(self.names(), before)


if __name__ == "__main__":
    harness.main()
