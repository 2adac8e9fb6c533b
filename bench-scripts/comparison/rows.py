"""The figures to reach: which medians each one compares, and whether it is reached."""

from dataclasses import dataclass

from comparison.fleet import CREDITDS, TITLES

DECIMALS = {"": 0, "us": 2, "ms": 3, "B": 1, "KiB": 2, "%": 3}  # of the figures, by unit


@dataclass(frozen=True)
class Row:
    """A measure: bounds of the ratio creditd / peer, and of the figure. Steps are reached one after the other."""

    title: str
    cell: str
    figure: str
    unit: str
    peer: str | None = None  # a server of the same cell; "itself": the same server in peer_cell
    peer_cell: str | None = None
    does: str = ""  # what the peer does instead
    ratio_min: float | None = None
    ratio_max: tuple = ()
    value_min: float | None = None
    value_max: float | None = None
    ours: tuple = CREDITDS
    aside: str | None = None  # a peer whose own ratio of the two cells is shown

    def higher_is_better(self):
        return self.ratio_min is not None or self.value_min is not None


THIRD = 1 / 3
DEBIT_LIST = "debit_list"
ROWS = (
    Row("debit, pipeline 16, operations/s", "debit-16", "ops", "", "redis", does=DEBIT_LIST, ratio_min=14),
    Row("debit, pipeline 16, server CPU per operation", "debit-16", "cpu_us", "us", "ping", ratio_max=(1.5, 1.15, 1.0)),
    Row(
        "debit, pipeline 64, operations/s",
        "debit-64",
        "ops",
        "",
        "redis",
        does=DEBIT_LIST,
        ratio_min=18,
        value_min=750_000,
    ),
    Row("debit, no pipeline, operations/s", "debit-1", "ops", "", "redis", does=DEBIT_LIST, ratio_min=2.5),
    Row("debit, no pipeline, p50", "debit-1", "p50", "ms", "redis", does=DEBIT_LIST, ratio_max=(THIRD,)),
    Row("debit, no pipeline, p99", "debit-1", "p99", "ms", "redis", does=DEBIT_LIST, ratio_max=(0.5,)),
    Row("debit, no pipeline, server CPU per operation", "debit-1", "cpu_us", "us", "ping", ratio_max=(1.3,)),
    Row("light load, 1 connection, p50", "light", "p50", "ms", "append", ratio_max=(2,)),
    Row("reserve + capture, pipeline 16, pairs/s", "pairs-16", "pairs", "", "redis", does="in one call", ratio_min=10),
    Row(
        "one hot account, pipeline 16, operations/s",
        "hot-16",
        "ops",
        "",
        "itself",
        "uniform-16",
        does="on all accounts",
        ratio_min=1.0,
        aside="postgres",
    ),
    Row("BALANCE, pipeline 16, operations/s", "balance-16", "ops", "", "ping", ratio_min=0.9),
    Row("peak, done within 1 s", "peak-high", "success", "%", "postgres", value_min=99.9),
    Row("peak, p99.9", "peak-high", "p999", "ms", "postgres", value_max=50),
    Row("memory per account, {count} of them", "accounts-a", "bytes", "B", "redis", does="hash", value_max=100),
    Row(
        "memory per account, {count} of them", "accounts-b", "bytes", "B", "redis", "accounts-a", "hash", value_max=100
    ),
    Row(
        "memory per remembered transaction, {count} of them",
        "transactions-a",
        "bytes",
        "B",
        "redis",
        does="key + list",
        value_max=32,
    ),
    Row(
        "memory per remembered transaction, {count} of them",
        "transactions-b",
        "bytes",
        "B",
        "redis",
        "transactions-a",
        "key + list",
        value_max=32,
    ),
    Row("log bytes per debit, pipeline 16", "log-16", "bytes", "B", "redis", does=DEBIT_LIST, value_max=130),
    Row("device KiB per small commit", "device", "kib", "KiB", value_max=4),
    Row(
        "debit, pipeline 16, server CPU, 2 cores against 1",
        "debit-16",
        "cpu_us",
        "us",
        "creditd-1",
        ratio_max=(1.3,),
        ours=("creditd-2",),
    ),
)
PEERS = TITLES | {"redis": "Redis", "itself": "itself"}


def cells_of(row, runner):
    """One row of the table, as text; None if it was not measured."""
    figures = {key: runner.median(row.cell, key, row.figure) for key in CREDITDS}
    measured = [key for key in row.ours if figures[key] is not None]
    if not measured:
        return None
    best = (max if row.higher_is_better() else min)(measured, key=figures.get)
    form = lambda value: f"{value:,.{DECIMALS[row.unit]}f} {row.unit}".strip()
    # Of memory the peer's is what is resident, so that is what ours is compared with; the bound is of what is counted.
    resident = {key: runner.median(row.cell, key, "resident") for key in measured}
    also = lambda key: f" ({form(resident[key])} resident)" if resident.get(key) else ""
    peer_cell = row.peer_cell or row.cell
    peer = runner.median(peer_cell, best if row.peer == "itself" else row.peer, row.figure)
    ratio = None if peer is None else (resident[best] or figures[best]) / peer
    against = "" if peer is None else f"{' '.join(filter(None, (PEERS[row.peer], row.does)))}: {form(peer)}"
    if row.aside and (everywhere := runner.median(peer_cell, row.aside, row.figure)):
        ratio_aside = runner.median(row.cell, row.aside, row.figure) / everywhere
        against += f"; {TITLES[row.aside]}: {ratio_aside:.2f} x"
    count = runner.median(row.cell, best, "count")
    steal = runner.steal({row.cell, peer_cell})
    return [
        row.title.format(count=f"{count:,.0f}" if count else ""),
        *("" if figures[key] is None else form(figures[key]) + also(key) for key in CREDITDS),
        against,
        "" if ratio is None else f"{ratio:.2f} x ({TITLES[best].removeprefix('creditd, ')})",
        target(row),
        verdict(row, figures[best], ratio),
        "" if steal is None else f"{steal:.1f} %",
    ]


def target(row):
    """The bounds, in words."""
    bounds = [f"at least {row.ratio_min:g} x"] if row.ratio_min is not None else []
    if row.ratio_max:
        bounds.append("at most " + ", then ".join("1/3" if step == THIRD else f"{step:g} x" for step in row.ratio_max))
    bounds += [f"at least {row.value_min:,g} {row.unit}".strip()] if row.value_min is not None else []
    bounds += [f"at most {row.value_max:,g} {row.unit}".strip()] if row.value_max is not None else []
    return " and ".join(bounds)


def verdict(row, value, ratio):
    """`yes`, `no`, or of several steps the last one that is reached."""
    holds = row.value_min is None or value >= row.value_min
    holds = holds and (row.value_max is None or value <= row.value_max)
    if row.ratio_min is not None or row.ratio_max:
        if ratio is None:
            return "no peer"
        holds = holds and (row.ratio_min is None or ratio >= row.ratio_min)
        holds = holds and (not row.ratio_max or ratio <= row.ratio_max[-1])
        reached = [step for step in row.ratio_max if ratio <= step]
        if not holds and reached:
            return f"{reached[-1]:g} x yes, {row.ratio_max[len(reached)]:g} x no"
    return "yes" if holds else "no"
