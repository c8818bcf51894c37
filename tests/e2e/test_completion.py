"""TAB in a shell: right words, inserted right; other people's labels never run; nothing waits and nothing starts."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time
import unittest

import harness

# What readline does at TAB, as far as a completion function sees it.
COMPLETE = r"""
{extra}
source /dev/stdin <<< "$SCRIPT"
line=$1
COMP_LINE=$line COMP_POINT=${{#line}} COMP_TYPE=9 COMP_KEY=9
split() {{ # as readline with COMP_WORDBREAKS: blanks separate, : and = stand alone
    COMP_WORDS=() ; local word= c i escaped=
    for ((i = 0; i < ${{#line}}; i++)); do
        c=${{line:i:1}}
        if [[ -n $escaped ]]; then word+=$c; escaped=; continue; fi
        case $c in
            \\) word+=$c; escaped=1 ;;
            ' ') [[ -n $word ]] && COMP_WORDS+=("$word"); word= ;;
            [:=]) [[ -n $word ]] && COMP_WORDS+=("$word"); COMP_WORDS+=("$c"); word= ;;
            *) word+=$c ;;
        esac
    done
    [[ -n $word || $line == *' ' || $line == *[:=] ]] && COMP_WORDS+=("$word")
    [[ $line == *[:=] ]] && unset "COMP_WORDS[${{#COMP_WORDS[@]}}-1]"
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
}}
split
_persistproc "${{COMP_WORDS[0]}}" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}" 2>/dev/null
printf '%s\n' "${{COMPREPLY[@]}}"
"""


class Completion(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.script = self.ok("completion", "bash").out.decode()

    def tab(self, line, extra=""):
        """The words bash would insert."""
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-c", COMPLETE.format(extra=extra), "bash", line],
            env=dict(self.environment_with_program(), SCRIPT=self.script),
            cwd=self.place.work,
            capture_output=True,
            timeout=harness.PATIENCE,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [word for word in done.stdout.decode().split("\n") if word]

    def environment_with_program(self):
        environment = dict(self.place.environment)
        environment["PATH"] = f"{harness.BIN}:{os.environ['PATH']}"
        return environment

    def test_scripts_are_the_shells_own_language(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.ok("completion", shell).out
            self.assertIn(b"__complete", script)
            if shutil.which(shell):
                checked = subprocess.run([shell, "-n"], input=script, capture_output=True, timeout=harness.PATIENCE)
                self.assertEqual((checked.returncode, checked.stderr), (0, b""), shell)
        refused = self.cli("completion", "tcsh")
        self.assertEqual(refused.code, 2)
        self.assertOneLine(refused.err, "bash", "zsh", "fish")

    def test_subcommands_flags_and_their_values(self):
        self.assertEqual(self.tab("persistproc sta"), ["start", "status"])
        self.assertEqual(self.tab("persistproc completion "), ["bash", "zsh", "fish"])
        self.assertEqual(self.tab("persistproc help sta"), ["start", "status"])
        self.assertEqual(self.tab("persistproc help start "), [])
        self.assertEqual(self.tab("persistproc hel"), ["help"])
        self.assertIn("--follow", self.tab("persistproc output --"))
        self.assertEqual(self.tab("persistproc logs --str"), ["--stream"])
        self.assertEqual(self.tab("persistproc output --stream std"), ["stdout", "stderr"])
        self.assertEqual(self.tab("persistproc output --stream=std"), ["stdout", "stderr"])
        self.assertEqual(self.tab("persistproc start --stop-signal=SIGUS"), ["SIGUSR1", "SIGUSR2"])
        self.assertEqual(self.tab("persistproc list --state=unr"), ["unreachable"])
        self.assertEqual(self.tab("persistproc list --state gave"), ["gave_up"])
        self.assertEqual(self.tab("persistproc run --restart on"), ["on-failure"])
        self.assertEqual(self.tab("persistproc signal US"), ["USR1", "USR2"])
        self.assertEqual(self.tab("persistproc signal SIGUS"), ["SIGUSR1", "SIGUSR2"])
        self.assertEqual(self.tab("persistproc setup c"), ["claude-code", "cursor", "codex"])
        self.assertEqual(self.tab("persistproc serve x"), [])
        self.assertEqual(self.tab("persistproc serve --auth "), ["peer", "token"])
        (self.place.work / "some dir").mkdir()
        self.assertEqual(self.tab("persistproc list -C so"), ["some dir"])
        self.assertEqual(self.tab("persistproc list -Cso"), ["-Csome\\ dir/"])
        # Other names of flags, and a value in the same word.
        self.assertEqual(self.tab("persistproc start --cwd so"), ["some dir"])
        self.assertEqual(self.tab("persistproc start --cwd=so"), ["some dir"])
        self.assertEqual(self.tab("persistproc signal -sUS"), ["-sUSR1", "-sUSR2"])
        # What came later.
        self.assertEqual(self.tab("persistproc pr"), ["prune"])
        self.assertEqual(self.tab("persistproc ren"), ["rename"])
        self.assertEqual(self.tab("persistproc flu"), ["flush"])
        self.assertEqual(self.tab("persistproc rm --fo"), ["--force", "--format"])
        self.assertEqual(self.tab("persistproc restart --up"), ["--update-env"])
        self.assertEqual(self.tab("persistproc list --wa"), ["--watch"])

    def test_paths_behind_an_equals_sign(self):
        (self.place.work / "some dir").mkdir()
        (self.place.work / "some.env").touch()
        (self.place.work / "a=b").mkdir()
        self.assertEqual(sorted(self.tab("persistproc start --env-file=so")), ["some dir", "some.env"])
        self.assertEqual(sorted(self.tab("persistproc run --env-file=")), ["a=b", "some dir", "some.env"])
        self.assertEqual(self.tab("persistproc list --working-directory=so"), ["some dir"])
        # bash puts back what stands before the last "=".
        self.assertEqual(self.tab("persistproc list --working-directory=a="), ["b"])
        self.assertEqual(self.tab("persistproc list -C a="), ["b"])
        self.assertEqual(self.ok("__complete", "--", "start", "--env-file=so").out, b"files 11\n")
        self.assertEqual(self.ok("__complete", "--", "start", "--env-file", "so").out, b"files\n")

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        self.start("web", ["sleep", "1000"])
        (self.place.work / "persistproc.fish").write_bytes(self.ok("completion", "fish").out)

        def offered(line):
            done = subprocess.run(
                ["fish", "--no-config", "-c", 'source persistproc.fish; complete -C "$LINE"'],
                env=dict(self.environment_with_program(), LINE=line),
                cwd=self.place.work,
                capture_output=True,
                timeout=harness.PATIENCE,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            return [word.split("\t")[0] for word in done.stdout.decode().splitlines()]

        self.assertEqual(offered("persistproc sta"), ["start", "status"])
        self.assertEqual(offered("persistproc list --state r"), ["running"])
        self.assertIn("stopped", offered("persistproc list --state "))
        self.assertEqual(offered("persistproc list "), ["p1", "web"])
        self.assertEqual(offered("persistproc stop w"), ["web"])
        (self.place.root / "home" / "bin").mkdir()
        (self.place.root / "home" / "bin" / "persistproc").symlink_to(harness.BIN / "persistproc")
        for program in ("~/bin/persistproc", "$HOME/bin/persistproc"):
            self.assertEqual(offered(f"{program} stop w"), ["web"], program)
        self.ok("run", "--label", "zz done", "true")
        self.assertEqual(offered("persistproc start zz"), ["zz done"])
        self.assertIn("bash", offered("persistproc start ba"))
        (self.place.work / "some dir").mkdir()
        (self.place.work / "some.env").touch()
        self.assertEqual(offered("persistproc start --env-file so"), ["some dir/", "some.env"])
        self.assertEqual(offered("persistproc start --env-file=so"), ["--env-file=some dir/", "--env-file=some.env"])
        self.assertIn("--env-file=some.env", offered("persistproc start --env-file="))
        self.assertEqual(offered("persistproc list --working-directory=so"), ["--working-directory=some dir/"])
        self.assertEqual(offered("persistproc start --cwd=so"), ["--cwd=some dir/"])
        self.assertEqual(offered("persistproc list -Cso"), ["-Csome dir/"])
        self.start("we b$x", ["sleep", "1000"])
        self.assertEqual(sorted(offered('persistproc stop "we')), ["we b$x", "web"])
        self.assertEqual(offered("persistproc stop 'we b"), ["we b$x"])
        self.assertEqual(sorted(offered("persistproc rm -f we")), ["we b$x", "web"])
        for line, words in (("pru", ["prune"]), ("ren", ["rename"]), ("flu", ["flush"]), ("rename w", ["web", "we b$x"]),
                            ("flush web w", ["we b$x"]), ("restart -e A=1 w", ["web", "we b$x"]),
                            ("restart --up", ["--update-env"]), ("list --wa", ["--watch"]), ("rm --fo", ["--force", "--format"])):
            self.assertEqual(sorted(offered(f"persistproc {line}")), sorted(words), line)

    def test_labels_are_words_and_nothing_else(self):
        labels = ["$(touch pwned)", "`touch pwned`", "a:b", "a:c d", "it's", 'say "x"', "web"]
        for label in labels:
            self.start(label, ["sleep", "1000"])
        offered = self.tab("persistproc stop ")
        self.assertIn("all", offered)
        self.assertIn("p1", offered)
        for label in labels:
            quoted = subprocess.run(["bash", "-c", 'printf %q "$1"', "bash", label], capture_output=True, check=True)
            self.assertIn(quoted.stdout.decode(), offered)
        # What is inserted means the label, and only that.
        for word in offered:
            meant = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, cwd=self.place.work)
            self.assertIn(meant.stdout.decode(), labels + [f"p{i + 1}" for i in range(len(labels))] + ["all"])
        self.assertFalse(list(self.place.work.rglob("pwned")))
        # bash cuts at the colon and puts back what stands behind it.
        self.assertEqual(sorted(self.tab("persistproc stop a:")), ["b", "c\\ d"])
        self.assertEqual(self.tab("persistproc stop a:c"), ["c\\ d"])
        self.start("=eq", ["sleep", "1000"])
        self.assertEqual(self.tab("persistproc stop ="), ["eq"])
        self.assertEqual(self.tab("persistproc stop =e"), ["eq"])
        self.assertEqual(self.tab("persistproc stop a:b we"), ["web"])
        self.assertEqual(self.tab("persistproc status it"), ["it\\'s"])
        self.assertEqual(self.tab("persistproc output a:b we"), ["web"])
        self.assertEqual(self.tab("persistproc audit web we"), [])
        self.assertEqual(self.tab(f"persistproc --data-dir {self.place.work} stop we"), [])

    def test_a_word_and_what_it_is(self):
        self.start("web", ["sleep", "1000"])
        lines = self.ok("__complete", "--", "stop", "w").out.decode().splitlines()
        self.assertEqual(lines, ["words", f"web\trunning, sleep 1000 in {self.place.work}"])

    def test_short_names_of_the_project_here(self):
        (self.place.work / "persistproc.toml").write_text("[process.api]\nrun = 'sleep 1000'\n")
        self.ok("up")
        words = [line.split("\t")[0] for line in self.ok("__complete", "--", "stop", "").out.decode().splitlines()]
        self.assertEqual(words, ["words", "all", "api", "work/api", "p1"])
        self.assertEqual(self.ok("__complete", "--", "stop", "api", "").out, b"words\n")
        self.assertNotIn(b"\napi\t", self.ok("__complete", "--", "stop", "", cwd=self.place.root).out)

    def test_a_signal_is_offered_once_and_so_is_a_target(self):
        self.start("web", ["sleep", "1000"])
        self.start("api", ["sleep", "1000"])

        def offered(*line):
            return [each.split("\t")[0] for each in self.ok("__complete", "--", *line).out.decode().splitlines()[1:]]

        targets = ["all", "web", "p1", "api", "p2"]
        for given in (["HUP"], ["-s", "HUP"], ["-sHUP"], ["-9"], ["-1"], ["-HUP"], ["--signal=HUP"], ["--signal", "HUP"]):
            self.assertEqual(offered("signal", *given, ""), targets, given)
            self.assertEqual(offered("signal", *given, "web", ""), ["api", "p2"], given)
        self.assertEqual(len(offered("signal", "")), 20)
        for name in offered("signal", "-s", "SIG"):
            self.assertOneLine(self.cli("signal", name, "nobody").err, "nobody")
        # It may stand last, too.
        self.assertEqual(offered("signal", "web", "US"), ["USR1", "USR2"])
        self.assertEqual(offered("signal", "web", "a"), ["api"])
        self.assertEqual(offered("signal", "web", "TERM", ""), [])
        self.assertEqual(offered("stop", "a"), ["all", "api"])
        self.assertEqual(offered("stop", "web", "a"), ["api"])
        self.assertEqual(offered("stop", "p1", ""), ["api", "p2"])
        self.assertEqual(offered("stop", "all", ""), [])

    def test_the_program_may_be_typed_as_a_path_from_home(self):
        self.start("web", ["sleep", "1000"])
        (self.place.root / "home" / "bin").mkdir()
        (self.place.root / "home" / "bin" / "persistproc").symlink_to(harness.BIN / "persistproc")
        for program in ("~/bin/persistproc", "$HOME/bin/persistproc", "$NOWHERE/persistproc", str(harness.BIN / "persistproc")):
            self.assertEqual(self.tab(f"{program} stop w"), ["web"], program)

    def test_start_completes_what_does_not_run_beside_commands(self):
        self.start("web", ["sleep", "1000"])
        self.ok("run", "--label", "zz done", "true")
        self.ok("run", "--label", "zz $(touch pwned)", "true")
        self.ok("run", "true", "unlabelled")
        lines = self.ok("__complete", "--", "start", "").out.decode().splitlines()
        words = [line.split("\t")[0] for line in lines]
        self.assertEqual(words, ["command 1", "zz done", "p2", "zz $(touch pwned)", "p3", "p4"])
        self.assertEqual(self.ok("__complete", "--", "start", "--fresh", "p2").out.splitlines()[0], b"command 2")
        self.assertIn(b"\np2\t", self.ok("__complete", "--", "start", "--fresh", "p2").out)
        # A new one, a command, or its words.
        for line in (["--", ""], ["-C", "/", ""], ["-C/", ""], ["--label=x", ""], ["--env-file", "x", ""], ["true", ""], ["p2", "true", ""]):
            answer = self.ok("__complete", "--", "start", *line).out
            self.assertEqual(answer.count(b"\n"), 1, answer)
        self.assertEqual(self.ok("__complete", "--", "run", "").out, b"command 1\n")
        # Of several that are started at once.
        lines = self.ok("__complete", "--", "start", "p2", "zz $(touch pwned)", "").out.decode().splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], ["command 1", "p4"])
        self.assertEqual(self.tab("persistproc start zz"), [r"zz\ \$\(touch\ pwned\)", r"zz\ done"][::-1])
        self.assertIn("bash", self.tab("persistproc start "))
        self.assertIn(r"zz\ done", self.tab("persistproc start "))
        # Another program's completion may have said that its words are files.
        program = "_command_offset() { compopt -o filenames; COMPREPLY=('zz a'); }"
        self.assertEqual(self.tab("persistproc start zz", program)[0], r"zz\ a")
        self.ok("start", "zz done")
        self.assertFalse(list(self.place.work.rglob("pwned")))

    def test_after_run_the_words_are_the_commands(self):
        self.assertEqual(self.ok("__complete", "--", "run", "-C", "/", "git", "ch").out, b"command 3\n")
        self.assertEqual(self.ok("__complete", "--", "git", "ch").out, b"command 0\n")
        self.assertEqual(self.ok("__complete", "--", "--", "list", "").out, b"command 1\n")
        git = '_git() { [[ ${COMP_WORDS[*]} == "git ch" && $COMP_LINE == "git ch" ]] && COMPREPLY=(checkout cherry); }; complete -F _git git'
        for line in ("persistproc run git ch", "persistproc git ch", "persistproc run --label x git ch"):
            self.assertEqual(self.tab(line, git), ["checkout", "cherry"], line)


class Typed(harness.TestCase):
    """What stands in the line after TAB, in a shell at a terminal."""

    shells = {
        "bash": (
            ["bash", "--norc", "--noprofile", "-i"],
            "bind 'set completion-query-items 0'; keep() { printf %s \"$READLINE_LINE\" > line; mv line kept; }; "
            "bind -x '\"\\C-g\": keep'",
        ),
        "zsh": (
            ["zsh", "-f", "-i"],
            "LISTMAX=0; autoload -U compinit; compinit -D -u; keep() { print -rn -- $BUFFER > line; mv line kept }; "
            "zle -N keep; bindkey '^G' keep",
        ),
    }

    def typed(self, shell, keys):
        command, setup = self.shells[shell]
        work = self.place.work
        (self.place.root / "rc").write_bytes(setup.encode() + b"\n" + self.ok("completion", shell).out)
        ours, theirs = pty.openpty()
        environment = dict(self.place.environment, PATH=f"{harness.BIN}:{os.environ['PATH']}", TERM="dumb", PS1="$ ")
        process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, cwd=work, env=environment
        )
        os.close(theirs)
        shown = b""

        def kept():
            nonlocal shown
            while select.select([ours], [], [], 0)[0]:
                shown += os.read(ours, 65536)
            return (work / "kept").exists()

        try:
            os.write(ours, b". ../rc; touch kept\r")
            harness.eventually("the shell is set up", kept)
            (work / "kept").unlink()
            os.write(ours, keys.encode() + b"\t\x07")
            harness.eventually(f"the line is kept; shown: {shown}", kept)
            return (work / "kept").read_text()
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            (work / "kept").unlink(missing_ok=True)

    def in_each(self, keys, *meant, end=""):
        """What TAB makes of `keys` are these words, however a shell quotes them; `end` where it left a quote open."""
        for shell in self.shells:
            if shutil.which(shell):
                with self.subTest(shell):
                    line = self.typed(shell, keys)
                    for closed in (line, line + end):
                        show = ["bash", "-c", f"printf '%s\\n' {closed}"]
                        read = subprocess.run(show, capture_output=True, cwd=self.place.work)
                        if read.returncode == 0:
                            break
                    words = [word.rstrip("/") for word in read.stdout.decode().splitlines()]
                    self.assertEqual(words, ["persistproc", *meant], line)

    def test_start_completes_what_does_not_run_beside_commands(self):
        self.start("zzz-runs", ["sleep", "1000"])
        self.ok("run", "--label", "zzz done", "true")
        self.in_each("persistproc start zz", "start", "zzz done")
        self.in_each("persistproc start persistproc-s", "start", "persistproc-shim")
        self.in_each("persistproc start --label x zz", "start", "--label", "x", "zz")

    def test_paths_behind_an_equals_sign(self):
        (self.place.work / "some dir").mkdir()
        (self.place.work / "some dir" / "a=b").mkdir()
        (self.place.work / "one.env").touch()
        self.in_each("persistproc start --env-file on", "start", "--env-file", "one.env")
        self.in_each("persistproc start --env-file=on", "start", "--env-file=one.env")
        self.in_each("persistproc list --working-directory=", "list", "--working-directory=some dir")
        for typed in ("some\\ dir/", "some\\ dir/a="):
            self.in_each("persistproc list -C " + typed, "list", "-C", "some dir/a=b")
            self.in_each("persistproc list --working-directory=" + typed, "list", "--working-directory=some dir/a=b")

    def test_characters_that_mean_something_to_a_shell(self):
        for label in ("$(touch pwned)", "~tilde", "#hash"):
            self.start(label, ["sleep", "1000"])
            self.in_each(f"persistproc stop {label[0]}", "stop", label)
        self.assertFalse(list(self.place.work.rglob("pwned")))

    def test_behind_an_open_quote(self):
        for label in ("zz web", "yy $(touch pwned)", 'xx "it', "ww it's", "vv`x` \\"):
            self.start(label, ["sleep", "1000"])
        for quote in ('"', "'"):
            self.in_each(f"persistproc stop {quote}zz", "stop", "zz web")
            self.in_each(f"persistproc stop {quote}zz w", "stop", "zz web")
            self.in_each(f"persistproc stop {quote}zz web{quote} {quote}yy", "stop", "zz web", "yy $(touch pwned)")
            self.in_each(f"persistproc stop {quote}xx", "stop", 'xx "it')
            self.in_each(f"persistproc stop {quote}ww", "stop", "ww it's")
            self.in_each(f"persistproc stop {quote}vv", "stop", "vv`x` \\")
        (self.place.work / "some dir").mkdir()
        self.in_each('persistproc list -C "so', "list", "-C", "some dir", end='"')
        self.assertFalse(list(self.place.work.rglob("pwned")))

    def test_a_value_in_the_word_of_its_flag(self):
        (self.place.work / "some dir" / "sub").mkdir(parents=True)
        self.in_each("persistproc list -Cso", "list", "-Csome dir")
        self.in_each("persistproc list -Csome\\ dir/s", "list", "-Csome dir/sub")
        self.in_each("persistproc start --cwd=so", "start", "--cwd=some dir")

    def test_what_came_later(self):
        self.start("web", ["sleep", "1000"])
        for typed, words in (("pru", ["prune"]), ("ren", ["rename"]), ("rename we", ["rename", "web"]), ("flu", ["flush"]),
                             ("flush we", ["flush", "web"]), ("rm -f we", ["rm", "-f", "web"]), ("list --wa", ["list", "--watch"]),
                             ("restart -e A=1 we", ["restart", "-e", "A=1", "web"]), ("restart --up", ["restart", "--update-env"])):
            self.in_each("persistproc " + typed, *words)


class WithoutAnswer(harness.TestCase):
    autostart = False

    def bounded(self):
        begin = time.monotonic()
        answer = self.ok("__complete", "--", "stop", "")
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual((answer.out.splitlines()[0], answer.err), (b"words", b""))
        self.assertNotIn(b"p1", answer.out)

    def test_names_of_a_project_are_read_from_its_file(self):
        work = self.place.work
        (work / "persistproc.toml").write_text(
            "[groups]\nback = ['api', 'db']\n[process.api]\nrun = 'touch ran'\n[process.db]\nrun = 'touch ran'\n"
            "description = 'orders'\n[process.web]\nrun = 'x'\nready_if = 1\n"
        )
        (work / "scripts" / ".git").mkdir(parents=True)
        (work / "scripts" / "package.json").write_text('{"scripts": {"dev:api": "x", "dev": "x"}}')

        def offered(*line):
            lines = self.ok("__complete", "--", *line).out.decode().splitlines()
            return [each.split("\t")[0] for each in lines[1:]]

        begin = time.monotonic()
        self.assertEqual(offered("up", ""), ["api", "db", "web", "back"])
        self.assertLess(time.monotonic() - begin, 2)
        for line, words in ((["up", "d"], ["db"]), (["up", "api", ""], ["db", "web", "back"]), (["down", "b"], ["back"]),
                            (["port", ""], ["api", "db", "web"]), (["port", "api", ""], []), (["start", "a"], ["api"]),
                            (["restart", "w"], ["web"]), (["run", "a"], []), (["up", "-C", "scripts", "d"], ["dev-api", "dev"]),
                            (["up", "--working-directory=scripts", "dev:"], ["dev:api"]),
                            (["up", "--file", "scripts/package.json", ""], ["dev-api", "dev"])):
            self.assertEqual(offered(*line), words, line)
        self.assertIn(b"\ndb\torders\n", self.ok("__complete", "--", "up", "").out)
        # Nobody waits for who is not to be believed, or for what is no file.
        (work / "scripts" / "package.json").unlink()
        os.mkfifo(work / "scripts" / "package.json")
        self.assertEqual(offered("up", "--file", "scripts/package.json", ""), [])
        self.assertFalse((work / "ran").exists())
        self.assertFalse([p for p in harness.processes_of(self.place.data) if "persistprocd" in p[1]])

    def test_no_daemon_is_started(self):
        self.bounded()
        self.assertFalse([p for p in harness.processes_of(self.place.data) if "persistprocd" in p[1]])

    def test_a_hung_daemon_keeps_nobody(self):
        self.daemon.start()
        harness.suspend(self.daemon.process.pid)
        self.addCleanup(os.kill, self.daemon.process.pid, signal.SIGCONT)
        self.bounded()

        def shortest(*words):
            spans = []
            for _ in range(4):
                begin = time.monotonic()
                self.ok("__complete", "--", *words)
                spans.append(time.monotonic() - begin)
            return min(spans)

        # Beside what the program itself takes, on a machine and in a build that may be slow.
        harness.eventually("nobody waits longer than 100 ms", lambda: shortest("stop", "") - shortest("sto") < 0.1)


if __name__ == "__main__":
    harness.main()
