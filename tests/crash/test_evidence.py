"""The oracle of the random kills sees what it is there for: each kind of damage, done on purpose to an honest run."""
import struct
import unittest

import evidence
import random_kills
from evidence import Violation


class Oracle(unittest.TestCase):
    def setUp(self):
        self.trial = random_kills.Trial(random_kills.Settings(seed=1))
        self.addCleanup(self.trial.close)
        self.trial.daemon.spawn()
        self.addCleanup(self.trial.daemon.kill)
        self.trial.daemon.wait_ready()
        self.slot = random_kills.Worker(self.trial, "worker-0", 4000)
        self.slot.fresh_incarnation()
        self.subject = self.slot.incarnation
        ledger = str(self.subject.ledger.path)
        self.slot.begin([str(random_kills.NUMBERED), ledger, "4000", "500", "7", "0"])
        self.slot.settled_view()
        self.log = self.subject.runs.parent / "log" / "00000001.log"

    def expect(self, words):
        self.subject.judged.clear()
        with self.assertRaisesRegex(Violation, words):
            self.subject.judge()

    def change(self, path, at, data):
        before = path.read_bytes()
        path.write_bytes(before[:at] + data + before[at + len(data) :])

    def test_an_honest_run_passes(self):
        self.subject.judge()
        self.assertEqual(self.trial.count["lines"], 1002)

    def run_until_some_are_forgotten(self):
        for _ in range(6):
            self.slot.begin([str(random_kills.NUMBERED), str(self.subject.ledger.path), "4000", "5", "7", "0"])
            self.slot.settled_view()
        random_kills.harness.eventually("retention leaves five", lambda: len(self.subject.run_numbers()) <= 5)

    def test_runs_without_a_directory_are_known_to_the_store(self):
        self.run_until_some_are_forgotten()
        self.subject.judge()
        self.assertEqual(self.trial.count["runs"], 7)

    def test_a_forgotten_run_with_another_code(self):
        self.run_until_some_are_forgotten()
        self.change(self.subject.ledger.path, 64 + 4, struct.pack("<i", 9))
        self.expect("ended with code 9")

    def line(self, text):
        return self.log.read_bytes().index(text)

    def test_a_line_that_is_there_twice_in_place_of_the_next(self):
        self.change(self.log, self.line(b"o 000000100"), b"o 000000099")
        self.expect("1 lines lost, 1 doubled of 501")

    def test_lines_out_of_order(self):
        # Lines of the other stream may stand between the two.
        first, second = self.line(b"e 000000100"), self.line(b"e 000000101")
        self.change(self.log, first, b"e 000000101")
        self.change(self.log, second, b"e 000000100")
        self.expect("stream e")

    def test_a_line_that_the_ledger_owes(self):
        self.change(self.subject.ledger.path, 64 + 8, struct.pack("<Q", 501))
        self.expect("1 lines lost, 0 doubled")

    def test_a_hole_in_the_index(self):
        index = self.log.with_suffix(".idx")
        data = index.read_bytes()
        index.write_bytes(data[:128] + data[192:])
        self.expect("in place of")

    def test_a_copy_of_the_program(self):
        self.change(self.subject.ledger.path, 4, struct.pack("<I", 1))
        self.expect("met a living one")

    def test_an_execution_nobody_asked_for(self):
        self.subject.asked = 0
        self.expect("executed 1 times, asked for 0")

    def test_an_execution_that_no_run_knows(self):
        self.subject.promised.clear()
        self.change(self.subject.ledger.path, 64, struct.pack("<i", 1))
        self.expect("known to no run directory")

    def test_a_run_that_vanished(self):
        self.subject.promised.add(1)
        self.expect("of which no run is known")

    def test_a_wrong_code(self):
        path = self.subject.runs / "1" / "state"
        image = bytearray(path.read_bytes())
        for at in (0, evidence.State.SLOT):
            slot = image[at : at + evidence.State.SLOT]
            (size,) = struct.unpack_from("<I", slot, 8)
            struct.pack_into("<i", slot, 16 + 128, 8)
            struct.pack_into("<I", slot, 12, evidence.crc32c(struct.pack("<I", size) + bytes(slot[16 : 16 + size])))
            image[at : at + evidence.State.SLOT] = slot
        path.write_bytes(image)
        self.expect("ended with code 7, recorded as")

    def test_an_outcome_that_changes(self):
        self.subject.judge()
        self.subject.outcomes[1] = ("another",)
        self.expect("its outcome was")


if __name__ == "__main__":
    unittest.main(verbosity=2)
