"""What scripts/bench prints: the rows of one pass, and two builds side by side."""
import os
import pathlib
import platform
import re
import statistics


def spread(values, unit, digits=2):
    """The least and the most of what a median or a percentile is told of."""
    return f"{min(values):.{digits}f} … {max(values):.{digits}f} {unit}"


def machine():
    """What it was measured on, and whether anybody else used it meanwhile."""
    cpus = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = os.getloadavg()[1]
    shared = "shared with other work" if load > os.cpu_count() + 1 else "quiet"
    return (
        f"{(cpus or [platform.machine()])[0]}, {os.cpu_count()} cores, Linux {platform.release()}; "
        f"load {load:.1f} in the five minutes before the end: {shared}"
    )


class Table:
    """The rows of the report: what, ours, limit, ratio, goal, least and most, and peers below."""

    head = ("#", "what", "value", "limit", "ratio", "goal", "min … max")

    def __init__(self):
        self.rows, self.skipped = [], set()

    def add(self, row, what, ours, limit, ratio, goal, spread=""):
        self.rows.append((row, what, ours, limit, ratio, goal, spread))

    def peer(self, row, name, what, value, ratio="", spread=""):
        self.rows.append((row, f"  peer {name}: {what}", value, "", ratio, "", spread))

    def markdown(self):
        """The same for tests/bench/RESULTS.md."""
        lines = [machine(), ""]
        for row in [self.head, ("---",) * len(self.head), *self.rows]:
            lines.append("| " + " | ".join(str(cell).strip() for cell in row) + " |")
        if self.skipped:
            lines += ["", "Peers skipped: " + ", ".join(sorted(self.skipped)) + "."]
        return "\n".join(lines)

    def print(self):
        widths = [max(len(str(r[i])) for r in [self.head, *self.rows]) for i in range(len(self.head))]
        for row in [self.head, tuple("-" * w for w in widths), *self.rows]:
            print(
                "  ".join(
                    str(c).rjust(w) if i in (0, 2, 3, 4) else str(c).ljust(w)
                    for i, (c, w) in enumerate(zip(row, widths))
                ).rstrip()
            )
        if self.skipped:
            print("peers skipped: " + ", ".join(sorted(self.skipped)))


def amount(value):
    """The number a cell of the table begins with, or None."""
    found = re.match(r"[\d,]*\.?\d+", value)
    return float(found.group().replace(",", "")) if found else None


def print_pairs(ours, theirs, name):
    """Tables of several passes each, of this build and of the other: what both measured, side by side."""

    def median_of(tables, key):
        numbers = [amount(row[2]) for table in tables for row in table.rows if (row[0], row[1]) == key]
        return statistics.median(numbers) if numbers and None not in numbers else None

    rows = [("#", "what", "this", name, "ratio")]
    for row, what, value, *_ in ours[0].rows:
        pair = [median_of(tables, (row, what)) for tables in (ours, theirs)]
        if None in pair or what.lstrip().startswith("peer "):
            continue
        unit = value[re.match(r"[\d,]*\.?\d+", value).end() :]
        ratio = f"{pair[0] / pair[1]:.2f} x" if pair[1] else ""
        rows.append((str(row), what, *(f"{n:g}{unit}" for n in pair), ratio))
    widths = [max(len(r[i]) for r in rows) for i in range(5)]
    for r in rows:
        print("  ".join(c.ljust(w) if i == 1 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip())
