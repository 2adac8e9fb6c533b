"""The claim flow and the consumer of leads.py on a creditd of their own; SERVER_BIN names the program."""

import asyncio
import os
import pathlib
import re
import sys
import tempfile

import leads
from leads import Told, claim, connect, text_of


async def check():
    server_bin = os.environ.get("SERVER_BIN", pathlib.Path(__file__).parents[2] / "target/release/creditd")
    with tempfile.TemporaryDirectory() as dir:
        argv = ["--port", "0", "--data-dir", f"{dir}/data", "--shards", "4", "--log-level", "error"]
        server = await asyncio.create_subprocess_exec(server_bin, *argv, stdout=asyncio.subprocess.PIPE)
        try:
            banner = (await server.stdout.readline()).decode()
            port = int(re.search(r"listening on \S*:(\d+)", banner)[1])
            async with connect(port) as r:
                claimed = await check_claims(r)
            await check_follow(port, f"{dir}/told.db", claimed)
        finally:
            server.kill()
            await server.wait()
    print("examples/python: 2 passed, 0 failed")


async def check_claims(r):
    tradies = [f"tradie:{n}" for n in range(60)]
    for tradie in tradies:
        await r.execute_command("CREDIT.GRANT", tradie, "pay_1", 50)
    for n in range(10):
        await r.execute_command("LEAD.OPEN", f"lead:{n}", 3)
    wanted = [(tradie, f"lead:{n}") for n in range(10) for tradie in tradies[n : n + 50]]
    answers = await asyncio.gather(*(claim(r, tradie, lead, 5, 1) for tradie, lead in wanted))
    assert {answer for answer in answers if answer is not True} == {"LEADFULL"}, answers
    claimed = [pair for pair, answer in zip(wanted, answers) if answer is True]
    assert len(claimed) == 30, claimed
    assert await claim(r, *claimed[0], 5, 1) is True  # the same again
    balances = [(await r.execute_command("CREDIT.BALANCE", tradie))["balance"] for tradie in tradies]
    assert sum(balances) == 60 * 50 - 30 * 5, balances
    return claimed


async def check_follow(port, path, claimed):
    want = sorted(text_of({"lead": lead, "account": tradie}) for tradie, lead in claimed)
    told = Told(path)
    while len(seen := told.texts()) < len(want):  # killed wherever it is by then, and started again
        argv = [leads.__file__, "--port", str(port), "--count", "7", "follow", path]
        child = await asyncio.create_subprocess_exec(sys.executable, *argv)
        while told.texts() == seen:
            assert child.returncode is None, "it ended by itself"
            await asyncio.sleep(0.005)
        child.kill()
        await child.wait()
    assert told.texts() == want, told.texts()


asyncio.run(check())
