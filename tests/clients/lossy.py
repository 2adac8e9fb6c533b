"""A way to a server on which replies get lost: `lossy.py PORT` prints where it listens, then serves until it is killed.

Requests arrive and are executed. Of what comes back on a connection that has sent a LEAD.CLAIM, the first piece and
every third is lost, or cut in its middle, and the connection with it: the client cannot know what has happened.
"""

import asyncio
import sys

PIECE = 64 * 1024
came_back = 0


async def serve(client_in, client_out):
    server_in, server_out = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    has_claimed = False

    async def forth():
        nonlocal has_claimed
        while piece := await client_in.read(PIECE):
            has_claimed = has_claimed or b"LEAD.CLAIM" in piece
            server_out.write(piece)
            await server_out.drain()

    async def back():
        global came_back
        while piece := await server_in.read(PIECE):
            if has_claimed:
                came_back += 1
                if came_back % 3 == 1:
                    client_out.write(piece[: len(piece) // 2] if came_back % 2 == 0 else b"")
                    return
            client_out.write(piece)
            await client_out.drain()

    ways = [asyncio.create_task(way()) for way in (forth, back)]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    for writer in (client_out, server_out):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1")
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
