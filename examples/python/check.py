"""The claim flow and the consumer of leads.py on a creditd of their own; SERVER_BIN names the program."""

import asyncio
import os
import pathlib
import re
import tempfile

from leads import Told, claim, connect, follow, text_of


async def check():
    server_bin = os.environ.get("SERVER_BIN", pathlib.Path(__file__).parents[2] / "target/release/creditd")
    with tempfile.TemporaryDirectory() as dir:
        argv = ["--port", "0", "--data-dir", f"{dir}/data", "--shards", "4", "--log-level", "error"]
        server = await asyncio.create_subprocess_exec(server_bin, *argv, stdout=asyncio.subprocess.PIPE)
        try:
            banner = (await server.stdout.readline()).decode()
            async with connect(int(re.search(r"listening on \S*:(\d+)", banner)[1])) as r:
                claimed = await check_claims(r)
                await check_follow(r, Told(f"{dir}/told.db"), claimed)
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


async def check_follow(r, told, claimed):
    want = sorted(text_of({"lead": lead, "account": tradie}) for tradie, lead in claimed)
    for _ in range(100):  # stopped wherever it is, and started again
        following = asyncio.create_task(follow(r, told, count=7))
        await asyncio.wait([following], timeout=0.05)
        if following.done():
            following.result()  # it ends with an error only
        following.cancel()
        if len(told.texts()) >= len(want):
            break
    assert told.texts() == want, told.texts()


asyncio.run(check())
