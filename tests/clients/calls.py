"""What every client does, with the redis-py that PYTHONPATH has: `calls.py PORT`. redis-py 3 is a client that knows RESP2 only."""

import json
import pathlib
import sys

import redis

failed = passed = 0


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
    r = redis.Redis(port=int(sys.argv[1]), decode_responses=True, **options)
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("credit.granted")
    listener.get_message(timeout=5)
    calls(r, account)
    # One that was on its way to the session before may come first.
    events = (json.loads(message["data"]) for message in listener.listen())
    check("event", next(event for event in events if event["account"] == account))
    listener.close()
    r.close()


name = f"py{redis.__version__}"
session(f"{name}-default")
if int(redis.__version__.split(".")[0]) >= 5:
    session(f"{name}-resp2", protocol=2)
    session(f"{name}-resp3", protocol=3)
print(f"redis-py {redis.__version__}: {passed} passed, {failed} failed")
sys.exit(failed > 0)
