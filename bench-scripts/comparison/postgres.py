"""PostgreSQL doing the job of CREDIT.DEBIT with row locks, in a cluster of its own, under pgbench.

A debit is one transaction: SELECT ... FOR UPDATE, UPDATE, INSERT of the entry, whose key is the caller's
transaction id. pgbench's open loop offers a steady rate, not creditd bench's bursts: that is easier on PostgreSQL.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from peers import START_S_MAX, free_port

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 1GB
synchronous_commit = on
fsync = on
wal_buffers = 16MB
max_wal_size = 4GB
checkpoint_timeout = 15min
"""
SCHEMA = """
create table accounts(id bigint primary key, balance bigint not null, reserved bigint not null default 0)
  with (fillfactor = 80);
create table entries(tx bigint primary key, account bigint not null, amount bigint not null,
  balance_after bigint not null, at timestamptz not null default now());
create index on entries(account, at);
insert into accounts select n, 1000000000 from generate_series(1, {accounts}) n;
"""
DEBIT = """
\\set account random(1, {accounts})
\\set tx random(1, 9000000000000000000)
begin;
select balance, reserved from accounts where id = :account for update \\gset
\\if :balance > :reserved
update accounts set balance = balance - 1 where id = :account;
insert into entries(tx, account, amount, balance_after) values (:tx, :account, 1, :balance - 1);
\\endif
commit;
"""
LATE_MS = 1_000  # as in creditd bench: what takes longer does not count as a success


def binaries():
    """Where the newest installed PostgreSQL has its programs; None without one."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def identity():
    """How its programs are started: it refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def require_way_into(directory):
    """Ends the program if the user of the server cannot come to this directory."""
    if subprocess.run(["test", "-x", directory], cwd="/", **identity()).returncode:
        sys.exit(
            f"user postgres may not enter {directory}: choose a --dir on the same disk whose parents all may enter"
        )


class Postgres:
    name = "postgres"

    def __init__(self, work, accounts):
        self.directory, self.bin, self.port = pathlib.Path(work) / "postgres", binaries(), free_port()
        self.log, self.process = self.directory / "log", None
        self.make("")
        self.run("initdb", "-D", "data", "-A", "trust", "-U", "postgres")
        with open(self.directory / "data/postgresql.conf", "a") as conf:
            conf.write(f"{SETTINGS}port = {self.port}\n")
        with open(self.log, "wb") as log:
            said = {"stdout": log, "stderr": log, "cwd": self.directory, "start_new_session": True}
            self.argv = [str(self.bin / "postgres"), "-D", "data"]
            self.process = subprocess.Popen(self.argv, **said, **identity())
        try:
            self.await_start()
            self.sql(SCHEMA.format(accounts=accounts))
            self.sql("vacuum analyze accounts")
            self.sql("checkpoint")
        except BaseException:
            self.stop()
            raise
        for name, count in (("all", accounts), ("ten", 10), ("one", 1)):
            (self.directory / f"{name}.sql").write_text(DEBIT.format(accounts=count))

    def make(self, name):
        """An empty directory that PostgreSQL may write."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        if identity():
            shutil.chown(path, "postgres", "postgres")

    def await_start(self):
        ends_at = time.monotonic() + START_S_MAX
        while time.monotonic() < ends_at and self.process.poll() is None:
            if subprocess.run([self.bin / "pg_isready", "-q", *self.where()]).returncode == 0:
                return
            time.sleep(0.05)
        sys.exit(f"PostgreSQL does not start; it said:\n{self.log.read_text()[-2000:]}")

    def where(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]

    def sql(self, text):
        self.run("psql", *self.where(), "-d", "postgres", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text)

    def run(self, program, *words):
        argv = [str(word) for word in (self.bin / program, *words)]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=self.directory, **identity())
        if done.returncode:
            sys.exit(f"{' '.join(argv)} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout

    def debits(self, scripts, seconds, rate=None):
        """(command, figures) of debits from 50 connections. `scripts`: all, ten, one, with weights as in `all@8`.

        With `rate` latencies count from when a transaction was due, and one that was skipped because it was late by
        LATE_MS already counts as that late: no more than the truth.
        """
        self.make("logs")
        argv = ["-n", "-M", "prepared", "-c", "50", "-j", "2", "-T", f"{max(seconds, 1):.0f}"]
        for script in scripts:
            name, _, weight = script.partition("@")
            argv += ["-f", f"{name}.sql@{weight or 1}"]
        if rate:
            argv += ["--rate", f"{rate:.0f}", "--latency-limit", str(LATE_MS)]
        output = self.run("pgbench", *self.where(), *argv, "-l", "--log-prefix", "logs/at", "postgres")
        tps = re.search(r"^tps = ([\d.]+)", output, re.M)
        logs = (self.directory / "logs").iterdir()
        times = [line.split()[2] for path in logs for line in path.read_text().splitlines()]
        if not tps or not times:
            sys.exit(f"pgbench {' '.join(argv)} said:\n{output[-2000:]}")
        latencies_ms = sorted(LATE_MS if time == "skipped" else int(time) / 1e3 for time in times)
        at = lambda quantile: latencies_ms[min(int(quantile * len(times)), len(times) - 1)]
        figures = {"ops": float(tps.group(1)), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999)}
        if rate:
            figures["rate"] = rate
            figures["success"] = 100 * sum(ms < LATE_MS for ms in latencies_ms) / len(times)
        return f"pgbench -p {self.port} {' '.join(argv)}", figures

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # a fast shutdown
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
