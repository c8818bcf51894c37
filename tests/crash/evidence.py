"""What a run leaves behind, read without the product: its ledger, its state, its log; and what must be true of them.

The programs are tests/programs/numbered.cpp. Every check raises `Violation` with one line that names process and run.
"""
import contextlib
import json
import pathlib
import re
import sqlite3
import struct

LINE = 40
LETTERS = bytes(ord("a") + i for i in range(LINE - 13))
WHOLE_LINE = re.compile(rb"(?m)^([oe]) (\d{9}) " + LETTERS + rb"$")
WHOLE_END = re.compile(rb"(?m)^([oe]) end (\d{9})$")
OUT, ERR = 1, 2  # Stream
NAMES = {OUT: b"o", ERR: b"e"}
PIPE_BYTES = 64 << 10
NONE, PREPARED, ABORTED, STARTED, EXEC_FAILED, EXITED = range(6)  # Phase
IS_EVENT, IS_GAP, IS_RECOVERED, IS_SEPARATOR = 8, 4, 16, 32  # RecordFlags
EXITED_EVENT, KILLED_EVENT, TAKEN_OVER = 2, 3, 8  # Event


class Violation(AssertionError):
    pass


def demand(holds, what):
    if not holds:
        raise Violation(what)


class Entry:
    """One execution of the program, by its own word."""

    LAYOUT = struct.Struct("<iiQQIIQ24x")

    def __init__(self, data):
        self.pid, self.code, self.out, self.err, leaving, _, asked = self.LAYOUT.unpack(data)
        self.left, self.asked = bool(leaving), bool(asked)

    def lines(self, stream):
        return self.out if stream == OUT else self.err


class Ledger:
    BYTES = 64 * 256

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            self.path.write_bytes(bytes(self.BYTES))

    def read(self):
        """(entries, how many of them met a living one)"""
        data = self.path.read_bytes()
        executions, copies = struct.unpack_from("<II", data)
        return [Entry(data[64 * i : 64 * i + 64]) for i in range(1, executions + 1)], copies


class State:
    """The newest whole slot of a state file, or `found` False."""

    LAYOUT = struct.Struct("<HH12BQ16s16sQiiQQqQqQQii")
    SLOT = 2048

    def __init__(self, path):
        self.found, self.generation, self.phase = False, 0, NONE
        try:
            image = pathlib.Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        for at in (0, self.SLOT):
            slot = image[at : at + self.SLOT]
            if slot[:8] != b"ppstate\n":
                continue
            size, crc = struct.unpack_from("<II", slot, 8)
            payload = slot[16 : 16 + size]
            if crc32c(struct.pack("<I", size) + payload) != crc or len(payload) < self.LAYOUT.size:
                continue
            fields = self.LAYOUT.unpack_from(payload)
            if self.found and fields[14] <= self.generation:
                continue
            self.found = True
            (
                _, _, self.phase, self.stage, self.stop_requested, self.killed, _, self.exec_confirmed, self.tree_empty,
                self.outcome_unknown, self.successors, self.recording, self.recording_errno, self.has_gaps,
                self.generation, self.nonce, _, self.epoch, self.shim_pid, self.pid, _, _, _, _, _,
                self.log_begin, self.log_end, self.exit_value, self.os_error,
            ) = fields  # fmt: skip

    @property
    def final(self):
        return self.phase in (EXITED, EXEC_FAILED)

    def outcome(self):
        return (self.phase, self.killed, self.exit_value, self.os_error, self.log_end)


class Remembered:
    """A run whose directory retention has removed, by the store's word (a document of the table `runs`)."""

    found, final, phase, os_error, log_end = True, False, EXITED, 0, None

    def __init__(self, document):
        self.pid = document["pid"]
        outcome = document["outcome"] or {}
        self.killed = int(outcome.get("signal") is not None)
        self.exit_value = outcome["signal"] if self.killed else outcome.get("exit_code")

    def outcome(self):
        return (self.phase, self.killed, self.exit_value)


def read_history(database, process):
    """Run number -> Remembered, from a copy of the store that nobody has open."""
    with contextlib.closing(sqlite3.connect(database)) as store:
        rows = store.execute("SELECT number, doc FROM runs WHERE process = ?", (process,)).fetchall()
    return {number: Remembered(json.loads(doc)) for number, doc in rows}


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class RunLog:
    """The part of a log that belongs to one run: the bytes of each stream, and its events."""

    def __init__(self):
        self.pieces = {0: [], OUT: [], ERR: []}  # 0: found after a crash, of a stream that nobody knows
        self.order = []
        self.events = []
        self.dropped = 0

    def stream(self, number):
        return b"".join(self.pieces[number])

    def everything(self):
        return b"".join(self.order)

    def taken_over(self):
        return [value for event, value in self.events if event == TAKEN_OVER]


