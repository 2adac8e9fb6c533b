"""Takes samples in turns, again where neighbours took CPU, and keeps them; says how far it is."""

import re
import statistics
import time

from peers import Steal

STEAL_PERCENT_MAX = 2
REPEATS_MAX = 3


class Runner:
    """`cells[cell][server]` is {"command": the newest one, "runs": {figure: [one per run]}}."""

    def __init__(self, options, plan):
        """`plan`: expected seconds by name of what will run, in order."""
        self.options, self.plan, self.cells = options, plan, {}
        self.started = self.part_started = time.monotonic()
        self.part, self.expected_s = None, 0.0

    def begin(self, part):
        """What runs from here on is this part of the plan."""
        self.expected_s += self.plan.get(self.part, 0)
        self.part, self.part_started = part, time.monotonic()

    def rounds(self, takes, runs=None):
        """In each run every take after the other. A take is (cell, server, a function of command and figures).

        Every other run goes backwards: what comes at a certain size of the data, as a table that grows, does not always hit
        the same take.
        """
        for run in range(runs or self.options.runs):
            for cell, server, take in takes if run % 2 == 0 else reversed(takes):
                self.keep(cell, server, *self.clean(take))

    def keep(self, cell, server, command, figures):
        kept = self.cells.setdefault(cell, {}).setdefault(server, {"runs": {}})
        kept["command"] = re.sub(r"(-p|--port) \d+", r"\1 PORT", command)
        for figure, value in figures.items():
            kept["runs"].setdefault(figure, []).append(float(f"{value:.4g}"))
        shown = "  ".join(f"{figure} {value:.6g}" for figure, value in figures.items())
        print(f"[{self.left()}] {cell} {server}: {shown}", flush=True)

    def clean(self, take):
        """The take with the least steal: the first one below the limit, or the best of all."""
        taken = []
        while len(taken) <= REPEATS_MAX and (not taken or taken[-1][1]["steal"] > STEAL_PERCENT_MAX):
            if taken:
                print(f"  again: neighbours took {taken[-1][1]['steal']:.1f} % of the CPU", flush=True)
            with Steal() as steal:
                command, figures = take()
            taken.append((command, figures | {"steal": steal.percent}))
        return min(taken, key=lambda one: one[1]["steal"])

    def left(self):
        """In minutes: what the plan says of the rest, at the pace so far."""
        now, own = time.monotonic(), self.plan[self.part]
        rest = sum(self.plan.values()) - self.expected_s - own
        pace = max(1.0, (self.part_started - self.started) / self.expected_s) if self.expected_s else 1.0
        return (
            f"{self.part}; about {max(1, round((max(0, own - (now - self.part_started)) + rest) * pace / 60))} min left"
        )

    def median(self, cell, server, figure):
        """None if it was not measured."""
        runs = self.cells.get(cell, {}).get(server, {}).get("runs", {})
        return statistics.median(runs[figure]) if figure in runs else None

    def steal(self, cells):
        """The most of any run of these cells; None where it changes nothing."""
        kept = [kept["runs"].get("steal", []) for cell in cells for kept in self.cells.get(cell, {}).values()]
        return max((percent for percents in kept for percent in percents), default=None)
