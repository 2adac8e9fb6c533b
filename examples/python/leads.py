"""Leads claimed and followed with redis-py, asyncio.

  leads.py [--port 7379] claim ACCOUNT LEAD COST ATTEMPT   claims once, however often it is run
  leads.py [--port 7379] follow FILE                       keeps each claim once in an SQLite file, though it is killed

check.py tries both on a creditd of its own.
"""

import argparse
import asyncio
import sqlite3

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError, OutOfMemoryError, ResponseError, TimeoutError, TryAgainError

OPEN = (ConnectionError, TimeoutError, TryAgainError, OutOfMemoryError)  # LOADING is a ConnectionError
NO = ("INSUFFICIENT", "LIMIT", "NOACCOUNT", "LEADFULL", "LEADCLOSED", "LEADEXPIRED")
WAITS_S = (0.05, 0.2, 1, 5)
BLOCK_MS = 5000


def connect(port):
    # A caller waits for a free connection; the timeout is longer than BLOCK, after which an empty read is answered.
    timeout_s = BLOCK_MS / 1000 + 5
    pool = BlockingConnectionPool(port=port, max_connections=50, decode_responses=True, socket_timeout=timeout_s)
    return Redis.from_pool(pool)


async def claim(r, account, lead, cost, attempt):
    """True: the lead is the account's now; else the code, why not. Raises what is still open, or a bug: call again."""
    tx = f"{lead}:{attempt}"  # the attempt is stored before it is made; it counts up after INSUFFICIENT or LIMIT
    for wait_s in (*WAITS_S, None):
        try:
            await r.execute_command("LEAD.CLAIM", account, tx, lead, cost)
            return True
        except OPEN:
            if wait_s is None:
                raise
        except ResponseError as error:
            code = str(error).split()[0]
            if code == "ALREADYCLAIMED":
                return True
            if code in NO:
                return code
            if code != "MISCONF" or wait_s is None:
                raise
        await asyncio.sleep(wait_s)


class Told:
    """What was claimed, and how far each stream has been read: in one file, so that both change together."""

    def __init__(self, path):
        self.db = sqlite3.connect(path)
        self.db.execute("CREATE TABLE IF NOT EXISTS position (stream TEXT PRIMARY KEY, last_id TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS told (stream TEXT, id TEXT, text TEXT, PRIMARY KEY (stream, id))")

    def positions(self, streams):
        known = dict(self.db.execute("SELECT stream, last_id FROM position"))
        return {stream: known.get(stream, "0-0") for stream in streams}

    def take(self, stream, entries):
        claims = [(stream, id, text_of(event)) for id, event in entries if event["event"] == "lead.claimed"]
        with self.db:  # one transaction
            self.db.executemany("INSERT INTO told VALUES (?, ?, ?)", claims)
            self.db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (stream, entries[-1][0]))

    def texts(self):
        return sorted(text for (text,) in self.db.execute("SELECT text FROM told"))


def text_of(event):
    return f"{event['lead']} belongs to {event['account']}"


async def follow(r, told, count):
    """Takes all events of all shards, from where `told` ends, for ever."""
    streams = [f"credit:events:{shard}" for shard in range((await r.info("server"))["shards"])]
    while True:
        try:
            page = await r.xread(told.positions(streams), count=count, block=BLOCK_MS)
        except OPEN as error:
            print("trying again:", error)
            await asyncio.sleep(1)
            continue
        for stream, entries in page:
            told.take(stream, entries)


async def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--port", type=int, default=7379)
    parser.add_argument("--count", type=int, default=500, help="events of a stream in one transaction")
    parser.add_argument("words", nargs="+")
    options = parser.parse_args()
    async with connect(options.port) as r:
        match options.words:
            case ["claim", account, lead, cost, attempt]:
                print(await claim(r, account, lead, cost, attempt))
            case ["follow", path]:
                await follow(r, Told(path), options.count)
            case _:
                parser.error("no such command")


if __name__ == "__main__":
    asyncio.run(main())
