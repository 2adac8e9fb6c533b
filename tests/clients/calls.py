"""What every client does, with the redis-py that PYTHONPATH has: `calls.py PORT`. redis-py 3 is a client that knows RESP2 only.

`calls.py PORT -` sends the lines that it reads, and prints what each of them hears. The environment says who it is and what it
knows: AS_USER, PASSWORD; CA (then it speaks TLS), CERT, KEY.
"""

import json
import os
import pathlib
import sys

import redis

failed = passed = 0
secrets = {"username": "AS_USER", "password": "PASSWORD", "ssl_ca_certs": "CA", "ssl_certfile": "CERT", "ssl_keyfile": "KEY"}
identity = {option: os.environ[name] for option, name in secrets.items() if name in os.environ}


def connect(**options):
    return redis.Redis(port=int(sys.argv[1]), decode_responses=True, ssl="CA" in os.environ, **identity, **options)


def check(what, holds):
    global failed, passed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"FAILED redis-py {redis.__version__} {what}")


def heard(reply, wanted):
    """Whether a map of either protocol has the wanted names and values, in their order."""
    flat = [part for pair in reply.items() for part in pair] if isinstance(reply, dict) else reply
    pairs = list(zip(flat[::2], flat[1::2]))
    wanted = list(zip(wanted[::2], wanted[1::2]))
    return [pair for pair in pairs if pair in wanted] == wanted


def calls(r, account):
    for line in pathlib.Path(__file__).with_name("calls.txt").read_text().replace("@", account).splitlines():
        command, bar, wanted = line.partition(" | ")
        if line.startswith("#") or not bar:
            continue
        try:
            reply = r.execute_command(*command.split())
        except redis.ResponseError as error:
            check(f"{command}: {error}", wanted[:1] == "!" and str(error).startswith(wanted[1:]))
            continue
        words = [int(word) if word.isdigit() else word for word in wanted.split()]
        check(f"{command}: {reply}", reply is None if wanted == "nil" else heard(reply, words))


def session(account, **options):
    r = connect(**options)
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("credit.granted")
    listener.get_message(timeout=5)
    calls(r, account)
    # One that was on its way to the session before may come first.
    events = (json.loads(message["data"]) for message in listener.listen())
    check("event", next(event for event in events if event["account"] == account))
    listener.close()
    r.close()


def talk(r):
    for line in sys.stdin:
        try:
            print(r.execute_command(*line.split()), flush=True)
        except redis.RedisError as error:
            print(error, flush=True)


if sys.argv[2:] == ["-"]:
    sys.exit(talk(connect()))
name = f"py{redis.__version__}"
session(f"{name}-default")
if int(redis.__version__.split(".")[0]) >= 5:
    session(f"{name}-resp2", protocol=2)
    session(f"{name}-resp3", protocol=3)
print(f"redis-py {redis.__version__}: {passed} passed, {failed} failed")
sys.exit(failed > 0)
