"""Releases meet: files and shims of an older one under this daemon, files of a newer one, a restart that keeps all."""
import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading

import harness

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
FROZEN = DATA / "v2.0"
HELLO, STOP, STATE, TREE_EMPTY, REFUSED = 1, 3, 102, 103, 105
UNKNOWN_TYPE = 1
EPOCH, REQUEST, NONCE, RUN_STATE, ERROR, REFUSAL = 1, 2, 3, 5, 10, 11
STARTED, EXITED = 3, 5
SLOT = 2048


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def start_ticks(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])


class State:
    """RunState of format 2.0, written down here once more: the layout must not depend on today's sources."""

    LAYOUT = struct.Struct("<HHBBBBBBB5xQ16s16sQiiQQqQqQQii")

    def __init__(self, nonce, phase, pid):
        self.major, self.minor, self.phase, self.nonce, self.pid = 2, 0, phase, nonce, pid
        self.killed = self.stop_requested = self.tree_empty = self.exit_value = 0
        self.generation = 1

    def pack(self):
        boot = bytes.fromhex(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
        return self.LAYOUT.pack(
            self.major, self.minor, self.phase, 0, self.stop_requested, self.killed, 0, 1, self.tree_empty,
            self.generation, self.nonce, boot, 1, os.getpid(), self.pid, start_ticks(os.getpid()), 0,
            1_700_000_000_000_000_000, 1, 1_700_000_000_000_000_000, 0, 0, self.exit_value, 0,
        )  # fmt: skip

    def write(self, path):
        self.generation += 1
        packed = self.pack()
        size = struct.pack("<I", len(packed))
        slot = b"ppstate\n" + size + struct.pack("<I", crc32c(size + packed)) + packed
        with open(path, "r+b") as file:
            file.seek(self.generation % 2 * SLOT)
            file.write(slot)


def frame(kind, *fields):
    """A message of frames 2.0, written down here once more as well."""
    body = b"".join(
        struct.pack("<HH", number, len(value)) + value + bytes(-len(value) % 4) for number, value in fields
    )
    return struct.pack("<IHHHHI", 0x50504354, 2, 0, kind, 0, 16 + len(body)) + body


def read_frame(packet):
    """(type, fields by number)"""
    magic, major, _, kind, _, size = struct.unpack_from("<IHHHHI", packet)
    assert (magic, major, size) == (0x50504354, 2, len(packet))
    fields, at = {}, 16
    while at < size:
        number, length = struct.unpack_from("<HH", packet, at)
        fields[number] = packet[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return kind, fields


class OldShim:
    """A shim as 2.0 knew it at the least: no capability, no descriptors, no message that came later."""

    def __init__(self, run, program):
        self.run, self.program, self.heard = run, program, []
        self.nonce = (FROZEN / "procs/p1/runs/1/state").read_bytes()
        self.nonce = max(self.nonce[:SLOT], self.nonce[SLOT:], key=lambda s: struct.unpack_from("<Q", s, 32)[0])[40:56]
        (run / "state").write_bytes(bytes(2 * SLOT))
        self.state = State(self.nonce, STARTED, program.pid)
        self.state.write(run / "state")
        self.lock = open(run / "shim.lock", "w")
        fcntl.fcntl(self.lock, fcntl.F_OFD_SETLK, harness.WHOLE_FILE)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.open(run, os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{here}/ctl")
        os.close(here)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def send(self, peer, kind, request, *more):
        peer.send(frame(kind, (EPOCH, struct.pack("<Q", 1)), (REQUEST, request), *more))

    def send_state(self, peer, kind, request=bytes(8)):
        self.send(peer, kind, request, (RUN_STATE, self.state.pack()))

    def serve(self):
        while self.state.tree_empty == 0:
            peer, _ = self.listener.accept()
            while packet := peer.recv(4096):
                kind, fields = read_frame(packet)
                self.heard.append(kind)
                if kind == HELLO and fields[NONCE] == self.nonce:
                    self.send_state(peer, STATE, fields[REQUEST])
                elif kind == STOP:
                    self.program.terminate()
                    self.program.wait()
                    self.state.phase, self.state.killed, self.state.exit_value = EXITED, 1, signal.SIGTERM
                    self.state.stop_requested = self.state.tree_empty = 1
                    self.state.write(self.run / "state")
                    self.send_state(peer, STATE)
                    self.send_state(peer, TREE_EMPTY, fields[REQUEST])
                    break
                else:
                    why = struct.pack("<HH", kind, UNKNOWN_TYPE)
                    self.send(
                        peer, REFUSED, fields[REQUEST], (ERROR, struct.pack("<i", errno.EPROTO)), (REFUSAL, why)
                    )
            peer.close()
        self.listener.close()
        self.lock.close()


class Upgrade(harness.TestCase):
    autostart = False

    def frozen(self, version=FROZEN):
        """A data directory that this version wrote; its one run."""
        shutil.copytree(version / "procs", self.place.data / "procs")
        for path in [self.place.data, *self.place.data.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
        return self.place.data / "procs" / "p1" / "runs" / "1"

    def test_what_an_older_release_recorded(self):
        self.frozen()
        self.daemon.start()
        view = self.view("p1")
        self.assertEqual((view["state"], view["exit_code"], view["run"]), ("exited", 7, "p1.1"))
        self.assertEqual(len(self.ok("output", "p1", "-n", "0").out), 14)
        again = self.ok("restart", "p1", "--json").json()
        self.assertEqual(again["run"], "p1.2")

    def test_a_shim_of_an_older_release(self):
        run = self.frozen()
        program = subprocess.Popen(["sleep", "600"])
        self.addCleanup(program.kill)
        shim = OldShim(run, program)
        self.daemon.start()
        view = self.view("p1")
        self.assertEqual((view["state"], view["pid"], view["exit_code"]), ("running", program.pid, None))
        self.daemon.restart()
        self.assertEqual(self.view("p1")["pid"], program.pid)
        self.ok("stop", "p1")
        shim.thread.join(harness.PATIENCE)
        view = self.view("p1")
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("stopped", "SIGTERM", "stopped"))
        self.assertEqual(shim.heard, [HELLO, HELLO, STOP])

    def check_left_alone(self, words, is_kept=False):
        """That the one run there is listed, refused, reported and not touched."""
        before = {p: p.read_bytes() for p in sorted((self.place.data / "procs").rglob("*")) if p.is_file()}
        self.daemon.start()
        view = self.view("p1")
        self.assertEqual((view["state"], view["pid"], view["exit_code"]), ("unsupported", None, None))
        for command in ("stop", "restart", "rm", "wait", "wait --exit", "wait --ready", "wait --pattern x", "signal TERM"):
            refused = self.cli(*command.split(), "p1")
            self.assertEqual(refused.code, 125, f"{command}: {refused}")
            self.assertOneLine(refused.err, "another version")
        self.assertEqual(self.view("p1")["state"], "unsupported")
        self.assertIn(words, self.cli("doctor").out.decode())
        status = self.cli("status", "p1")
        self.assertIn(words, status.out.decode())
        self.assertEqual(status.code, 0 if is_kept else 3)
        for command in (["rm", "--all"], ["rm", "-f", "all"]):
            self.assertOneLine(self.ok(*command).err, "p1 was written by another version of persistproc, and kept")
        for command in (["stop", "all"], ["shutdown"]):
            if is_kept:
                left = self.cli(*command)
                self.assertEqual(left.code, 125, left)
                self.assertRegex(left.err.decode(), "p1 .*another version of persistproc.* which alone can stop")
            else:
                self.ok(*command)
        self.daemon.process.wait(harness.PATIENCE)
        after = {p: p.read_bytes() for p in sorted((self.place.data / "procs").rglob("*")) if p.is_file()}
        self.assertEqual(after, before)

    def test_files_of_a_newer_release_are_left_alone(self):
        run = self.frozen()
        newer = State(b"n" * 16, STARTED, 1)
        newer.major = 3
        (run / "state").write_bytes(bytes(2 * SLOT))
        newer.write(run / "state")
        self.check_left_alone("newer version (format 3.0)")

    def test_files_of_format_1_are_left_alone(self):
        self.frozen(DATA / "v1.0")
        self.check_left_alone("older version (format 1.0)")

    def test_a_program_under_a_shim_of_format_1_lives_on(self):
        """Its shim speaks otherwise; the version that started it can stop it."""
        run = self.frozen(DATA / "v1.0")
        program = subprocess.Popen(["sleep", "600"])
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        older = State(b"n" * 16, STARTED, program.pid)
        older.major, older.minor = 1, 1
        (run / "state").write_bytes(bytes(2 * SLOT))
        older.write(run / "state")
        lock = open(run / "shim.lock", "w")
        self.addCleanup(lock.close)
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, harness.WHOLE_FILE)
        self.check_left_alone("older version (format 1.1)", is_kept=True)
        self.assertIsNone(program.poll())
        self.daemon.start()
        self.assertOneLine(self.ok("shutdown", "--keep").err, "0 processes go on; another version of persistproc keeps p1")

    def test_a_silent_program_of_a_newer_release_is_not_called_ended(self):
        run = self.frozen()
        shutil.rmtree(run.parents[1] / "log")
        newer = State(b"n" * 16, STARTED, 1)
        newer.major = 3
        (run / "state").write_bytes(bytes(2 * SLOT))
        newer.write(run / "state")
        self.daemon.start()
        self.assertOneLine(self.ok("output", "p1").err, "is unsupported: written by a newer version (format 3.0)", "it printed nothing")

    def test_doctor_tells_without_a_daemon_of_a_spec_of_a_newer_release(self):
        run = self.frozen()
        (run / "state").write_bytes(bytes(2 * SLOT))
        State(b"n" * 16, STARTED, 1).write(run / "state")
        spec = (run / "spec").read_bytes()
        (run / "spec").write_bytes(b"ppspec 3.0" + spec[spec.index(b"\n"):])
        self.assertIn("p1.1: written by a newer version (format 3.0)", self.cli("doctor").out.decode())

    def test_a_daemon_goes_on_with_the_shim_it_was_started_with(self):
        """An upgrade puts another in its place, or removes it, under a daemon that lives."""
        installed = self.place.root / "bin"
        installed.mkdir()
        for name in ("persistprocd", "persistproc-shim"):
            shutil.copy(harness.BIN / name, installed / name)
        shim = installed / "persistproc-shim"
        self.daemon.program = installed / "persistprocd"
        self.daemon.start()
        newer = installed / "newer"
        newer.write_text("#!/bin/sh\nexit 1\n")
        newer.chmod(0o755)
        replacements = (lambda: newer.rename(shim), shim.unlink)
        for number, replace in enumerate(replacements):
            with self.subTest(number=number):
                replace()
                view = self.start(f"s{number}", ["sleep", "600"])
                keeper = int(pathlib.Path(f"/proc/{view['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1])
                self.assertEqual(pathlib.Path(f"/proc/{keeper}/comm").read_text(), "persistproc-shi\n")
                os.kill(keeper, signal.SIGKILL)
                state = self.place.data / "procs" / f"p{number + 1}" / "runs" / "1" / "state"
                # How many have taken over stands in the state, in either slot.
                harness.eventually(
                    "another has taken over",
                    lambda: any(state.read_bytes()[at + 16 + 12] == 1 for at in (0, SLOT)),
                )
                self.assertEqual(self.view(f"s{number}")["pid"], view["pid"])
                self.ok("stop", f"s{number}")

    def test_a_client_under_a_daemon_that_knows_no_details(self):
        """One of an older release tells the view alone: here one that is asked for another operation in its place."""
        self.daemon.start()
        self.start("web", ["sleep", "600"])
        at = next((self.place.root / "runtime").rglob("*.sock"))
        behind = at.with_suffix(".behind")
        at.rename(behind)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(at))
        listener.listen()

        def pass_on(source, target, old, new):
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 20):
                    target.sendall(data.replace(old, new))
                target.shutdown(socket.SHUT_WR)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    daemon = socket.socket(socket.AF_UNIX)
                    daemon.connect(str(behind))
                    words = (b"describe_process", b"nothing_we_know!")
                    for way in ((client, daemon, *words), (daemon, client, *reversed(words))):
                        threading.Thread(target=pass_on, args=way, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            text = self.ok("status", "web").out.decode()
            self.assertRegex(text, r"state +running\n")
            self.assertNotIn("restart policy", text)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            behind.rename(at)
        self.assertRegex(self.ok("status", "web").out.decode(), r"restart policy +never\n")

    def test_a_restart_of_the_daemon_keeps_every_run(self):
        """What the README tells to do after an upgrade."""
        self.daemon.start()
        pids = [self.start(f"s{i}", ["sleep", "600"])["pid"] for i in range(3)]
        self.ok("shutdown", "--keep")
        self.daemon.process.wait(harness.PATIENCE)
        self.ok("serve", "--detach", "--port", str(self.daemon.port))
        self.assertEqual([v["pid"] for v in self.views()], pids)
        self.assertEqual({v["state"] for v in self.views()}, {"running"})


if __name__ == "__main__":
    harness.main()
