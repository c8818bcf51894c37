"""The rows of scripts/bench by their numbers: each measures with a Bench and adds to its table. 8, what a death of the
daemon loses, is scripts/crash-test.
"""
from rows import agent_job, bulk, calls, ends, first_answer, listing, memory, reading, starts, storm

ROWS = {
    1: bulk.measure,
    2: storm.measure,
    3: starts.measure,
    4: listing.measure,
    5: memory.measure,
    6: reading.measure,
    7: ends.measure,
    9: calls.measure,
    10: first_answer.measure,
    11: agent_job.measure,
}