def read_log(directory, what):
    """Run number -> RunLog, from the files; demands that the index is one unbroken whole."""
    runs = {}
    record = struct.Struct("<QQIIqQBBBBIqII")
    expected, position = None, None
    indexes = sorted(pathlib.Path(directory).glob("*.idx"))
    for index in indexes:
        raw = index.read_bytes()
        if len(raw) < 64 and index == indexes[-1]:
            break  # its writer died before it had a header
        # The index first: what it names is in the data file by then.
        data = index.with_suffix(".log").read_bytes()
        demand(raw[:8] == b"pplogidx", f"{what}: {index.name} has no header")
        first_position, first_sequence = struct.unpack_from("<QQ", raw, 16)
        demand(expected in (None, first_sequence), f"{what}: {index.name} begins with record {first_sequence}, not {expected}")
        demand(position in (None, first_position), f"{what}: {index.name} begins at {first_position}, not {position}")
        expected, position, offset = first_sequence, first_position, 0
        whole = (len(raw) - 64) // 64 * 64
        for fields in record.iter_unpack(raw[64 : 64 + whole]):
            sequence, at, length, run, _, _, stream, flags, event, _, _, value, _, _ = fields
            demand(sequence == expected, f"{what}: record {sequence} in place of {expected} in {index.name}")
            demand(at == offset and at + length <= len(data), f"{what}: record {sequence} points beside the data")
            log = runs.setdefault(run, RunLog())
            if flags & IS_EVENT:
                log.events.append((event, value))
            elif flags & IS_GAP:
                log.dropped += value
            elif not flags & IS_SEPARATOR:
                piece = data[at : at + length]
                log.pieces[stream].append(piece)
                log.order.append(piece)
            expected, offset = expected + 1, offset + length
        position += offset
    return runs


def lines_of(stream, count):
    name, rest = NAMES[stream], LETTERS
    return b"".join([b"%b %09d %b\n" % (name, i, rest) for i in range(count)])


def check_streams(log, entry, what):
    """Every line once and in order; all of them when the program left by itself. Returns how many lines there are."""
    total = 0
    demand(log.dropped == 0, f"{what}: {log.dropped} bytes were dropped")
    demand(not log.pieces[0], f"{what}: {sum(map(len, log.pieces[0]))} bytes of no stream")
    for stream in (OUT, ERR):
        found, owed = log.stream(stream), entry.lines(stream)
        expected = lines_of(stream, owed)
        if entry.left:
            expected += b"%b end %09d\n" % (NAMES[stream], owed)
            if found != expected:
                raise Violation(f"{what}: {describe_difference(found, expected, NAMES[stream].decode())}")
        else:
            # Killed: what its write had not returned for may be there, in order and cut anywhere.
            if found[: len(expected)] != expected:
                raise Violation(f"{what}: {describe_difference(found, expected, NAMES[stream].decode())}")
            more = found[len(expected) :]
            name = NAMES[stream]
            rest = lines_after(name, owed, len(more) // LINE + 1)
            ending = rest[: len(more) // LINE * LINE] + b"%b end %09d\n" % (name, owed + len(more) // LINE)
            demand(
                rest.startswith(more) or ending.startswith(more),
                f"{what}: stream {name.decode()} goes on with {more[:80]!r} after line {owed - 1}",
            )
        total += found.count(b"\n")
    return total


def lines_after(name, begin, count):
    return b"".join([b"%b %09d %b\n" % (name, begin + i, LETTERS) for i in range(count)])


def describe_difference(found, expected, name):
    numbers = [int(m.group(2)) for m in WHOLE_LINE.finditer(found)]
    present = set(numbers)
    owed = expected.count(b"\n")
    lost = sum(1 for m in WHOLE_LINE.finditer(expected) if int(m.group(2)) not in present)
    doubled = len(numbers) - len(present)
    at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    return (
        f"stream {name}: {lost} lines lost, {doubled} doubled of {owed}; "
        f"first difference at byte {at}: {found[max(0, at - 45) : at + 45]!r}"
    )


def check_streams_with_gaps(log, entry, kills, what):
    """For a run whose shims were killed `kills` times. Returns (lines found, bytes missing)."""
    text = log.everything()
    announced = log.taken_over()
    demand(len(announced) <= kills, f"{what}: {len(announced)} takeovers are recorded after {kills} kills")
    lines, missing = 0, 0
    for stream in (OUT, ERR):
        name = NAMES[stream]
        numbers = [int(m.group(2)) for m in WHOLE_LINE.finditer(text) if m.group(1) == name]
        demand(
            all(a < b for a, b in zip(numbers, numbers[1:])),
            f"{what}: stream {name.decode()} has lines doubled or out of order",
        )
        owed = entry.lines(stream)
        lost = (owed - sum(1 for n in numbers if n < owed)) * LINE
        demand(
            lost <= PIPE_BYTES * kills + LINE * 2 * kills,
            f"{what}: stream {name.decode()} lost {lost} bytes in {kills} takeovers",
        )
        missing += lost
        lines += len(numbers)
    if missing > 0:
        demand(announced, f"{what}: {missing} bytes are missing and no takeover is announced")
        bound = sum(announced) + 4 * LINE * len(announced)  # a line that was cut counts as missing with all its bytes
        demand(missing <= bound, f"{what}: {missing} bytes are missing, {sum(announced)} announced")
    return lines, missing
