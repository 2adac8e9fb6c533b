"""redis-py against creditd: the account's story with the client's defaults, in RESP3 and RESP2.

Starts its own servers. `SERVER_BIN` names the program (default: target/release/creditd).
Prints `N passed, N failed`; exit code 1 if anything failed.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = os.environ.get("SERVER_BIN", str(ROOT / "target/release/creditd"))
CREDITS_MAX = 2**53 - 1


class Server:
    """One creditd on a free port of its own, over a data directory that the caller keeps."""

    def __init__(self, data_dir, port=0, *flags):
        argv = [SERVER, "--port", str(port), "--data-dir", data_dir, "--log-level", "error", *flags]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        banner = self.process.stdout.readline()
        found = re.search(r"listening on \S*:(\d+)", banner)
        if not found:
            sys.exit(f"no banner from {SERVER}: {banner!r}, exit code {self.process.wait(10)}")
        self.port = int(found.group(1))

    def stop(self):
        """As a service manager stops it; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def kill(self):
        self.process.kill()
        return self.end()

    def end(self):
        self.process.stdout.close()
        return self.process.wait(60)


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def same(self, what, got, want):
        if got == want:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}\n  got  {got!r}\n  want {want!r}")

    def true(self, what, holds):
        self.same(what, bool(holds), True)

    def raises(self, what, text, act, kind=redis.ResponseError):
        try:
            got = act()
        except kind as err:
            self.same(what, str(err).startswith(text), True)
            if not str(err).startswith(text):
                print(f"  error was {err}")
        else:
            self.same(what, got, f"an error {text}")


def as_dict(reply):
    """A map of either protocol; its order is part of the contract and kept."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def story(check, r, protocol):
    """An account's life; works twice on one server, because ids and account carry the protocol."""
    account = f"tradie:{protocol}"

    def write(verb, *args):
        reply = r.execute_command(f"CREDIT.{verb}", account, *args)
        check.true(f"{verb} has the protocol's shape", isinstance(reply, dict if protocol == 3 else list))
        return as_dict(reply)

    granted = {"status": "granted", "balance": 20, "available": 20, "seq": 1}
    check.same("grant", list(write("GRANT", "pay_991", 20, "REASON", "purchase").items()), list(granted.items()))
    check.same("grant again", write("GRANT", "pay_991", 20), granted | {"replayed": 1})
    check.raises("same id, other amount", "TXCONFLICT field=amount have=20 given=21", lambda: write("GRANT", "pay_991", 21))
    check.raises("same id, other verb", "TXCONFLICT field=op have=grant given=debit", lambda: write("DEBIT", "pay_991", 20))
    check.same("debit", write("DEBIT", "d0", 5), {"status": "debited", "balance": 15, "available": 15, "seq": 2})

    held = write("RESERVE", "r1", 10, "TTL", 60000)
    expires = held.pop("expires")
    check.same("reserve", held, {"status": "active", "balance": 15, "available": 5, "seq": 3})
    check.raises("decline", "INSUFFICIENT available=5 required=6", lambda: write("DEBIT", "d1", 6))
    check.raises("declines are remembered", "INSUFFICIENT available=5 required=6", lambda: write("DEBIT", "d1", 6))

    holds = as_dict(r.execute_command("CREDIT.HOLDS", account))
    check.same("holds: fields", list(holds), ["balance", "reserved", "available", "seq", "time", "holds"])
    hold = as_dict(holds["holds"][0])
    check.same("holds: one", (len(holds["holds"]), hold["tx"], hold["amount"], hold["expires"]), (1, "r1", 10, expires))
    check.same("holds: ttl", hold["expires"] - hold["created"], 60000)

    captured = {"status": "captured", "balance": 11, "available": 11, "seq": 5, "captured": 4, "returned": 6}
    check.same("capture a part", write("CAPTURE", "r1", "AMOUNT", 4), captured)
    check.same("capture again", write("CAPTURE", "r1", "AMOUNT", 4), captured | {"replayed": 1})
    check.raises("capture another sum", "TXCONFLICT field=amount have=4 given=5", lambda: write("CAPTURE", "r1", "AMOUNT", 5))
    check.raises("release after capture", "CAPTURED amount=4 seq=5", lambda: write("RELEASE", "r1"))
    write("RESERVE", "r2", 3)
    check.same("release", write("RELEASE", "r2"), {"status": "released", "balance": 11, "available": 11, "seq": 7})
    check.raises("reserve a released id", "RELEASED amount=3 seq=7", lambda: write("RESERVE", "r2", 3))
    check.same("release first", write("RELEASE", "r3")["status"], "void")
    check.raises("reserve a burned id", "RELEASED amount=0 seq=8", lambda: write("RESERVE", "r3", 1))

    made = write("DEBIT", "*", 1)
    check.same("server-made id", (made["status"], len(made["tx"])), ("debited", 26))

    balance = as_dict(r.execute_command("CREDIT.BALANCE", account))
    check.same("balance: fields", list(balance), ["balance", "reserved", "available", "seq", "time"])
    check.same("balance", (balance["balance"], balance["reserved"], balance["available"]), (10, 0, 10))
    check.same("unknown account", as_dict(r.execute_command("CREDIT.BALANCE", "nobody"))["balance"], 0)
    check.raises("debit an unknown account", "NOACCOUNT", lambda: r.execute_command("CREDIT.DEBIT", "nobody", "x", 1))
    check.raises("zero", "amount", lambda: write("GRANT", "z", 0))
    big = as_dict(r.execute_command("CREDIT.GRANT", f"rich:{protocol}", "g", CREDITS_MAX))
    check.same("2^53-1 is exact", big["balance"], CREDITS_MAX)
    check.raises("beyond 2^53-1", "OVERFLOW", lambda: r.execute_command("CREDIT.GRANT", f"rich:{protocol}", "h", 1))


