"""`setup` writes one entry into the files of MCP clients and changes nothing else in them."""
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tomllib
import unittest

import harness

# Client -> user file below HOME, project file, table of servers, entry for a URL.
CLIENTS = {
    "claude-code": (".claude.json", ".mcp.json", "mcpServers", {"type": "http", "url": "URL"}),
    "cursor": (".cursor/mcp.json", ".cursor/mcp.json", "mcpServers", {"url": "URL"}),
    "vscode": (".config/Code/User/mcp.json", ".vscode/mcp.json", "servers", {"type": "http", "url": "URL"}),
    "codex": (".codex/config.toml", ".codex/config.toml", "mcp_servers", {"url": "URL"}),
    "gemini": (".gemini/settings.json", ".gemini/settings.json", "mcpServers", {"httpUrl": "URL"}),
    "zed": (".config/zed/settings.json", ".zed/settings.json", "context_servers", {"url": "URL"}),
    "windsurf": (".codeium/windsurf/mcp_config.json", None, "mcpServers", {"serverUrl": "URL"}),
}


def read(path):
    text = path.read_text()
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def listing(root):
    """Everything below a directory that a program could change by writing."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files, "."):
            path = pathlib.Path(folder, name)
            facts = path.lstat()
            found[str(path)] = (facts.st_mode, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return found


class Case(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.home = self.place.root / "home"
        for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR"):
            self.place.environment.pop(name, None)
        if not self.autostart:
            self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())
        self.url = f"http://127.0.0.1:{self.place.environment['PERSISTPROC_PORT']}/mcp"

    def by_url(self, client):
        return {name: self.url if value == "URL" else value for name, value in CLIENTS[client][3].items()}

    def wanted(self, client, scope="user"):
        """What is written unless a URL is asked for."""
        out = {"type": "stdio"} if client == "vscode" else {}
        program = str(harness.BIN / "persistproc") if scope == "user" else "persistproc"
        port = self.place.environment["PERSISTPROC_PORT"]
        return {**out, "command": program, "args": ["mcp", "--data-dir", str(self.place.data), "--port", port]}

    def write(self, path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


class Setup(Case):
    def test_every_client_and_scope_gets_its_entry_once(self):
        for client, (user, project, table, _) in CLIENTS.items():
            for scope, path in (("user", self.home / user), ("project", project and self.place.work / project)):
                with self.subTest(client=client, scope=scope):
                    if path is None:
                        refused = self.cli("setup", client, "--scope", scope)
                        self.assertEqual((refused.code, refused.out), (2, b""), refused)
                        self.assertOneLine(refused.err, "Windsurf")
                        continue
                    done = self.ok("setup", client, "--scope", scope)
                    self.assertOneLine(done.out, "added", str(path))
                    self.assertEqual(read(path), {table: {"persistproc": self.wanted(client, scope)}})
                    self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077 != 0, scope == "project")
                    before = listing(self.place.root)
                    for again in (("setup", client, "--scope", scope), ("setup", client, "--stdio", "--scope", scope)):
                        self.assertEqual(self.ok(*again).out.decode(), f"already set up: {path}\n")
                    self.assertEqual(listing(self.place.root), before)
                    self.assertOneLine(self.ok("setup", client, "--http", "--scope", scope).out, "updated", str(path))
                    self.assertEqual(read(path), {table: {"persistproc": self.by_url(client)}})
                    self.ok("setup", client, "--scope", scope)
                    # A type that is right stays.
                    entry = {"type": "stdio", **read(path)[table]["persistproc"]}
                    self.assertEqual(entry, {"type": "stdio", **self.wanted(client, scope)})

    def test_the_default_scope_is_the_user_s_and_names_have_short_forms(self):
        for short, client in (("claude", "claude-code"), ("code", "vscode"), ("gemini-cli", "gemini")):
            self.ok("setup", short)
            self.assertTrue((self.home / CLIENTS[client][0]).is_file())
        self.assertEqual(list(self.place.work.iterdir()), [])

    def test_a_wrong_call_names_what_there_is(self):
        for arguments in (["setup", "--print"], ["setup", "--remove"], ["setup", "emacs"], ["setup", "zed", "emacs"]):
            refused = self.cli(*arguments)
            self.assertEqual((refused.code, refused.out), (2, b""), refused)
            self.assertOneLine(refused.err, *CLIENTS)
        for arguments in (
            ["setup", "cursor", "all"],
            ["setup", "cursor", "--remove", "--stdio"],
            ["setup", "cursor", "--remove", "--http"],
            ["setup", "cursor", "--http", "--stdio"],
            ["setup", "cursor", "windsurf", "--scope", "project"],
            ["setup", "cursor", "--scope", "all"],
            ["setup", "cursor", "--name", "a b"],
            ["setup", "cursor", "--name", ""],
            ["setup", "cursor", "--http", "--port", "0"],
        ):
            with self.subTest(arguments):
                refused = self.cli(*arguments)
                self.assertEqual(refused.code, 2, refused)
                self.assertOneLine(refused.err)
        no_home = self.cli("setup", "cursor", env={"HOME": ""})
        self.assertOneLine(no_home.err, "HOME")
        self.assertNotEqual(no_home.code, 0)
        self.assertEqual(list(self.home.iterdir()), [])

    def test_without_a_client_it_says_who_is_here_and_what_to_type(self):
        self.place.environment["PATH"] = str(self.place.root)
        before = listing(self.home)
        none = self.ok("setup").out.decode()
        self.assertEqual(none, f"No client found here: {', '.join(CLIENTS)}\n")
        self.assertEqual(self.cli("setup", "all").code, 1)
        self.assertEqual(listing(self.home), before)
        # By its command, by a folder of its own, by its file.
        program = self.write(self.place.root / "code", b"#!/bin/sh\n")
        program.chmod(0o755)
        (self.home / ".cursor").mkdir(parents=True)
        self.write(self.home / ".claude.json", b"{}\n")
        self.assertEqual(
            self.ok("setup").out.decode().splitlines(),
            [
                "Claude Code  persistproc setup claude-code",
                "Cursor       persistproc setup cursor",
                "VS Code      persistproc setup vscode",
                "All of them: persistproc setup all",
                "Not found here: codex, gemini, zed, windsurf",
            ],
        )
        done = self.ok("setup", "all")
        self.assertEqual(done.out.count(b"added"), 3)
        files = {client: self.home / CLIENTS[client][0] for client in ("claude-code", "cursor", "vscode")}
        for client, path in files.items():
            self.assertEqual(read(path)[CLIENTS[client][2]]["persistproc"], self.wanted(client))
        self.assertIn(f"Cursor       set up in {files['cursor']}\n", self.ok("setup").out.decode())
        self.write(self.home / ".codex/config.toml", b"broken")
        self.assertIn("Codex        " + str(self.home / ".codex/config.toml"), self.ok("setup").out.decode())
        states = {each["client"]: each["state"] for each in self.ok("setup", "--json").json()["clients"]}
        self.assertEqual((states["cursor"], states["codex"], states["zed"]), ("set up", "unknown", "not found"))

    def test_several_at_once_and_one_that_fails_keeps_none_of_the_others(self):
        self.write(self.home / ".cursor/mcp.json", b"{")
        done = self.cli("setup", "zed", "cursor", "codex", "zed")
        self.assertEqual((done.code, done.out.count(b"added")), (1, 2), done)
        self.assertIn(str(self.home / ".cursor/mcp.json"), done.err.decode())
        again = self.cli("setup", "zed", "cursor", "--json")
        self.assertEqual(again.code, 1)
        rows = again.json()["clients"]
        self.assertEqual([(r["client"], r["done"]) for r in rows], [("zed", "already set up"), ("cursor", "nothing")])
        self.assertIsNone(rows[0]["error"])
        self.assertIn("line 1, column 2", rows[1]["error"])
        self.write(self.home / ".cursor/mcp.json", b"{}")
        # What holds for all of them is said once.
        told = self.ok("setup", "--http", "cursor", "windsurf").err.decode()
        self.assertEqual(told.count("serve --detach"), 1)
        self.assertIn("enable it in Cursor's settings", told)

    def test_what_was_added_is_taken_out_again(self):
        for client, (user, project, table, _) in CLIENTS.items():
            for scope, path in (("user", self.home / user), ("project", project and self.place.work / project)):
                if path is None:
                    continue
                with self.subTest(client=client, scope=scope):
                    other = b'[mcp_servers.a] # mine\nurl = "x"\n' if client == "codex" else None
                    before = other or json.dumps({"b": 1, table: {"a": {"url": "x"}}}, indent=4).encode()
                    self.write(path, before)
                    path.chmod(0o640)
                    nothing = self.ok("setup", "--remove", client, "--scope", scope)
                    self.assertOneLine(nothing.out, "nothing to remove", str(path))
                    self.ok("setup", client, "--scope", scope)
                    self.assertNotEqual(path.read_bytes(), before)
                    removed = self.ok("setup", client, "--remove", "--scope", scope)
                    self.assertOneLine(removed.out, 'removed "persistproc"', str(path))
                    self.assertEqual(path.read_bytes(), before)
                    self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
                    self.ok("setup", client, "--scope", scope, "--http")
                    document = self.ok("setup", "--remove", client, "--scope", scope, "--json").json()
                    self.assertEqual((document["done"], document["entry"]), ("removed", None))
                    self.assertEqual(path.read_bytes(), before)

    def test_removing_makes_no_files_and_leaves_other_names(self):
        before = listing(self.place.root)
        self.assertOneLine(self.ok("setup", "--remove", "all").err, "no client has an entry")
        self.ok("setup", "--remove", "cursor", "zed")
        self.assertEqual(listing(self.place.root), before)
        self.ok("setup", "cursor", "codex")
        self.ok("setup", "cursor", "--name", "other")
        self.assertEqual(self.ok("setup", "--remove", "all").out.count(b"removed"), 2)
        self.assertEqual(list(read(self.home / ".cursor/mcp.json")["mcpServers"]), ["other"])
        self.assertOneLine(self.ok("setup", "--remove", "all", "--name", "other").out, "removed", "Cursor")
        path = self.write(self.home / ".cursor/mcp.json", b'{"mcpServers": {"persistproc": "x"}}')
        refused = self.cli("setup", "--remove", "cursor")
        self.assertEqual((refused.code, refused.out), (1, b""))
        self.assertOneLine(refused.err, str(path), "line 1, column ", 'By hand: take out "persistproc" of "mcpServers"')
        self.assertEqual(path.read_bytes(), b'{"mcpServers": {"persistproc": "x"}}')

    def test_gemini_is_told_that_a_folder_must_be_trusted(self):
        self.assertIn("Trust each folder", self.ok("setup", "gemini").err.decode())

    def test_print_shows_and_writes_nothing(self):
        before = listing(self.home)
        for client, (user, _, table, _) in CLIENTS.items():
            with self.subTest(client):
                shown = self.ok("setup", client, "--print").out.decode()
                self.assertIn(str(self.home / user), shown)
                self.assertIn(self.url, self.ok("setup", client, "--http", "--print").out.decode())
                document = self.ok("setup", client, "--print", "--json").json()
                self.assertEqual(document["file"], str(self.home / user))
                entry = tomllib.loads(document["entry"]) if client == "codex" else json.loads(document["entry"])
                self.assertEqual(entry, {table: {"persistproc": self.wanted(client)}})
        self.assertIn("claude mcp add --scope user persistproc -- ", self.ok("setup", "claude", "--print").out.decode())
        shown = self.ok("setup", "claude", "--http", "--print").out.decode()
        self.assertIn("claude mcp add --transport http --scope user persistproc ", shown)
        self.assertEqual(listing(self.home), before)

    def test_what_leads_to_a_stranger_is_shown_and_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = str(stranger.getsockname()[1])
            shown = self.cli("setup", "cursor", "--http", "--print", "--port", port)
        self.assertEqual(shown.code, 125)
        self.assertIn(f"http://127.0.0.1:{port}/mcp", shown.out.decode())
        self.assertIn(f"port {port} is held by ", shown.err.decode())

    def test_name_port_and_both_forms(self):
        path = self.home / ".cursor/mcp.json"
        self.ok("setup", "cursor", "--http", "--name", "procs-2", "--port", "4711")
        self.assertEqual(read(path)["mcpServers"]["procs-2"], {"url": "http://127.0.0.1:4711/mcp"})
        self.ok("setup", "cursor")
        entry = read(path)["mcpServers"]["persistproc"]
        self.assertEqual(os.path.realpath(entry["command"]), os.path.realpath(harness.BIN / "persistproc"))
        # What a shell's variables say is not known to a client that was started elsewhere.
        port = self.place.environment["PERSISTPROC_PORT"]
        self.assertEqual(entry["args"], ["mcp", "--data-dir", str(self.place.data), "--port", port])
        self.ok("setup", "vscode", "--scope", "project", "--port", "8947")
        entry = read(self.place.work / ".vscode/mcp.json")["servers"]["persistproc"]
        self.assertEqual(
            entry, {"type": "stdio", "command": "persistproc", "args": ["mcp", "--data-dir", str(self.place.data)]}
        )
        self.ok("setup", "cursor", "--http")
        self.assertEqual(read(path)["mcpServers"]["persistproc"], {"url": self.url})
        self.assertEqual(sorted(read(path)["mcpServers"]), ["persistproc", "procs-2"])

    def test_what_a_file_holds_stays_byte_for_byte(self):
        before = (
            b"\xef\xbb\xbf// Zed settings\r\n{\r\n\t\"theme\": \"One\", // \"context_servers\": {}\r\n"
            b"\t\"context_servers\": {\r\n\t\t/* mine */\r\n\t\t\"a\": {\"command\": \"b\",},\r\n\t},\r\n}\r\n"
        )
        path = self.write(self.home / ".config/zed/settings.json", before)
        path.chmod(0o640)
        self.ok("setup", "zed", "--http")
        entry = f'\r\n\t\t"persistproc": {{\r\n\t\t\t"url": "{self.url}"\r\n\t\t}},'.encode()
        after = path.read_bytes()
        self.assertEqual(after.count(entry), 1)
        self.assertEqual(after.replace(entry, b""), before)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertEqual(os.listdir(path.parent), ["settings.json"])

    def test_a_toml_file_keeps_its_bytes_and_the_user_s_keys(self):
        before = (
            b'# mine\nmodel = "x"\n\n[mcp_servers.persistproc]\ncommand = "persistproc" # old\nargs = [\n  "mcp",\n]\n'
            b"startup_timeout_sec = 20 # slow\n\n[mcp_servers.persistproc.tools.a]\nx = 1\n\n[profiles.p]\nmodel = 'y'\n"
        )
        path = self.write(self.home / ".codex/config.toml", before)
        self.assertOneLine(self.ok("setup", "codex", "--http").out, "updated", str(path))
        expected = before.replace(b'command = "persistproc" # old\nargs = [\n  "mcp",\n]\n', b"").replace(
            b"20 # slow\n", f'20 # slow\nurl = "{self.url}"\n'.encode()
        )
        self.assertEqual(path.read_bytes(), expected)
        self.assertEqual(tomllib.loads(path.read_text())["mcp_servers"]["persistproc"]["url"], self.url)

    def test_a_link_of_a_dotfile_manager_stays_one(self):
        real = self.write(self.home / "dotfiles/cursor.json", b"{}\n")
        path = self.home / ".cursor/mcp.json"
        path.parent.mkdir()
        path.symlink_to("../dotfiles/cursor.json")
        self.ok("setup", "cursor")
        self.assertTrue(path.is_symlink())
        self.assertEqual(read(real)["mcpServers"]["persistproc"], self.wanted("cursor"))

    def test_links_of_a_repository_lead_nowhere_else(self):
        outside = self.place.root / "outside"
        for client, (_, project_file, _, _) in CLIENTS.items():
            if project_file is None:
                continue
            path = self.place.work / project_file
            for what in ("folder", "file", "missing"):
                if what == "folder" and path.parent == self.place.work:
                    continue
                with self.subTest(client, what=what):
                    target = outside / path.name
                    outside.mkdir()
                    if what == "file":
                        target.write_bytes(b"")
                    if what == "folder":
                        path.parent.symlink_to(outside)
                    else:
                        path.parent.mkdir(exist_ok=True)
                        path.symlink_to(target)
                    before = listing(outside)
                    refused = self.cli("setup", client, "--scope", "project")
                    self.assertEqual((refused.code, refused.out), (1, b""), refused)
                    self.assertOneLine(refused.err, f"is a link to {outside}", "outside the project", "By hand:")
                    self.assertEqual(listing(outside), before)
                    if what == "folder":
                        path.parent.unlink()
                    else:
                        path.unlink()
                    shutil.rmtree(outside)

    def test_what_a_project_s_entry_sets_beside_ours_is_not_approved(self):
        self.ok("setup", "cursor", "--scope", "project")
        path = self.place.work / ".cursor/mcp.json"
        entry = self.wanted("cursor", "project")
        for named, more in (
            ('"env"', {"env": {"LD_PRELOAD": "/evil.so"}}),
            ('"envFile" and "cwd"', {"command": "/evil/persistproc", "envFile": "/evil", "cwd": "/"}),
        ):
            text = json.dumps({"mcpServers": {"persistproc": {**entry, **more}}}).encode()
            path.write_bytes(text)
            refused = self.cli("setup", "cursor", "--scope", "project")
            self.assertEqual((refused.code, refused.out), (1, b""), refused)
            self.assertOneLine(refused.err, f"also sets {named},", "--name")
            self.assertNotIn(b"evil", refused.err)
            self.assertEqual(path.read_bytes(), text)
        # In the user's own file it is the user's word.
        path = self.home / ".cursor/mcp.json"
        self.ok("setup", "cursor")
        document = read(path)
        document["mcpServers"]["persistproc"]["env"] = {"PERSISTPROC_PORT": "9000"}
        path.write_text(json.dumps(document))
        self.assertIn("already set up", self.ok("setup", "cursor").out.decode())

    def test_links_within_a_project_stay(self):
        real = self.write(self.place.work / "config/mcp.json", b"{}\n")
        path = self.place.work / ".cursor/mcp.json"
        path.parent.mkdir()
        path.symlink_to("../config/mcp.json")
        self.ok("setup", "cursor", "--scope", "project")
        self.assertTrue(path.is_symlink())
        self.assertEqual(read(real)["mcpServers"]["persistproc"], self.wanted("cursor", "project"))

    @harness.needs_root
    def test_files_of_others_in_a_project_are_not_ours_to_write(self):
        path = self.write(self.place.work / ".cursor/mcp.json", b"{}\n")
        os.chown(path, 61233, 61233)
        refused = self.cli("setup", "cursor", "--scope", "project")
        self.assertEqual(refused.code, 1)
        self.assertOneLine(refused.err, str(path), "belongs to another user (uid 61233)")
        self.assertEqual(path.read_bytes(), b"{}\n")

    @harness.needs_root
    def test_nothing_is_written_through_a_folder_of_another(self):
        theirs, ours = self.place.work / "theirs", self.place.work / "ours"
        (theirs / "x").mkdir(parents=True)
        ours.mkdir()
        (theirs / "back").symlink_to("../ours")
        os.chown(theirs, 61233, 61233)
        link = self.place.work / ".cursor"
        for target in ("theirs/x", "theirs/back", str(theirs / "x"), "ours/../theirs/missing"):
            with self.subTest(target):
                link.symlink_to(target)
                refused = self.cli("setup", "cursor", "--scope", "project")
                self.assertEqual((refused.code, refused.out), (1, b""))
                self.assertOneLine(refused.err, f"{theirs} belongs to another user (uid 61233)", "By hand:")
                link.unlink()
        self.assertEqual([list((theirs / "x").iterdir()), list(ours.iterdir())], [[], []])

    def test_nothing_is_written_where_everybody_may_write(self):
        folder = self.place.work / ".cursor"
        path = self.write(folder / "mcp.json", b"{}\n")
        for open_to_all, mode in ((folder, 0o777), (self.place.work, 0o777), (path, 0o666)):
            with self.subTest(open_to_all):
                before = stat.S_IMODE(open_to_all.stat().st_mode)
                open_to_all.chmod(mode)
                refused = self.cli("setup", "cursor", "--scope", "project")
                self.assertEqual((refused.code, refused.out), (1, b""))
                self.assertOneLine(refused.err, f"{open_to_all} may be written by everybody (mode 0{mode:o})",
                                   f"chmod o-w {open_to_all}")
                open_to_all.chmod(before)
        self.assertEqual(path.read_bytes(), b"{}\n")
        # In such a one nobody takes away what is another's.
        self.place.work.chmod(0o1777)
        self.ok("setup", "cursor", "--scope", "project")

    @harness.needs_root
    def test_a_project_of_another_is_not_ours_to_write(self):
        os.chown(self.place.work, 61233, 61233)
        refused = self.cli("setup", "cursor", "--scope", "project")
        self.assertEqual((refused.code, refused.out), (1, b""))
        self.assertOneLine(refused.err, f"{self.place.work} belongs to another user (uid 61233)", "By hand:")
        self.assertEqual(list(self.place.work.iterdir()), [])

    def test_hostile_files_are_left_as_they_are(self):
        path = self.home / ".cursor/mcp.json"
        contents = [
            b"{",
            b'{"mcpServers": {"a": {}',
            b'{"mcpServers": []}',
            b'{"mcpServers": {}, "mcpServers": {}}',
            b'{"mcpServers": {"persistproc": "x"}}',
            b'{"mcpServers": {"persistproc": {"url": "a", "url": "b"}}}',
            b'{"mcpServers": {"persistproc": {"command": "x", "env": {"TOKEN": "s3cret"}}}}',
            b"[1, 2]",
            b"mcpServers: yaml",
            b"\x00\x01\x02",
            b'{"a": 1} trailing',
            b"[" * 100000,
        ]
        for content in contents:
            with self.subTest(content[:60]):
                self.write(path, content)
                before = listing(self.home)
                refused = self.cli("setup", "cursor", "--http")
                self.assertEqual((refused.code, refused.out), (1, b""), refused)
                self.assertOneLine(refused.err, str(path), "line 1, column ", f'"persistproc":{{"url":"{self.url}"}}')
                self.assertNotIn(b"s3cret", refused.err)
                self.assertEqual(listing(self.home), before)
                error = self.cli("setup", "cursor", "--http", "--json")
                self.assertEqual(error.code, 1)
                self.assertIn(str(path), error.json()["error"]["message"])
        toml = self.write(self.home / ".codex/config.toml", b'mcp_servers = { a = { url = "x" } }\n')
        refused = self.cli("setup", "codex", "--http")
        self.assertEqual(refused.code, 1)
        self.assertOneLine(refused.err, str(toml), "line 1, column 1", f'url = "{self.url}"')
        self.assertEqual(toml.read_bytes(), b'mcp_servers = { a = { url = "x" } }\n')

    def test_a_repository_does_not_keep_its_reader_busy_with_a_long_file(self):
        toml = "[mcp_servers.persistproc]\n" + "".join(f"k{n} = 1\n" for n in range(50_000))
        tables = "[[mcp_servers.persistproc]]\n" * 20_000
        members = ",".join(f'"k{n}":1' for n in range(60_000))
        servers = ",".join(f'"k{n}":{{}}' for n in range(60_000))
        for client, text, why in (
            ("codex", toml, "more than 1000 members"),
            ("codex", tables, "is a list of tables"),
            ("claude-code", f'{{"mcpServers":{{{servers}}}}}', "more than 1000 servers"),
            ("claude-code", f'{{"mcpServers":{{"persistproc":{{{members}}}}}}}', 'also sets "k0", "k1"'),
        ):
            path = self.write(self.place.work / CLIENTS[client][1], text.encode())
            with self.subTest(client, why=why):
                self.cli("doctor", patience=10)
                ran = self.cli("setup", client, "--scope", "project", patience=10)
                self.assertEqual(ran.code, 1, ran)
                self.assertIn(why, ran.err.decode())
                self.assertEqual(path.read_bytes(), text.encode())
                self.cli("setup", client, "--scope", "project", "--remove", patience=10)

    def test_a_repository_does_not_kill_its_reader_with_a_deep_file(self):
        for content in (b"a." * 40000 + b"b = 1\n", b"[" + b"a." * 40000 + b"b]\n", b"a = " + b"[" * 40000):
            toml = self.write(self.place.work / ".codex/config.toml", content)
            with self.subTest(content[:10]):
                refused = self.cli("setup", "codex", "--scope", "project")
                self.assertEqual(refused.code, 1)
                self.assertOneLine(refused.err, str(toml), "line 1: more than 64 tables or lists within each other")
                self.assertEqual(toml.read_bytes(), content)
                checks = {each["name"]: each for each in self.cli("doctor", "--json").json()["checks"]}
                self.assertIn("more than 64 tables", json.dumps(checks))

    def test_what_is_no_file_is_refused_at_once(self):
        path = self.home / ".cursor/mcp.json"
        path.parent.mkdir()
        os.mkfifo(path)
        self.assertOneLine(self.cli("setup", "cursor").err, str(path))
        path.unlink()
        path.mkdir()
        self.assertOneLine(self.cli("setup", "cursor").err, str(path))
        self.write(self.home / ".gemini", b"")
        refused = self.cli("setup", "gemini")
        self.assertEqual(refused.code, 1)
        self.assertOneLine(refused.err, str(self.home / ".gemini"))

    def test_variables_move_the_files(self):
        elsewhere = self.place.root / "elsewhere"
        env = {"CODEX_HOME": str(elsewhere), "XDG_CONFIG_HOME": str(elsewhere), "CLAUDE_CONFIG_DIR": str(elsewhere)}
        for client, path in (
            ("codex", "config.toml"),
            ("zed", "zed/settings.json"),
            ("vscode", "Code/User/mcp.json"),
            ("claude", ".claude.json"),
        ):
            self.ok("setup", client, env=env)
            self.assertTrue((elsewhere / path).is_file())
        self.assertEqual(list(self.home.iterdir()), [])


class SetupWithDaemon(Case):
    autostart = True

    def test_it_says_when_the_entry_does_not_lead_to_the_daemon(self):
        self.assertNotIn(b"daemon", self.ok("setup", "cursor", "--http").err)
        said = self.ok("setup", "cursor", "--http", "--port", "4711").err.splitlines(True)
        self.assertIn(b"enable it", said[0])
        self.assertOneLine(said[1], self.url, "--port")
        said = self.ok("setup", "cursor", "--port", "4711").err.splitlines(True)
        self.assertOneLine(said[1], self.url, "gets --port 4711")
        self.daemon.kill()
        self.assertTrue(self.ok("setup", "cursor", "--http").err.endswith(b"persistproc serve --detach\n"))
        shown = self.ok("setup", "cursor", "--http", "--port", "4712").err
        self.assertTrue(shown.endswith(b"serve --detach --port 4712\n"))
        # It starts one itself.
        self.assertNotIn(b"daemon", self.ok("setup", "cursor").err)

    def test_what_it_writes_starts_the_daemon(self):
        self.ok("setup", "cursor")
        entry = read(self.home / ".cursor/mcp.json")["mcpServers"]["persistproc"]
        self.ok("shutdown")
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
        bare = {name: value for name, value in self.place.environment.items() if not name.startswith("PERSISTPROC_")}
        answer = subprocess.run(
            [entry["command"], *entry["args"]], input=json.dumps(hello).encode() + b"\n", capture_output=True, env=bare
        )
        self.assertIn(b"serverInfo", answer.stdout, answer)
        self.assertTrue(self.is_served())


if __name__ == "__main__":
    unittest.main()
