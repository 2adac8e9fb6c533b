// node-redis against creditd: the account's story with the client's defaults (RESP3) and in RESP2.

import { createRequire } from "node:module";
import { ErrorReply, createClient } from "redis";
import { Checks, burst, feed, leads, lostReplies, parseInfo, plain, startServer, story, trail, withDirectory } from "./harness.mjs";

const check = new Checks();

async function connect(port, options = {}) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, ...options });
  client.on("error", () => {}); // shown by the checks; without a listener the process would end
  await client.connect();
  return client;
}

async function session(port, name, options) {
  const client = await connect(port, options);
  const call = (...words) => client.sendCommand(words);
  check.same(`${name}: ping`, await client.ping(), "PONG");
  await story(check, call, `tradie:${name}`);
  await trail(check, call, `tradie:${name}`);
  await leads(check, call, `tradie:${name}`, `lead:${name}`);
  await feed(check, { call, ...streams(client) }, `feed:${name}`);
  await burst(check, call, `burst:${name}`);

  const multi = client.multi();
  multi.addCommand(["CREDIT.GRANT", `multi:${name}`, "m1", "5"]);
  multi.addCommand(["CREDIT.DEBIT", `multi:${name}`, "m2", "2"]);
  const replies = await multi.exec();
  check.same(`${name}: MULTI runs in order`, replies.map((reply) => plain(reply).balance), [5, 3]);

  const info = parseInfo(await client.info());
  check.same(`${name}: info`, [info.loading, info.role, info.redis_version.slice(0, 3)], ["0", "master", "7.2"]);
  const me = await client.clientId();
  check.same(`${name}: client list`, (await client.clientList()).some((line) => line.id === me), true);
  check.same(`${name}: client info`, (await client.clientInfo()).id, me);
  check.same(`${name}: config get`, plain(await client.configGet("maxmemory-policy")), { "maxmemory-policy": "noeviction" });
  check.same(`${name}: dbsize`, (await client.dbSize()) > 0, true);
  const commands = await client.command();
  const debit = commands.find((command) => command.name === "credit.debit");
  check.same(`${name}: command`, [debit?.firstKeyIndex, debit?.lastKeyIndex, debit?.step], [1, 1, 1]);
  await client.close();
}

/** What `feed` needs. A connection that waits or listens is for nothing else. */
function streams(client) {
  return {
    read: async (keys, ids, blockMs) => {
      const reader = await client.duplicate().connect();
      const found = await reader.xRead(keys.map((key, n) => ({ key, id: ids[n] })), { COUNT: 5, BLOCK: blockMs });
      await reader.close();
      return found && [found[0].name, found[0].messages[0].id, plain(found[0].messages[0].message)];
    },
    listen: async (channel, pattern) => {
      const listener = await client.duplicate().connect();
      let hear;
      const heard = new Promise((resolve) => { hear = resolve; });
      await listener.subscribe(channel, (text, from) => hear([from, text]));
      await listener.pSubscribe(pattern, () => {});
      return [heard, () => listener.close()];
    },
  };
}

async function reconnects(dir) {
  let server = await startServer(dir);
  const client = await connect(server.port, { socket: { reconnectStrategy: () => 50 } });
  const first = plain(await client.sendCommand(["CREDIT.GRANT", "tradie:9", "g1", "7"]));
  await server.kill();
  server = await startServer(dir, server.port);
  const second = plain(await client.sendCommand(["CREDIT.GRANT", "tradie:9", "g1", "7"]));
  check.same("same outcome after kill -9 and reconnect", second, { ...first, replayed: 1 });
  await client.close();
  check.same("clean stop", await server.stop(), 0);
}

await withDirectory(async (dir) => {
  const server = await startServer(dir);
  await session(server.port, "defaults", {});
  await session(server.port, "resp2", { RESP: 2 });
  check.same("the server stops clean", await server.stop(), 0);
});
await withDirectory(reconnects);
// Its defaults: it connects again, but what was not answered is its caller's to send again.
await lostReplies(check, async (port) => {
  const client = await connect(port);
  const call = async (...words) => {
    for (;;) {
      try {
        return await client.sendCommand(words);
      } catch (err) {
        if (err instanceof ErrorReply) throw err;
      }
    }
  };
  return [call, () => client.close()];
});
await withDirectory(async (dir) => {
  const server = await startServer(dir, 0, "--requirepass", "s3cret");
  const client = await connect(server.port, { password: "s3cret" });
  check.same("password", await client.ping(), "PONG");
  await client.close();
  await server.stop();
});
check.close(`node-redis ${createRequire(import.meta.url)("redis/package.json").version}`);
