"""The peak: an open loop, a fifth of all debits on ten hot accounts; creditd and PostgreSQL at the same rates."""

from comparison.fleet import CREDITDS
from comparison.loads import creditd_bench

# Half of creditd bench's peak comes in a tenth of each second, so a quarter of what the server can do is 1.25 times
# that during the burst: more than it can take, and over before the wait becomes long.
SHARE = 0.25
SCRIPTS = ["all@8", "ten@2"]


def peak(fleet, runner):
    runner.rounds(
        [("peak-ability", key, lambda key=key: ability(fleet, key)) for key in (*CREDITDS, "postgres")], runs=1
    )
    ours = max(runner.median("peak-ability", key, "ops") for key in CREDITDS)
    theirs = runner.median("peak-ability", "postgres", "ops")
    takes = []
    for cell, rate in (("peak-low", SHARE * theirs), ("peak-mid", 1.5 * theirs), ("peak-high", SHARE * ours)):
        rate = float(f"{rate:.2g}")
        takes += [(cell, key, lambda key=key, rate=rate: offered(fleet, key, rate)) for key in (*CREDITDS, "postgres")]
    runner.rounds(takes)


def ability(fleet, key):
    """The closed loop's operations a second."""
    if key == "postgres":
        return fleet[key].debits(SCRIPTS, fleet.options.seconds)
    command, run = creditd_bench(fleet, key, "-w", "debit", "-P", 16, "-t", f"{fleet.options.seconds:g}")
    return command, {"ops": run["ops_per_s"]}


def offered(fleet, key, rate):
    seconds = fleet.options.seconds + 2
    if key == "postgres":
        return fleet[key].debits(SCRIPTS, seconds, rate)
    words = ["-w", "peak", "--rate", f"{rate:.0f}", "-P", 16, "-t", f"{seconds:g}"]
    command, run = creditd_bench(fleet, key, *words)
    latency = run["summaries"][0]
    figures = {name: latency[f"{name}_us"] / 1e3 for name in ("p50", "p99", "p999")}
    lag = run["lag_p99_us"] or 0
    return command, {
        "success": run["success_percent"],
        **figures,
        "ops": run["ops_per_s"],
        "rate": rate,
        "lag": lag / 1e3,
    }
