"""Releases meet: files and shims of an older one under this daemon, files of a newer one, a restart that keeps all."""
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

FROZEN = pathlib.Path(__file__).resolve().parents[1] / "data" / "v1.0"
HELLO, STOP, STATE, TREE_EMPTY, REFUSED = 1, 3, 102, 103, 105
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
    """RunState of format 1.0, written down here once more: the layout must not depend on today's sources."""

    LAYOUT = struct.Struct("<HHBBBBBBB5xQ16s16sQiiQQqQqQQii")

    def __init__(self, nonce, phase, pid):
        self.major, self.minor, self.phase, self.nonce, self.pid = 1, 0, phase, nonce, pid
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


class OldShim:
    """A shim as 1.0 knew it: packets of 192 bytes, no descriptors, no message that came later."""

    MESSAGE = struct.Struct("<IHHQQ16siIII136s")

    def __init__(self, run, program):
        self.run, self.program, self.heard = run, program, []
        self.nonce = (FROZEN / "procs/p1/runs/1/state").read_bytes()
        self.nonce = max(self.nonce[:SLOT], self.nonce[SLOT:], key=lambda s: struct.unpack_from("<Q", s, 32)[0])[40:56]
        (run / "state").write_bytes(bytes(2 * SLOT))
        self.state = State(self.nonce, STARTED, program.pid)
        self.state.write(run / "state")
        self.lock = open(run / "shim.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.open(run, os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{here}/ctl")
        os.close(here)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def send(self, peer, kind, request):
        peer.send(self.MESSAGE.pack(0x50504354, 1, kind, 1, request, self.nonce, 0, 0, 0, 0, self.state.pack()))

    def serve(self):
        while self.state.tree_empty == 0:
            peer, _ = self.listener.accept()
            while packet := peer.recv(4096):
                _, major, kind, _, request, nonce, *_ = self.MESSAGE.unpack(packet)
                self.heard.append(kind)
                if kind == HELLO and major == 1 and nonce == self.nonce:
                    self.send(peer, STATE, request)
                elif kind == STOP:
                    self.program.terminate()
                    self.program.wait()
                    self.state.phase, self.state.killed, self.state.exit_value = EXITED, 1, signal.SIGTERM
                    self.state.stop_requested = self.state.tree_empty = 1
                    self.state.write(self.run / "state")
                    self.send(peer, STATE, 0)
                    self.send(peer, TREE_EMPTY, request)
                    break
                else:
                    self.send(peer, REFUSED, request)
            peer.close()
        self.listener.close()
        self.lock.close()


class Upgrade(harness.TestCase):
    autostart = False

    def frozen(self):
        """A data directory that 1.0 wrote; its one run."""
        shutil.copytree(FROZEN, self.place.data)
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
        self.assertEqual((view["state"], view["signal"], view["reason"]), ("killed", "SIGTERM", "stopped"))
        self.assertEqual(shim.heard, [HELLO, HELLO, STOP])

    def test_files_of_a_newer_release_are_left_alone(self):
        run = self.frozen()
        newer = State(b"n" * 16, STARTED, 1)
        newer.major = 2
        (run / "state").write_bytes(bytes(2 * SLOT))
        newer.write(run / "state")
        before = {p: p.read_bytes() for p in sorted((self.place.data / "procs").rglob("*")) if p.is_file()}
        self.daemon.start()
        view = self.view("p1")
        self.assertEqual((view["state"], view["pid"], view["exit_code"]), ("unsupported", None, None))
        for command in (["stop", "p1"], ["restart", "p1"], ["rm", "p1"]):
            refused = self.cli(*command)
            self.assertEqual(refused.code, 125, f"{command}: {refused}")
            self.assertOneLine(refused.err, "newer")
        self.assertEqual(self.view("p1")["state"], "unsupported")
        self.ok("shutdown")
        self.daemon.process.wait(10)
        after = {p: p.read_bytes() for p in sorted((self.place.data / "procs").rglob("*")) if p.is_file()}
        self.assertEqual(after, before)

    def test_a_restart_of_the_daemon_keeps_every_run(self):
        """What the README tells to do after an upgrade."""
        self.daemon.start()
        pids = [self.start(f"s{i}", ["sleep", "600"])["pid"] for i in range(3)]
        self.ok("shutdown", "--keep")
        self.daemon.process.wait(10)
        self.ok("serve", "--detach", "--port", str(self.daemon.port))
        self.assertEqual([v["pid"] for v in self.views()], pids)
        self.assertEqual({v["state"] for v in self.views()}, {"running"})


if __name__ == "__main__":
    harness.main()
