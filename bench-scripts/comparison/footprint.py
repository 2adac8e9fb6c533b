"""What each account, transaction and commit takes: bytes of the log, of the device, of memory."""

import pathlib
import sys
import time

from comparison.fleet import CREDITDS, Fleet
from comparison.loads import CLIENTS
from peers import RAND, encode, fresh_tag, redis_benchmark

SPACED_COMMITS = 200
SPACE_S = 0.002
QUIET_S = 0.5


def log(fleet, runner):
    """Ids of 12 bytes, on accounts of their own. A pair of account and id that comes twice is no record."""
    accounts = min(100_000, fleet.accounts)
    words = lambda server: server.debit_words(RAND, RAND)

    def take(key):
        server = fleet[key]
        before = logged(server)
        command, figures = redis_benchmark(server, words(server), CLIENTS, 16, fleet.options.logged, accounts)
        length, records = (after - before for after, before in zip(logged(server), before))
        per_debit = length / (records or fleet.options.logged)
        return command, {"bytes": per_debit, "ops": figures["ops"]}

    for key in (*CREDITDS, "redis"):
        fleet[key].fund(range(accounts), prefix="")
    runner.rounds([("log-16", key, lambda key=key: take(key)) for key in (*CREDITDS, "redis")])


def logged(server):
    """Bytes of the log so far and, of creditd, its records."""
    if server.prefix:
        info = server.info()
        return int(info["log_bytes"]), int(info["log_records"])
    return sum(path.stat().st_size for path in pathlib.Path(server.data).rglob("*.aof")), 0


def device(fleet, runner):
    """Commits of one debit each, no spare segment being made meanwhile: those writes would be counted too."""

    def take(key):
        server = fleet[key]
        names = lambda: sorted(pathlib.Path(server.data).rglob("*"))
        state = lambda: (server.device_bytes(), int(server.info()["log_commits"]))
        while True:
            await_quiet(server)
            files, before = names(), state()
            spaced_debits(server)
            written, commits = (after - before for after, before in zip(state(), before))
            if names() == files:
                command = (
                    f"{SPACED_COMMITS} x CREDIT.DEBIT, 2 ms apart; write_bytes of /proc/PID/io by log_commits of INFO"
                )
                return command, {"kib": written / 1024 / commits}

    runner.rounds([("device", key, lambda key=key: take(key)) for key in CREDITDS])


def await_quiet(server):
    """Until it makes the kernel write nothing for a while."""
    before = None
    while before != (before := server.device_bytes()):
        time.sleep(QUIET_S)


def spaced_debits(server):
    tag = fresh_tag()
    with server.connect() as peer:
        for number in range(SPACED_COMMITS):
            peer.sendall(encode(*server.debit_words(f"{server.prefix}{0:012}", f"{tag}.{number}")))
            answer = peer.recv(65536)
            if not answer or answer.startswith(b"-"):
                sys.exit(f"a debit was answered {answer!r}; {server.said()}")
            time.sleep(SPACE_S)


def memory(options, runner):
    """Each server alone and fresh; a count of bytes needs no repetition."""
    for key in CREDITDS:
        with Fleet(options, 0) as fleet:
            creditd_memory(fleet[key], options, lambda cell, *sample, key=key: runner.keep(cell, key, *sample))
    with Fleet(options, 0) as fleet:
        redis_memory(fleet["redis"], options, lambda cell, *sample: runner.keep(cell, "redis", *sample))


def creditd_memory(server, options, keep):
    """What INFO counts, and how resident memory grew, the files' apart; of accounts, the ids of their GRANTs apart."""
    empty, funded, prefix = server.anonymous_bytes(), 0, "account:"
    for cell, accounts in zip(("accounts-a", "accounts-b"), options.memory_accounts):
        server.fund(range(funded, accounts), prefix)
        funded, info = accounts, server.info()
        grown = server.anonymous_bytes() - empty - int(info["transactions_memory"])
        figures = {"bytes": int(info["accounts_memory"]) / accounts, "resident": grown / accounts, "count": accounts}
        keep(cell, "CREDIT.GRANT account:NNNNNNNNNNNN fund 1000000000; accounts_memory of INFO", figures)
    base, granted = server.anonymous_bytes(), int(server.info()["transactions"])
    for cell, wanted in zip(("transactions-a", "transactions-b"), options.memory_transactions):
        words = server.debit_words(prefix + RAND, f"{fresh_tag()}.{RAND}")
        missing = wanted - int(server.info()["transactions"])
        command, _ = redis_benchmark(server, words, CLIENTS, 64, missing, funded)
        info = server.info()
        known = int(info["transactions"])
        grown = (server.anonymous_bytes() - base) / (known - granted)
        figures = {"bytes": int(info["transactions_memory"]) / known, "resident": grown, "count": known}
        keep(cell, f"{command}; transactions_memory of INFO", figures)


def redis_memory(server, options, keep):
    """A hash for each account, then a debit of each: receipt and trail."""
    accounts, empty, name = options.memory_accounts[0], server.anonymous_bytes(), "account:{}".format
    server.fund(range(accounts), "account:")
    funded = server.anonymous_bytes()
    keep(
        "accounts-a",
        "HSET a:account:NNNNNNNNNNNN ...; RssAnon",
        {"bytes": (funded - empty) / accounts, "count": accounts},
    )
    server.load("debits", range(accounts), lambda digits: server.debit_words(name(digits), f"t.{digits}"))
    grown = (server.anonymous_bytes() - funded) / accounts
    keep("transactions-a", "FCALL debit_list once for each account; RssAnon", {"bytes": grown, "count": accounts})