def trail(check, r, protocol):
    """What the account of `story` has been through."""
    account = f"tradie:{protocol}"

    def refund(*args):
        return as_dict(r.execute_command("CREDIT.REFUND", account, *args))

    refunded = {"status": "refunded", "balance": 12, "available": 12, "seq": 10, "refundable": 3}
    check.same("refund", list(refund("f1", "d0", "AMOUNT", 2, "REASON", "late").items()), list(refunded.items()))
    check.same("refund again", refund("f1", "d0", "AMOUNT", 2), refunded | {"replayed": 1})
    check.raises("refund of another", "TXCONFLICT field=of have=d0 given=r1", lambda: refund("f1", "r1"))
    check.raises("refund too much", "EXCEEDS limit=3 given=4", lambda: refund("f2", "d0", "AMOUNT", 4))
    check.raises("refund a grant", "NOTREFUNDABLE op=grant state=granted", lambda: refund("f2", "pay_991"))
    check.raises("refund nothing", "NOTX", lambda: refund("f2", "nothing"))

    tx = as_dict(r.execute_command("CREDIT.TX", account, "r1"))
    keys = ["op", "state", "amount", "captured", "seq", "time", "final_seq", "final_time", "expires"]
    check.same("tx: fields", list(tx), keys)
    check.same("tx", [tx[key] for key in keys[:5]], ["reserve", "captured", 10, 4, 3])
    check.same("unknown tx", r.execute_command("CREDIT.TX", account, "nothing"), None)

    # HISTORY has the shape of XRANGE, so the client's own parser reads it: a list of (id, fields).
    r.set_response_callback("CREDIT.HISTORY", r.response_callbacks["XRANGE"])
    pages = [r.execute_command("CREDIT.HISTORY", account, "-", "+", "COUNT", 6)]
    while pages[-1]:
        pages.append(r.execute_command("CREDIT.HISTORY", account, f"({pages[-1][-1][0]}", "+", "COUNT", 6))
    entries = [entry for page in pages for entry in page]
    check.same("history: pages", [len(page) for page in pages], [6, 4, 0])
    check.same("history: seq", [int(id.split("-")[1]) for id, _ in entries], list(range(1, 11)))
    capture = {"type": "CAPTURE", "tx": "r1", "amount": "4", "delta": "-4", "rdelta": "-10", "balance": "11",
               "reserved": "0", "captured": "4", "returned": "6"}
    check.same("history: an entry", list(entries[4][1].items()), list(capture.items()))
    newest = r.execute_command("CREDIT.HISTORY", account, "REV", "COUNT", 1, "TYPE", "REFUND", "CAPTURE")
    check.same("history: newest of a type", [(fields["of"], fields["reason"]) for _, fields in newest], [("d0", "late")])

    opened = int(entries[0][0].split("-")[0])
    before = as_dict(r.execute_command("CREDIT.BALANCE", account, "AT", opened - 1))
    check.same("balance before the first entry", (before["balance"], before["seq"], before["time"]), (0, 0, opened - 1))
    check.raises("balance in the future", "AT must be past", lambda: r.execute_command("CREDIT.BALANCE", account, "AT", 10**13))
    audit = as_dict(r.execute_command("CREDIT.AUDIT", account))
    check.same("audit", list(audit.items()), [("ok", 1), ("entries", 10), ("balance", 12), ("reserved", 0)])


