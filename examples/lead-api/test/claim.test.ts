import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Redis } from "ioredis";
import { CreditService, record } from "../src/credit.service.js";
import { Metrics } from "../src/metrics.js";
import { ask, claim, directory, inParallel, metrics, startApi, startCreditd, startLossyWay } from "./programs.js";

const numbers = (end: number) => [...Array(end).keys()];

/** The commands without the service between, and the connection. */
function direct(port: number): { credits: CreditService; redis: Redis } {
  const redis = new Redis({ port });
  redis.on("error", () => {});
  after(() => redis.disconnect());
  return { redis, credits: new CreditService(redis, new Metrics()) };
}

async function balances(credits: CreditService, accounts: string[]): Promise<number[]> {
  return (await Promise.all(accounts.map((account) => credits.balance(account)))).map(({ balance }) => balance);
}

/** The accounts that have claimed `lead`. */
async function claimants(redis: Redis, lead: string): Promise<string[]> {
  const claims = (await redis.call("LEAD.CLAIMS", lead)) as unknown[];
  return claims.map((claim) => record<{ account: string }>(claim).account);
}

const sum = (figures: number[]) => figures.reduce((a, b) => a + b, 0);

test("the commands of an account's day", async () => {
  const { credits } = direct((await startCreditd(directory())).port);
  assert.deepEqual(await credits.grant("a", "g1", 20, "purchase"), {
    status: "granted",
    balance: 20,
    available: 20,
    seq: 1,
  });
  assert.deepEqual(await credits.debit("a", "d1", 6), { status: "debited", balance: 14, available: 14, seq: 2 });
  assert.deepEqual(await credits.debit("a", "d1", 6), {
    status: "debited",
    balance: 14,
    available: 14,
    seq: 2,
    replayed: 1,
  });
  const { expires, ...held } = await credits.reserve("a", "r1", 10, 60_000);
  assert.deepEqual([held, expires > 60_000], [{ status: "active", balance: 14, available: 4, seq: 3 }, true]);
  await assert.rejects(credits.debit("a", "d2", 5), { code: "INSUFFICIENT", facts: { available: "4", required: "5" } });
  const captured = await credits.capture("a", "r1", 4);
  assert.deepEqual([captured.status, captured.captured, captured.returned, captured.balance], ["captured", 4, 6, 10]);
  assert.equal((await credits.refund("a", "f1", "r1")).refundable, 0);
  await credits.reserve("a", "r2", 1, 60_000);
  assert.deepEqual((await credits.release("a", "r2")).status, "released");
  const { balance, reserved, available } = await credits.balance("a");
  assert.deepEqual([balance, reserved, available], [14, 0, 14]);
  assert.equal((await credits.openLead("lead:1", 2, 60_000)).state, "open");
  assert.deepEqual((await credits.claim("a", "c1", "lead:1", 5)).remaining, 1);
});

