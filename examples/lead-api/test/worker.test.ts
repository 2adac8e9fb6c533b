import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { DatabaseSync } from "@photostructure/sqlite";
import { Redis } from "ioredis";
import type { Config } from "../src/config.js";
import { record } from "../src/credit.service.js";
import { EventWorker, isBefore } from "../src/event.worker.js";
import { Metrics } from "../src/metrics.js";
import { Notifications } from "../src/notifications.js";
import { directory, metrics, startCreditd, startWorker } from "./programs.js";

const numbers = (end: number) => [...Array(end).keys()];

/** The texts of all notifications, once there are `count` of them or half a minute is over. */
async function notified(file: string, count: number): Promise<string[]> {
  const db = new DatabaseSync(file, { readOnly: true });
  for (const deadline_ms = Date.now() + 30_000; ;) {
    const rows = db.prepare("SELECT account, text FROM notification").all() as { account: string; text: string }[];
    if (rows.length >= count || Date.now() > deadline_ms) {
      db.close();
      return rows.map(({ account, text }) => `${account}: ${text}`).sort();
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

test("the worker and creditd are killed, and each claim is told once", { timeout: 100_000 }, async () => {
  const dir = directory();
  const file = join(directory(), "notifications.db");
  let creditd = await startCreditd(dir);
  const redis = new Redis({ port: creditd.port });
  redis.on("error", () => {});
  after(() => redis.disconnect());
  const told: string[] = [];
  /** Three tradies claim each of `leads`. */
  const claimAll = async (leads: number[]) => {
    for (const lead of leads) {
      await redis.call("LEAD.OPEN", `lead:${lead}`, "3");
      for (const n of numbers(3)) {
        const tradie = `tradie:${(lead + n) % 10}`;
        const { claim } = record(await redis.call("LEAD.CLAIM", tradie, `claim:${lead}`, `lead:${lead}`, "5"));
        told.push(`${tradie}: lead:${lead} is yours: ${claim} of 3`);
      }
    }
  };
  for (const n of numbers(10)) await redis.call("CREDIT.GRANT", `tradie:${n}`, "pay_1", "1000");
  await claimAll(numbers(20));

  // At every place: before the n-th time that it writes to its file, so also between two statements of a transaction.
  for (let n = 1; n <= 12; n += 1) {
    const worker = await startWorker(creditd, file, n);
    assert.deepEqual((await worker.ended)[1], "SIGKILL");
  }
  const worker = await startWorker(creditd, file);
  await notified(file, told.length);
  // While it waits for news, and creditd comes and goes.
  await claimAll(numbers(25).slice(20));
  await creditd.kill();
  creditd = await startCreditd(dir, creditd.port);
  await claimAll(numbers(30).slice(25));
  assert.deepEqual(await notified(file, told.length), told.sort());

  const counted = await metrics(worker);
  assert.match(counted, /^leadapi_events_total{event="lead.claimed"} \d+$/m);
  assert.match(counted, /^leadapi_event_gaps_total 0$/m);
  assert.deepEqual(await worker.stop(), [null, "SIGTERM"]);
  assert.deepEqual(await notified(file, told.length), told.sort());
});

test("history that was trimmed before it was read is noticed", async () => {
  const notifications = new Notifications({ notificationsFile: join(directory(), "notifications.db") } as Config);
  notifications.take("credit:events:0", "0-0", "1000-40", []);
  const counted = new Metrics();
  const claimed = ["event", "lead.claimed", "account", "tradie:7", "lead", "lead:42", "claim", "1", "max", "3"];
  const pages = [[["credit:events:0", [["9000-900", claimed]]]]];
  const redis = Object.assign(new EventEmitter(), {
    info: async () => "shards:1\r\n",
    xread: async () =>
      pages.shift() ?? new Promise<never>((_, reject) => redis.once("gone", () => reject(new Error("gone")))),
    xinfo: async () => ["length", 9, "max-deleted-entry-id", "9000-899"],
    disconnect: () => redis.emit("gone"),
  });
  const worker = new EventWorker(redis as unknown as Redis, notifications, counted, { eventsAtOnce: 10 } as Config);
  worker.onApplicationBootstrap();
  while (notifications.position("credit:events:0") !== "9000-900") await new Promise((resume) => setTimeout(resume, 1));
  await worker.onModuleDestroy();
  assert.match(await counted.registry.metrics(), /^leadapi_event_gaps_total 1$/m);
  notifications.onModuleDestroy();
});

test("ids are ordered as numbers", () => {
  const ids = ["0-0", "5-9", "5-10", "40-1", "1795449756607-123456789"];
  for (const [at, a] of ids.entries()) {
    for (const [other, b] of ids.entries()) assert.equal(isBefore(a, b), at < other, `${a} ${b}`);
  }
});