def leads(check, r, protocol):
    """The account of `story` and `trail` claims leads."""
    account, lead = f"tradie:{protocol}", f"lead:{protocol}"
    claim = lambda *args: as_dict(r.execute_command("LEAD.CLAIM", account, *args))
    opened = as_dict(r.execute_command("LEAD.OPEN", lead, 2, "TTL", 60000))
    check.same("open: fields", list(opened), ["lead", "state", "max", "claims", "remaining", "opened", "expires"])
    check.same("open: ttl", opened["expires"] - opened["opened"], 60000)
    claimed = {"status": "claimed", "balance": 7, "available": 7, "seq": 12, "claim": 1, "remaining": 1}
    check.same("claim", list(claim("c1", lead, 5).items()), list(claimed.items()))
    check.same("claim again", claim("c1", lead, 5), claimed | {"replayed": 1})
    check.raises("claim under another id", "ALREADYCLAIMED tx=c1 claim=1", lambda: claim("c2", lead, 5))
    check.raises("claim what is not there", "NOLEAD", lambda: claim("c2", f"no:{lead}", 5))
    first = as_dict(r.execute_command("LEAD.CLAIMS", lead)[0])
    check.same("claims", [first[key] for key in ("claim", "account", "tx", "cost")], [1, account, "c1", 5])
    check.same("close", as_dict(r.execute_command("LEAD.CLOSE", lead, "REASON", "sold"))["state"], "closed")
    check.same("get", as_dict(r.execute_command("LEAD.GET", lead))["claims"], 1)
    check.same("unknown lead", r.execute_command("LEAD.GET", f"no:{lead}"), None)


def feed(check, server, r, protocol):
    """A change, as the events of its shard, in the log of its account, and as a message."""
    account = f"feed:{protocol}"
    keys = [f"credit:events:{n}" for n in range(r.info("server")["shards"])]
    newest = {key: r.xrevrange(key, count=1) for key in keys}
    last = {key: entries[0][0] if entries else "0" for key, entries in newest.items()}
    listener = redis.Redis(port=server.port, protocol=protocol, decode_responses=True).pubsub()
    listener.subscribe("credit.granted")
    listener.psubscribe("lead.*")
    heard = [listener.get_message(timeout=10) for _ in range(2)]
    check.same("subscribed", [(message["type"], message["data"]) for message in heard], [("subscribe", 1), ("psubscribe", 2)])
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(r.xread, last, 5, 10_000)
        r.execute_command("CREDIT.GRANT", account, "g1", 7, "META", "a\xe9")
        found = waiting.result()
    stream, entries = next(iter(found.items())) if protocol == 3 else found[0]
    [(id, event)] = entries[0] if protocol == 3 else entries
    shown = {"event": "credit.granted", "account": account, "tx": "g1", "amount": "7", "balance": "7", "reserved": "0",
             "available": "7", "seq": "1", "time": event["time"], "meta": "a\xe9"}
    check.same("an event", list(event.items()), list(shown.items()))
    check.same("nothing after it", r.xread({stream: id}), {} if protocol == 3 else [])
    check.same("no wait is for ever", r.xread({stream: "$"}, block=10), {} if protocol == 3 else [])
    check.same("the range of it", r.xrange(stream, id, id), [(id, event)])
    check.same("about the stream", r.xinfo_stream(stream)["last-generated-id"], id)
    check.same("no groups", r.xinfo_groups(stream), [])
    check.true("its length", r.xlen(stream) > 0)
    [(log_id, logged)] = r.xrange(f"credit:log:{{{account}}}")
    check.same("the log", (log_id, logged["type"], logged["meta"]), (f"{event['time']}-1", "GRANT", "a\xe9"))
    check.raises("read-only", "streams are read-only", lambda: r.xadd(stream, {"a": "b"}))
    message = listener.get_message(timeout=10)
    check.same("a message", (message["type"], message["channel"]), ("message", "credit.granted"))
    numbers = {key: int(event[key]) for key in ("amount", "balance", "reserved", "available", "seq", "time")}
    check.same("its fields", json.loads(message["data"]), {"stream": stream, "id": id, **event, **numbers})
    check.same("who listens", r.pubsub_numsub("credit.granted"), [("credit.granted", 1)])
    listener.close()