test("what each answer is in HTTP", async () => {
  const creditd = await startCreditd(directory());
  const api = await startApi(creditd);
  const { credits } = direct(creditd.port);
  await credits.grant("tradie:7", "pay_1", 8);
  await credits.openLead("lead:42", 3);
  await credits.openLead("lead:43", 1);

  const get = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${api.port}/api/credits/balance`, { headers });
  assert.equal((await get({})).status, 401);
  assert.equal((await get({ Authorization: "Bearer tradie:7.forged" })).status, 401);
  const { status, body } = await ask(api, "tradie:7", "GET", "api/credits/balance");
  assert.deepEqual([status, body.balance, body.available], [200, 8, 8]);

  assert.equal((await claim(api, "tradie:7", "lead:42", "")).status, 400);
  const bought = { lead: "lead:42", slot: 1, charged: 5, balance: 3, replayed: false };
  assert.deepEqual(await claim(api, "tradie:7", "lead:42", "k1"), { status: 200, body: bought });
  assert.deepEqual(await claim(api, "tradie:7", "lead:42", "k1"), { status: 200, body: { ...bought, replayed: true } });
  const again = { lead: "lead:42", slot: 1, charged: 0, replayed: true };
  assert.deepEqual(await claim(api, "tradie:7", "lead:42", "other-tab"), { status: 200, body: again });
  assert.deepEqual(await claim(api, "tradie:7", "lead:43", "k1"), {
    status: 422,
    body: { error: "TXCONFLICT", field: "lead", have: "lead:42", given: "lead:43" },
  });
  assert.deepEqual(await claim(api, "tradie:7", "lead:43", "k2"), {
    status: 402,
    body: { error: "INSUFFICIENT", available: "3", required: "5" },
  });
  assert.equal((await claim(api, "nobody", "lead:43", "k1")).status, 402);
  assert.equal((await claim(api, "tradie:7", "no-lead", "k3")).status, 404);
  assert.deepEqual(await balances(credits, ["tradie:7"]), [3]);
});

test("a lost reply is asked for again, and the credits are taken once", async () => {
  const creditd = await startCreditd(directory());
  const way = await startLossyWay(creditd, 2);
  const api = await startApi(way);
  const { credits, redis } = direct(creditd.port);
  await credits.grant("tradie:7", "pay_1", 20);
  await credits.openLead("lead:42", 3);

  const { status, body } = await claim(api, "tradie:7", "lead:42", "k1");
  assert.deepEqual([status, body], [200, { lead: "lead:42", slot: 1, charged: 5, balance: 15, replayed: true }]);
  assert.equal(way.lost(), 2);
  assert.match(await metrics(api), /^leadapi_retries_total{command="LEAD.CLAIM"} [2-9]$/m);
  assert.deepEqual(await balances(credits, ["tradie:7"]), [15]);
  assert.deepEqual(await claimants(redis, "lead:42"), ["tradie:7"]);
});

test("1,000 tradies want 3 slots", async () => {
  const creditd = await startCreditd(directory());
  const api = await startApi(creditd);
  const { credits, redis } = direct(creditd.port);
  const tradies = numbers(1000).map((n) => `tradie:${n}`);
  await Promise.all(tradies.map((tradie) => credits.grant(tradie, "pay_1", 20)));
  await credits.openLead("lead:42", 3);

  const answers = await inParallel(tradies, 100, (tradie) => claim(api, tradie, "lead:42", "k1"));
  const winners = tradies.filter((_, n) => answers[n]!.status === 200);
  assert.equal(winners.length, 3);
  assert.deepEqual(
    [...new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.error))],
    ["LEADFULL"],
  );
  assert.deepEqual((await claimants(redis, "lead:42")).sort(), winners.sort());
  assert.deepEqual(await balances(credits, winners), [15, 15, 15]);
  assert.equal(sum(await balances(credits, tradies)), 1000 * 20 - 3 * 5);

  assert.match(await metrics(api), /^leadapi_claims_total{outcome="LEADFULL"} 997$/m);
});

test("creditd is killed in the middle: what was told is what is there", async () => {
  const dir = directory();
  const creditd = await startCreditd(dir);
  const api = await startApi(creditd);
  const { credits, redis } = direct(creditd.port);
  const tradies = numbers(100).map((n) => `tradie:${n}`);
  await Promise.all(tradies.map((tradie) => credits.grant(tradie, "pay_1", 100)));
  const leads = numbers(30).map((n) => `lead:${n}`);
  await Promise.all(leads.map((lead) => credits.openLead(lead, 3)));

  // Ten tradies want each lead. A third of them have their answers when creditd is killed.
  const wanted = leads.flatMap((lead, n) => numbers(10).map((k) => ({ lead, tradie: tradies[(n + 10 * k) % 100]! })));
  let answered = 0;
  let restarted: Promise<unknown> | undefined;
  const answers = await inParallel(wanted, 50, async ({ lead, tradie }) => {
    const answer = await claim(api, tradie, lead, `${lead}-1`);
    answered += 1;
    if (answered === 100) restarted = creditd.kill().then(() => startCreditd(dir, creditd.port));
    return answer;
  });
  assert.ok(restarted);
  await restarted;

  const told = wanted
    .filter((_, n) => answers[n]!.status === 200)
    .map(({ lead, tradie }) => `${lead} ${tradie}`)
    .sort();
  const there: string[] = [];
  for (const lead of leads) there.push(...(await claimants(redis, lead)).map((account) => `${lead} ${account}`));
  assert.deepEqual(told, there.sort());
  assert.equal(told.length, 90);
  assert.equal(sum(await balances(credits, tradies)), 100 * 100 - 90 * 5);
  for (const tradie of tradies) assert.equal(record(await redis.call("CREDIT.AUDIT", tradie)).ok, 1);
});
