"""The loads: redis-benchmark's closed loop on any server, creditd bench, and plain appends to the disk."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from peers import RAND, fresh_tag, redis_benchmark

CLIENTS = 50
APPEND_LEN = 4096
APPEND_FILE_LEN = 64 << 20


def closed(fleet, key, words, pipeline, clients=CLIENTS, keys=None):
    """A take of redis-benchmark for about as long as the options say. `words` makes a command with fresh ids."""
    server, keys, operations = fleet[key], keys or fleet.accounts, None

    def take():
        nonlocal operations
        run = lambda count: redis_benchmark(server, words(server), clients, pipeline, count, keys)
        if operations is None:
            warm = max(200, 40 * clients * pipeline)
            _, figures = run(warm)
            operations = max(warm, int(figures["ops"] * fleet.options.seconds))
        return run(operations)

    return take


def debit_words(server):
    return server.debit_words(server.prefix + RAND, f"{fresh_tag()}.{RAND}")


def ping_words(_):
    return ["PING"]


def creditd_bench(fleet, key, *words, accounts=None):
    """(command, report) of one run of creditd bench. It fails by itself if money was made or lost."""
    server, report = fleet[key], f"{fleet.work}/report.json"
    argv = ["bench", "--port", server.port, "-c", CLIENTS, "--accounts", accounts or fleet.accounts, *words]
    argv = [str(word) for word in argv]
    done = subprocess.run([fleet.options.server, *argv, "--json", report], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"creditd {' '.join(argv)}\nfailed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}\n{server.said()}")
    return f"creditd {' '.join(argv)}", json.loads(pathlib.Path(report).read_text())["runs"][0]


def appends(path, seconds):
    """One durable 4 KiB append after the other: pwrite and fdatasync into a file of zeros, as creditd's spare is.

    Zeroed in 4 KiB writes: after larger ones the kernel keeps larger pages, and writes all of one for a small change.
    """
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
    try:
        zeros, page = bytes(APPEND_LEN), b"\x07" * APPEND_LEN
        for at in range(0, APPEND_FILE_LEN, APPEND_LEN):
            os.pwrite(file, zeros, at)
        os.fsync(file)
        times_ms, ends_at = [], time.monotonic() + seconds
        while (started := time.monotonic()) < ends_at:
            os.pwrite(file, page, len(times_ms) * APPEND_LEN % APPEND_FILE_LEN)
            os.fdatasync(file)
            times_ms.append((time.monotonic() - started) * 1e3)
        times_ms.sort()
    finally:
        os.close(file)
    figures = {"p50": statistics.median(times_ms), "p99": times_ms[int(0.99 * len(times_ms))], "max": times_ms[-1]}
    return "pwrite of 4 KiB and fdatasync, by this script", {"ops": 1e3 / statistics.mean(times_ms), **figures}
