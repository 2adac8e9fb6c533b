// What the Node.js checks share: a server of their own, counted checks, and the account's story.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";

const SERVER = process.env.SERVER_BIN ?? new URL("../../target/release/creditd", import.meta.url).pathname;

/** A data directory that lives as long as `use` runs. */
export async function withDirectory(use) {
  const dir = mkdtempSync(join(tmpdir(), "creditd-clients-"));
  try {
    return await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Starts a program and waits for where it listens, the last number of its first line. */
async function startProgram(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([text]) => text),
    ended.then(([code]) => `exit code ${code}`),
  ]);
  const found = /listening on (?:\S*:)?(\d+)/.exec(line);
  if (!found) throw new Error(`no banner from ${program}: ${line}`);
  const end = async (signal) => {
    child.kill(signal);
    const [code] = await ended;
    return code;
  };
  return { port: Number(found[1]), stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

/** Starts creditd and waits for its banner. `stop` ends it as a service manager would, `kill` as a power cut. */
export function startServer(dir, port = 0, ...flags) {
  return startProgram(SERVER, ["--port", port, "--data-dir", dir, "--log-level", "error", ...flags]);
}

export class Checks {
  passed = 0;
  failed = 0;

  same(what, got, want) {
    if (isDeepStrictEqual(got, want)) {
      this.passed += 1;
    } else {
      this.failed += 1;
      console.log(`FAILED ${what}\n  got  ${JSON.stringify(got)}\n  want ${JSON.stringify(want)}`);
    }
  }

  async rejects(what, text, promise) {
    try {
      this.same(what, await promise, `an error ${text}`);
    } catch (err) {
      this.same(what, String(err.message).includes(text) ? text : err.message, text);
    }
  }

  /** Prints the closing line and sets the exit code. */
  close(name) {
    console.log(`${name}: ${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed ? 1 : 0;
  }
}

/** A map of either protocol as a plain object: RESP3 gives an object or a Map, RESP2 a flat array. */
export function plain(reply) {
  if (reply instanceof Map) return Object.fromEntries(reply);
  if (!Array.isArray(reply)) return { ...reply };
  const object = {};
  for (let i = 0; i < reply.length; i += 2) object[reply[i]] = reply[i + 1];
  return object;
}

/** `name:value` lines of INFO as an object. */
export function parseInfo(text) {
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

/** An account's life. `call(name, ...args)` sends one command with the client under test. */
export async function story(check, call, account) {
  const write = async (verb, ...args) => plain(await call(`CREDIT.${verb}`, account, ...args));
  const granted = { status: "granted", balance: 20, available: 20, seq: 1 };
  check.same("grant", await write("GRANT", "pay_991", "20", "REASON", "purchase"), granted);
  check.same("grant again", await write("GRANT", "pay_991", "20"), { ...granted, replayed: 1 });
  await check.rejects("same id, other amount", "TXCONFLICT field=amount have=20 given=21", write("GRANT", "pay_991", "21"));
  await check.rejects("same id, other verb", "TXCONFLICT field=op have=grant given=debit", write("DEBIT", "pay_991", "20"));
  check.same("debit", await write("DEBIT", "d0", "5"), { status: "debited", balance: 15, available: 15, seq: 2 });
  const { expires, ...held } = await write("RESERVE", "r1", "10", "TTL", "60000");
  check.same("reserve", held, { status: "active", balance: 15, available: 5, seq: 3 });
  await check.rejects("decline", "INSUFFICIENT available=5 required=6", write("DEBIT", "d1", "6"));
  await check.rejects("declines are remembered", "INSUFFICIENT available=5 required=6", write("DEBIT", "d1", "6"));

  const holds = plain(await call("CREDIT.HOLDS", account));
  check.same("holds: fields", Object.keys(holds), ["balance", "reserved", "available", "seq", "time", "holds"]);
  const hold = plain(holds.holds[0]);
  check.same("holds: one", [holds.holds.length, hold.tx, hold.amount, hold.expires], [1, "r1", 10, expires]);

  const captured = { status: "captured", balance: 11, available: 11, seq: 5, captured: 4, returned: 6 };
  check.same("capture a part", await write("CAPTURE", "r1", "AMOUNT", "4"), captured);
  check.same("capture again", await write("CAPTURE", "r1", "AMOUNT", "4"), { ...captured, replayed: 1 });
  await check.rejects("release after capture", "CAPTURED amount=4 seq=5", write("RELEASE", "r1"));
  await write("RESERVE", "r2", "3");
  check.same("release", await write("RELEASE", "r2"), { status: "released", balance: 11, available: 11, seq: 7 });
  await check.rejects("reserve a released id", "RELEASED amount=3 seq=7", write("RESERVE", "r2", "3"));
  const { status, tx } = await write("DEBIT", "*", "1");
  check.same("server-made id", [status, tx.length], ["debited", 26]);

  const balance = plain(await call("CREDIT.BALANCE", account));
  check.same("balance: fields", Object.keys(balance), ["balance", "reserved", "available", "seq", "time"]);
  check.same("balance", [balance.balance, balance.reserved, balance.available], [10, 0, 10]);
  await check.rejects("unknown account", "NOACCOUNT", call("CREDIT.DEBIT", "nobody", "x", "1"));
  // Both clients read a digit as `n * 10 + byte - 48`, from left to right, in doubles: the sum before the `- 48` must
  // stay below 2^53 too. So the last 48 amounts below 2^53 may read one off in these clients, whatever a server sends.
  const largest = Number.MAX_SAFE_INTEGER - 48;
  const rich = plain(await call("CREDIT.GRANT", `rich:${account}`, "g", String(largest)));
  check.same("the largest amount that the client reads exactly", rich.balance, largest);
}

/** What the account of `story` has been through. */
export async function trail(check, call, account) {
  const refund = async (...args) => plain(await call("CREDIT.REFUND", account, ...args));
  const refunded = { status: "refunded", balance: 12, available: 12, seq: 9, refundable: 3 };
  check.same("refund", await refund("f1", "d0", "AMOUNT", "2", "REASON", "late"), refunded);
  check.same("refund again", await refund("f1", "d0", "AMOUNT", "2"), { ...refunded, replayed: 1 });
  await check.rejects("refund too much", "EXCEEDS limit=3 given=4", refund("f2", "d0", "AMOUNT", "4"));
  await check.rejects("refund a grant", "NOTREFUNDABLE op=grant state=granted", refund("f2", "pay_991"));
  await check.rejects("refund nothing", "NOTX", refund("f2", "nothing"));

  const { time, ...tx } = plain(await call("CREDIT.TX", account, "d0"));
  check.same("tx", tx, { op: "debit", state: "debited", amount: 5, refunded: 2, seq: 2 });
  check.same("unknown tx", await call("CREDIT.TX", account, "nothing"), null);

  // As XRANGE: arrays of [id, [field, value, ...]], every value a string, in both protocols.
  const first = await call("CREDIT.HISTORY", account, "-", "+", "COUNT", "6");
  const rest = await call("CREDIT.HISTORY", account, `(${first.at(-1)[0]}`, "+");
  const entries = [...first, ...rest].map(([id, fields]) => [Number(id.split("-")[1]), plain(fields)]);
  check.same("history: pages", [first.length, entries.map(([seq]) => seq)], [6, [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  check.same("history: times", first[1][0], `${time}-2`);
  const debit = { type: "DEBIT", tx: "d0", amount: "5", delta: "-5", rdelta: "0", balance: "15", reserved: "0" };
  check.same("history: an entry", entries[1][1], debit);
  const newest = await call("CREDIT.HISTORY", account, "REV", "COUNT", "1", "TYPE", "REFUND", "CAPTURE");
  check.same("history: newest of a type", [newest[0][1].at(-3), newest[0][1].at(-1)], ["d0", "late"]);

  const opened = Number(first[0][0].split("-")[0]);
  const before = { balance: 0, reserved: 0, available: 0, seq: 0, time: opened - 1 };
  check.same("balance before the first entry", plain(await call("CREDIT.BALANCE", account, "AT", String(opened - 1))), before);
  await check.rejects("balance in the future", "AT must be past", call("CREDIT.BALANCE", account, "AT", "9999999999999"));
  check.same("audit", plain(await call("CREDIT.AUDIT", account)), { ok: 1, entries: 9, balance: 12, reserved: 0 });
}

/** The account of `story` and `trail` claims leads. */
export async function leads(check, call, account, lead) {
  const claim = async (...args) => plain(await call("LEAD.CLAIM", account, ...args));
  const { opened, expires, ...open } = plain(await call("LEAD.OPEN", lead, "2", "TTL", "60000"));
  check.same("open", open, { lead, state: "open", max: 2, claims: 0, remaining: 2 });
  check.same("open: ttl", expires - opened, 60000);
  const claimed = { status: "claimed", balance: 7, available: 7, seq: 11, claim: 1, remaining: 1 };
  check.same("claim", await claim("c1", lead, "5"), claimed);
  check.same("claim again", await claim("c1", lead, "5"), { ...claimed, replayed: 1 });
  await check.rejects("claim under another id", "ALREADYCLAIMED tx=c1 claim=1", claim("c2", lead, "5"));
  await check.rejects("claim what is not there", "NOLEAD", claim("c2", `no:${lead}`, "5"));
  const { time, ...first } = plain((await call("LEAD.CLAIMS", lead))[0]);
  check.same("claims", [first, time >= opened], [{ claim: 1, account, tx: "c1", cost: 5 }, true]);
  check.same("close", plain(await call("LEAD.CLOSE", lead, "REASON", "sold")).state, "closed");
  check.same("get", [plain(await call("LEAD.GET", lead)).claims, await call("LEAD.GET", `no:${lead}`)], [1, null]);
}

/**
 * A change, as an event of its shard and as a message. `client` gives `call` as elsewhere; `read(keys, ids, blockMs)`, which
 * resolves to `[key, id, fields]` of the first entry or to null; `listen(channel, pattern)`, which resolves, subscribed, to
 * `[heard, end]`: a promise of the first `[channel, text]`, and how to end it.
 */
export async function feed(check, client, account) {
  const { call, read, listen } = client;
  const { shards } = parseInfo(String(await call("INFO", "server")));
  const keys = Array.from({ length: Number(shards) }, (_, n) => `credit:events:${n}`);
  const ids = [];
  for (const key of keys) ids.push((await call("XREVRANGE", key, "+", "-", "COUNT", "1"))[0]?.[0] ?? "0");
  const [heard, end] = await listen("credit.granted", "lead.*");
  const waiting = read(keys, ids, 10000);
  await call("CREDIT.GRANT", account, "g1", "7", "META", "aé");
  const [key, id, { time, ...event }] = await waiting;
  const figures = { amount: "7", balance: "7", reserved: "0", available: "7", seq: "1" };
  check.same("an event", event, { event: "credit.granted", account, tx: "g1", ...figures, meta: "aé" });
  check.same("nothing after it", await read([key], [id], 10), null);
  const numbers = Object.fromEntries(Object.entries(figures).map(([name, text]) => [name, Number(text)]));
  const [channel, text] = await heard;
  check.same("a message", channel, "credit.granted");
  check.same("its fields", JSON.parse(text), { stream: key, id, ...event, ...numbers, time: Number(time) });
  const log = await call("XRANGE", `credit:log:{${account}}`, "-", "+");
  check.same("the log", [log.length, log[0][0], log[0][1][1]], [1, `${time}-1`, "GRANT"]);
  await check.rejects("read-only", "streams are read-only", call("XADD", key, "*", "a", "b"));
  await end();
}

/** Claims through a way on which replies get lost. `connect(port)` gives `[call, end]` of a client with its own defaults. */
export async function lostReplies(check, connect) {
  await withDirectory(async (dir) => {
    const server = await startServer(dir, 0, "--shards", "8", "--cores", "2");
    const way = await startProgram("python3", [new URL("lossy.py", import.meta.url).pathname, server.port]);
    const [ask, endAsking] = await connect(server.port);
    const [claim, endClaiming] = await connect(way.port);
    const numbers = (end) => [...Array(end).keys()];
    for (const n of numbers(30)) await ask("CREDIT.GRANT", `a${n}`, "g", "100");
    for (const n of numbers(10)) await ask("LEAD.OPEN", `l${n}`, "3");
    // Every account wants three leads, so nine accounts want each lead.
    const wanted = numbers(90).map((n) => [`a${n % 30}`, `l${(n % 30 + Math.floor(n / 30)) % 10}`]);
    const told = await Promise.all(wanted.map(async ([account, lead]) => {
      try {
        return plain(await claim("LEAD.CLAIM", account, `${lead}:1`, lead, "5"));
      } catch (err) {
        return err.message;
      }
    }));
    const claimed = wanted.filter((_, n) => told[n].status === "claimed").sort();
    check.same("refused", [...new Set(told.filter((reply) => !reply.status))], ["LEADFULL max=3"]);
    check.same("claimed", claimed.length, 30);
    check.same("some replies were lost", told.some((reply) => reply.replayed === 1), true);
    const slots = [];
    for (const n of numbers(10)) {
      for (const slot of await ask("LEAD.CLAIMS", `l${n}`)) slots.push([plain(slot).account, `l${n}`]);
    }
    check.same("what was told is what is there", slots.sort(), claimed);
    const balances = [];
    for (const n of numbers(30)) balances.push(plain(await ask("CREDIT.BALANCE", `a${n}`)).balance);
    check.same("each has paid once", balances, numbers(30).map((n) => 100 - 5 * claimed.filter(([a]) => a === `a${n}`).length));
    const info = parseInfo(String(await ask("INFO", "credits")));
    check.same("totals equal one execution each", [info.captured, info.reserved, info.holds], ["150", "0", "0"]);
    await endClaiming();
    await endAsking();
    await way.kill();
    check.same("the server stops clean", await server.stop(), 0);
  });
}

/** A thousand commands sent at once, answered in order. */
export async function burst(check, call, account) {
  const sent = Array.from({ length: 1000 }, (_, n) => call("CREDIT.GRANT", account, `p${n}`, "1"));
  const balances = (await Promise.all(sent)).map((reply) => plain(reply).balance);
  check.same("1000 at once, in order", balances, Array.from({ length: 1000 }, (_, n) => n + 1));
}
