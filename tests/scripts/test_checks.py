"""The checks of scripts/ find what they are for, and nothing else."""
import pathlib
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"

BROKEN = r"""
co_await f(Agg{s});
co_await f({.a = s});
co_await f([s] { return s; });
plain(Agg{s}, co_await g());
v.push_back(Agg{s, co_await g()});
Agg a{.t = s, .x = co_await g()};
m[k] = Agg{s, co_await g()};
if (auto x = co_await f(Agg{s}); x) {}
asio::co_spawn(ex, f(), asio::detached);
co_return Agg{co_await g()};
auto r = co_await (a || f(T{1}));
while (!co_await f(T{})) { x(); }
co_await f([this]() mutable { g(); });
""".strip().splitlines()

SAFE = r"""
Agg a{s};
co_await f(std::move(a));
if (x) { y(); } co_await g();
for (auto& each : list) co_await g(each);
if (auto r = co_await g(); !r) { Agg z{1}; use(z); } else { co_await h(a[i]); }
auto l = [s] { return Agg{s}; };
auto r = co_await f(l);
group.spawn("n", [](S s) -> Task<> { Agg b{s}; co_await f(b); co_return; }(s));
group.spawn("n", [this, s]() -> Task<void> { co_await f(s); }());
switch (x) { case 1: { co_await g(); break; } default: co_await g(); }
while (auto act = next()) input = co_await perform(*act);
while (co_await f()) { Agg q{1}; }
try { co_await f(); } catch (const E& e) { x = T{1}; }
do { co_await f(); } while (x == T{});
co_await f([] { return 1; });
const std::string c = "{"; auto ch = '{'; co_await f(ch);
co_return Agg{s};
""".strip().splitlines()


def run(script, *arguments):
    return subprocess.run([SCRIPTS / script, *arguments], capture_output=True, text=True, timeout=60)


class CheckCoroutines(unittest.TestCase):
    def offences(self, statement):
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
            source.write("Task<Result<int>> f(S s) {\n" + statement + "\n}\n")
            source.flush()
            return run("check-coroutines", source.name)

    def test_refuses_each_miscompiled_form(self):
        for statement in BROKEN:
            with self.subTest(statement):
                self.assertEqual(self.offences(statement).returncode, 1)

    def test_accepts_each_safe_form(self):
        for statement in SAFE:
            with self.subTest(statement):
                answer = self.offences(statement)
                self.assertEqual((answer.returncode, answer.stderr), (0, ""))


class CheckIncludes(unittest.TestCase):
    def answer(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            for top in ("common", "daemon", "cli", "tests"):
                pathlib.Path(root, top).mkdir(exist_ok=True)
            return run("check-includes", root)

    def refused(self, name, include, *words):
        answer = self.answer({name: f"#include <vector>\n#include {include}\n"})
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(len(answer.stderr.splitlines()), 1, answer.stderr)
        for word in (name, *words):
            self.assertIn(word, answer.stderr)

    def test_accepts_the_allowed_directions(self):
        answer = self.answer(
            {
                "common/base/a.hpp": "#include <string>\n",
                "common/domain/b.hpp": '#include "common/base/a.hpp"\n',
                "daemon/tools/c.cpp": '#include "daemon/core/x.hpp"\n#include "common/base/a.hpp"\n',
                "tests/unit/common/domain/b_test.cpp": '#include "common/domain/b.hpp"\n#include "tests/support/catch.hpp"\n',
            }
        )
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))

    def test_refuses_upward_includes(self):
        self.refused("common/base/a.cpp", '"common/domain/b.hpp"', ":2:", "common/domain")

    def test_refuses_mcp_in_core(self):
        self.refused("daemon/core/a.cpp", '"common/mcp/tool.hpp"')

    def test_refuses_asio_and_core_in_the_shim(self):
        self.refused("daemon/shim/a.cpp", "<boost/asio.hpp>")
        self.refused("daemon/shim/a.cpp", '"daemon/core/x.hpp"')

    def test_refuses_the_daemon_in_the_client(self):
        self.refused("cli/commands/a.cpp", '"daemon/core/x.hpp"')

    def test_refuses_sqlite_outside_the_registry(self):
        self.refused("daemon/core/a.cpp", "<sqlite3.h>")

    def test_refuses_files_directly_in_common(self):
        answer = self.answer({"common/a.hpp": ""})
        self.assertEqual(answer.returncode, 1)
        self.assertIn("directly in common/", answer.stderr)

    def test_refuses_unknown_folders(self):
        answer = self.answer({"common/things/a.hpp": ""})
        self.assertEqual(answer.returncode, 1)
        self.assertIn("common/things", answer.stderr)

    def test_proc_is_read_in_one_place(self):
        text = 'const auto own = read("/proc/self/exe");\nconst auto procs = data / "procs";\n'
        answer = self.answer({"cli/a.cpp": text, "daemon/shim/b.cpp": text, "common/base/proc.cpp": text, "tests/unit/cli/c.cpp": text})
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(answer.stderr, "cli/a.cpp:1: /proc is read in common/base/proc alone\n")


if __name__ == "__main__":
    unittest.main()
