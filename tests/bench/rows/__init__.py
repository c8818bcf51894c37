"""The rows of scripts/bench by their numbers: each measures with a Bench and adds to its table."""
from rows import agent_job, bulk, calls, first_answer, listing, starts

ROWS = {
    1: bulk.measure,
    3: starts.measure,
    4: listing.measure,
    9: calls.measure,
    10: first_answer.measure,
    11: agent_job.measure,
}
