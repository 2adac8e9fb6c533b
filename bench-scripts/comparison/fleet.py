"""The servers of a session, each started and funded when it is first asked for, all stopped at its end."""

import os
import shutil
import tempfile

from comparison.postgres import Postgres
from peers import Creditd, Redis

CREDITDS = ("creditd-1", "creditd-2")  # named by cores
TITLES = {
    "creditd-1": "creditd, 1 core",
    "creditd-2": "creditd, 2 cores",
    "redis": "Redis functions",
    "ping": "Redis PING",
    "postgres": "PostgreSQL row locks",
    "append": "a 4 KiB append",
}


class Fleet:
    """`with Fleet(...) as fleet`: a fresh directory, and whatever fleet[key] starts in it."""

    def __init__(self, options, accounts):
        """`accounts` are funded on each server; 0: none, and no PostgreSQL."""
        self.options, self.accounts, self.servers, self.commands = options, accounts, {}, {}

    def __enter__(self):
        self.work = tempfile.mkdtemp(dir=self.options.dir)
        # The user postgres must come through; what the servers keep inside is their own.
        os.chmod(self.work, 0o711)
        return self

    def __exit__(self, *_):
        for key in list(self.servers):
            self.stop(key)
        shutil.rmtree(self.work, ignore_errors=True)

    def stop(self, key):
        self.servers.pop(key).stop()

    def __getitem__(self, key):
        if key not in self.servers:
            server = self.servers[key] = self.start(key)
            command = " ".join([os.path.basename(server.argv[0]), *server.argv[1:]])
            self.commands[key] = command.replace(self.work, "DIR").replace(str(server.port), "PORT")
            if key != "postgres" and self.accounts:
                server.fund(range(self.accounts))
        return self.servers[key]

    def start(self, key):
        if key in CREDITDS:
            cores = key.removeprefix("creditd-")
            settings = ["--cores", cores, "--shards", cores, "--appendfsync", "always"]
            return Creditd(key, self.work, self.options.server, *settings)
        return Redis(key, self.work, "always") if key == "redis" else Postgres(self.work, self.accounts)
