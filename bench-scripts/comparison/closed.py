"""What closed loops measure: debits, light load, pairs of RESERVE and CAPTURE, BALANCE, one hot account.

redis-benchmark loads both sides, but for the pairs: a CAPTURE needs the id of its RESERVE, so creditd bench asks them.
And for BALANCE beside PING: taking a map of five fields apart costs redis-benchmark more than it costs any server to
make one, so it would be the client that is compared.
"""

from comparison.fleet import CREDITDS
from comparison.loads import appends, closed, creditd_bench, debit_words, ping_words
from peers import RAND, fresh_tag

ANY_NUMBER = 2_000_000_000  # redis-benchmark's largest -r: ids that seldom meet, where the account is always the same


def debit(pipeline, fleet, runner):
    cell = f"debit-{pipeline}"
    takes = [(cell, key, closed(fleet, key, debit_words, pipeline)) for key in (*CREDITDS, "redis")]
    runner.rounds([*takes, (cell, "ping", closed(fleet, "redis", ping_words, pipeline))])


def light(fleet, runner):
    takes = [("light", key, closed(fleet, key, debit_words, 1, clients=1)) for key in (*CREDITDS, "redis")]
    runner.rounds([*takes, ("light", "append", lambda: appends(f"{fleet.work}/append", fleet.options.seconds))])


def reserve(fleet, runner):
    """Pairs; latencies are those of one answer: half a pair of creditd, a whole one of Redis."""

    def creditd(key):
        words = ["-w", "reserve-capture", "-P", 16, "-t", f"{fleet.options.seconds:g}"]
        command, run = creditd_bench(fleet, key, *words)
        figures = {"pairs": run["ops_per_s"] / 2, "pair_cpu_us": 2 * run["server_cpu_us_per_op"]}
        return command, figures | {"p99": run["summaries"][0]["p99_us"] / 1e3}

    words = lambda server: server.reserve_capture_words(RAND, f"{fresh_tag()}.{RAND}")
    in_one_call = closed(fleet, "redis", words, 16)

    def redis():
        command, figures = in_one_call()
        return command, {"pairs": figures["ops"], "pair_cpu_us": figures["cpu_us"], "p99": figures["p99"]}

    takes = [("pairs-16", key, lambda key=key: creditd(key)) for key in CREDITDS]
    runner.rounds([*takes, ("pairs-16", "redis", redis)])


def balance(fleet, runner):
    """BALANCE beside PING, both asked by creditd bench, which looks for the end of a reply and no further."""

    def asked(key, workload, *words, accounts=None):
        load = ["-w", workload, *words, "-P", 16, "-t", f"{fleet.options.seconds:g}"]
        command, run = creditd_bench(fleet, key, *load, accounts=accounts)
        latencies = {name: run["summaries"][0][f"{name}_us"] / 1e3 for name in ("p50", "p99", "p999")}
        return command, {"ops": run["ops_per_s"], "cpu_us": run["server_cpu_us_per_op"], **latencies}

    takes = [("balance-16", key, lambda key=key: asked(key, "balance")) for key in CREDITDS]
    ping = lambda: asked("redis", "ping", "--target", "redis-functions", accounts=1)
    runner.rounds([*takes, ("balance-16", "ping", ping)])


def hot(fleet, runner):
    """DEBITs of one account beside DEBITs of random ones; PostgreSQL by pgbench, without pipelines."""
    one = lambda server: server.debit_words(f"{server.prefix}{0:012}", f"{fresh_tag()}.{RAND}")
    takes = []
    for key in CREDITDS:
        takes.append(("uniform-16", key, closed(fleet, key, debit_words, 16)))
        takes.append(("hot-16", key, closed(fleet, key, one, 16, keys=ANY_NUMBER)))
    for cell, script in (("uniform-16", "all"), ("hot-16", "one")):
        takes.append(
            (cell, "postgres", lambda script=script: fleet["postgres"].debits([script], fleet.options.seconds))
        )
    runner.rounds(takes)
