// ioredis against creditd: the account's story with the client's defaults (RESP3) and in RESP2.

import { once } from "node:events";
import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { Checks, burst, feed, leads, lostReplies, parseInfo, plain, startServer, story, trail, withDirectory } from "./harness.mjs";

const check = new Checks();

async function session(port, name, options) {
  const redis = new Redis({ port, ...options });
  redis.on("error", (err) => check.same(`${name}: no connection error`, err.message, null));
  const call = (...words) => redis.call(...words);
  check.same(`${name}: ping`, await redis.ping(), "PONG");
  await story(check, call, `tradie:${name}`);
  await trail(check, call, `tradie:${name}`);
  await leads(check, call, `tradie:${name}`, `lead:${name}`);
  await feed(check, { call, ...streams(redis) }, `feed:${name}`);
  await burst(check, call, `burst:${name}`);

  const pipeline = redis.pipeline();
  for (let n = 0; n < 1000; n += 1) pipeline.call("CREDIT.DEBIT", `burst:${name}`, `d${n}`, "1");
  const replies = await pipeline.exec();
  check.same(`${name}: pipeline of 1000`, replies.map(([err]) => err).filter(Boolean), []);
  check.same(`${name}: pipeline in order`, plain(replies[999][1]).balance, 0);

  const multi = await redis.multi().call("CREDIT.GRANT", `multi:${name}`, "m1", "5").call("CREDIT.DEBIT", `multi:${name}`, "m2", "9").exec();
  check.same(`${name}: MULTI runs in order`, plain(multi[0][1]).balance, 5);
  check.same(`${name}: MULTI keeps errors in place`, multi[1][0]?.message, "INSUFFICIENT available=5 required=9");

  const info = parseInfo(await redis.info());
  check.same(`${name}: info`, [info.loading, info.role, info.redis_version.slice(0, 3)], ["0", "master", "7.2"]);
  const listed = await redis.client("LIST");
  check.same(`${name}: client list`, listed.includes(`id=${await redis.client("ID")} `), true);
  check.same(`${name}: config get`, plain(await redis.config("GET", "maxmemory-policy")), { "maxmemory-policy": "noeviction" });
  check.same(`${name}: quit`, await redis.quit(), "OK");
}

/** What `feed` needs. A connection that waits or listens is for nothing else. */
function streams(redis) {
  return {
    read: async (keys, ids, blockMs) => {
      const reader = redis.duplicate();
      const found = await reader.xread("COUNT", 5, "BLOCK", blockMs, "STREAMS", ...keys, ...ids);
      reader.disconnect();
      return found && [found[0][0], found[0][1][0][0], plain(found[0][1][0][1])];
    },
    listen: async (channel, pattern) => {
      const listener = redis.duplicate();
      const heard = once(listener, "message");
      check.same("subscribed", [await listener.subscribe(channel), await listener.psubscribe(pattern)], [1, 2]);
      return [heard, () => listener.disconnect()];
    },
  };
}

async function reconnects(dir) {
  let server = await startServer(dir);
  const redis = new Redis({ port: server.port, retryStrategy: () => 50 });
  redis.on("error", () => {}); // refused while the server is away: the client says so and goes on trying
  const first = plain(await redis.call("CREDIT.GRANT", "tradie:9", "g1", "7"));
  await server.kill();
  server = await startServer(dir, server.port);
  const second = plain(await redis.call("CREDIT.GRANT", "tradie:9", "g1", "7"));
  check.same("same outcome after kill -9 and reconnect", second, { ...first, replayed: 1 });
  redis.disconnect();
  check.same("clean stop", await server.stop(), 0);
}

await withDirectory(async (dir) => {
  const server = await startServer(dir);
  await session(server.port, "defaults", {});
  await session(server.port, "resp2", { protocol: 2 });
  check.same("the server stops clean", await server.stop(), 0);
});
await withDirectory(reconnects);
// Its defaults: after a reconnect it sends again what was not answered.
await lostReplies(check, async (port) => {
  const redis = new Redis({ port });
  redis.on("error", () => {});
  return [(...words) => redis.call(...words), () => redis.disconnect()];
});
await withDirectory(async (dir) => {
  const server = await startServer(dir, 0, "--requirepass", "s3cret");
  const redis = new Redis({ port: server.port, password: "s3cret" });
  check.same("password", await redis.ping(), "PONG");
  redis.disconnect();
  await server.stop();
});
check.close(`ioredis ${createRequire(import.meta.url)("ioredis/package.json").version}`);