def lost_replies(check, protocol):
    """Claims through a way on which replies get lost: the client's default retries, totals of one execution each."""
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(data_dir, 0, "--shards", "8", "--cores", "2")
        way = subprocess.Popen([sys.executable, ROOT / "tests/clients/lossy.py", str(server.port)], stdout=subprocess.PIPE, text=True)
        port = int(way.stdout.readline().split()[-1])
        direct = redis.Redis(port=server.port, protocol=protocol, decode_responses=True)
        r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
        for n in range(30):
            direct.execute_command("CREDIT.GRANT", f"a{n}", "g", 100)
        for n in range(10):
            direct.execute_command("LEAD.OPEN", f"l{n}", 3)

        def claim(account, lead):
            try:
                return as_dict(r.execute_command("LEAD.CLAIM", account, f"{lead}:1", lead, 5))
            except redis.ResponseError as error:
                return {"refused": str(error)}

        # Every account wants three leads, so nine accounts want each lead.
        wanted = [(f"a{n}", f"l{(n + k) % 10}") for k in range(3) for n in range(30)]
        with concurrent.futures.ThreadPoolExecutor(30) as threads:
            told = list(threads.map(lambda pair: claim(*pair), wanted))
        claimed = sorted(pair for pair, reply in zip(wanted, told) if reply.get("status") == "claimed")
        check.same("refused", {reply["refused"] for reply in told if "refused" in reply}, {"LEADFULL max=3"})
        check.same("claimed", len(claimed), 30)
        check.true("some replies were lost", any("replayed" in reply for reply in told))
        slots = [(as_dict(slot)["account"], f"l{n}") for n in range(10) for slot in direct.execute_command("LEAD.CLAIMS", f"l{n}")]
        check.same("what was told is what is there", sorted(slots), claimed)
        balances = [as_dict(direct.execute_command("CREDIT.BALANCE", f"a{n}"))["balance"] for n in range(30)]
        check.same("each has paid once", balances, [100 - 5 * sum(a == f"a{n}" for a, _ in claimed) for n in range(30)])
        credits = direct.info("credits")
        check.same("totals equal one execution each", [credits[name] for name in ("captured", "reserved", "holds")], [150, 0, 0])
        way.kill()
        way.wait(10)
        way.stdout.close()
        check.same("the server stops clean", server.stop(), 0)


def pipelines(check, r, protocol):
    pipe = r.pipeline(transaction=False)
    for n in range(1000):
        pipe.execute_command("CREDIT.GRANT", f"many:{protocol}:{n % 50}", f"p{n}", n + 1)
    replies = [as_dict(reply) for reply in pipe.execute()]
    check.same("pipeline of 1000", len(replies), 1000)
    running = {}
    for n in range(1000):
        running[n % 50] = running.get(n % 50, 0) + n + 1
        if replies[n]["balance"] != running[n % 50]:
            check.same(f"pipeline reply {n} in its place", replies[n]["balance"], running[n % 50])
            break
    else:
        check.true("pipeline replies in order", True)

    pipe = r.pipeline()  # the default wraps in MULTI
    pipe.execute_command("CREDIT.GRANT", f"multi:{protocol}", "m1", 5)
    pipe.execute_command("CREDIT.DEBIT", f"multi:{protocol}", "m2", 9)
    pipe.execute_command("CREDIT.DEBIT", f"multi:{protocol}", "m3", 2)
    granted, declined, debited = pipe.execute(raise_on_error=False)
    check.same("MULTI: first", as_dict(granted)["balance"], 5)
    check.true("MULTI: a decline is an error in its place", str(declined).endswith("INSUFFICIENT available=5 required=9")
               or "INSUFFICIENT available=5 required=9" in str(declined))
    check.same("MULTI: goes on after it", as_dict(debited)["balance"], 3)


def server_commands(check, r):
    check.true("ping", r.ping())
    check.same("echo", r.echo("a\r\nb"), "a\r\nb")
    info = r.info()
    check.true("info: version", str(info["redis_version"]).startswith("7.2"))
    for name in ("arch_bits", "cluster_enabled", "connected_clients", "used_memory_human", "role", "creditd_version"):
        check.true(f"info: {name}", name in info)
    check.same("info: loading", info["loading"], 0)
    credits = r.info("credits")
    check.same("info: I2", credits["balance"], credits["granted"] + credits["refunded"] - credits["debited"] - credits["captured"])
    stats = r.info("commandstats")["cmdstat_credit.grant"]
    check.true("info: commandstats", stats["calls"] > 1000 and stats["failed_calls"] > 0)
    check.true("info: all", len(r.info("all")) > len(info))
    check.same("dbsize is the accounts", r.dbsize(), int(info["db0"]["keys"]))
    check.same("config get", r.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
    check.same("config get, unknown", r.config_get("no-such-thing"), {})
    check.true("config get, pattern", "port" in r.config_get("p*"))
    check.true("time", r.time()[0] > 1_600_000_000)
    check.true("lastsave", r.lastsave() is not None)
    check.true("client setname", r.client_setname("checker"))
    check.same("client getname", r.client_getname(), "checker")
    me = r.client_id()
    listed = {int(line["id"]): line for line in r.client_list()}
    check.same("client list has this connection", (me in listed, listed.get(me, {}).get("name")), (True, "checker"))
    check.same("client info", int(r.client_info()["id"]), me)
    commands = r.command()
    check.same("command: count", r.command_count(), len(commands))
    debit = commands["credit.debit"]
    check.same("command: keys", (debit["first_key_pos"], debit["last_key_pos"], debit["step_count"]), (1, 1, 1))
    check.same("command getkeys", r.command_getkeys("CREDIT.DEBIT", "acct", "t", "1"), ["acct"])
    check.raises("unknown command", "unknown command 'LPOP'", lambda: r.lpop("a"))
    check.raises("no cache", "accounts change only", lambda: r.set("a", 1))
    check.raises("arity", "wrong number of arguments for 'credit.debit' command", lambda: r.execute_command("CREDIT.DEBIT"))


def reconnects(check, protocol):
    """A restart between two commands: the client connects again by itself, and the id has its first outcome."""
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(data_dir)
        r = redis.Redis(port=server.port, protocol=protocol, decode_responses=True)
        grant = lambda: as_dict(r.execute_command("CREDIT.GRANT", "tradie:9", "g1", 7))
        first = grant()
        check.same("clean stop", server.stop(), 0)
        server = Server(data_dir, server.port)
        check.same("same outcome after a clean stop", grant(), first | {"replayed": 1})
        r.execute_command("CREDIT.DEBIT", "tradie:9", "d1", 3)
        server.kill()
        server = Server(data_dir, server.port)
        check.same("same outcome after kill -9", grant(), first | {"replayed": 1})
        check.same("nothing acknowledged is lost", as_dict(r.execute_command("CREDIT.BALANCE", "tradie:9"))["balance"], 4)
        check.same("stops again", server.stop(), 0)


def passwords(check, protocol):
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(data_dir, 0, "--requirepass", "s3cret")
        connect = lambda **given: redis.Redis(port=server.port, protocol=protocol, **given)
        check.true("right password", connect(password="s3cret").ping())
        check.true("right password with the default user", connect(username="default", password="s3cret").ping())
        for given in ({}, {"password": "wrong"}, {"username": "other", "password": "s3cret"}):
            check.raises(f"refused: {given}", "", lambda: connect(**given).ping(), redis.exceptions.RedisError)
        server.stop()


def main():
    check = Checks()
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(data_dir)
        for protocol in (3, 2):
            r = redis.Redis(port=server.port, protocol=protocol, decode_responses=True)
            story(check, r, protocol)
            trail(check, r, protocol)
            leads(check, r, protocol)
            feed(check, server, r, protocol)
            pipelines(check, r, protocol)
            server_commands(check, r)
            r.close()
        defaults = redis.Redis(port=server.port)
        check.true("the client's defaults connect", defaults.ping())
        defaults.close()
        check.same("the server stops clean", server.stop(), 0)
    for protocol in (3, 2):
        reconnects(check, protocol)
        passwords(check, protocol)
        lost_replies(check, protocol)
    print(f"redis-py {redis.__version__}: {check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
