// Real programs on free ports: creditd, the API, the worker, and a way to creditd on which replies get lost.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { tokenOf } from "../src/auth.guard.js";

const SERVER = process.env.SERVER_BIN ?? fileURLToPath(new URL("../../../../target/release/creditd", import.meta.url));
const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const KILLED = new URL("killed.js", import.meta.url).href;
const SECRET = "only for tests";

export type Program = Awaited<ReturnType<typeof start>>;

/** A directory that is gone after the test file, later than its programs. */
export function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), "lead-api-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function start(program: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
  const ended = once(child, "exit") as Promise<[code: number | null, signal: string | null]>;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  after(() => end("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(lines, "line").then(([text]) => text),
    ended.then(([code, signal]) => `${code ?? signal}`),
  ]);
  const port = Number(/listening on \S*:(\d+)/.exec(line)?.[1]);
  return { port, ended, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

export function startCreditd(dir: string, port = 0, shards = 4): Promise<Program> {
  return start(SERVER, ["--port", `${port}`, "--data-dir", dir, "--shards", `${shards}`, "--log-level", "error"]);
}

export function startApi(creditd: { port: number }): Promise<Program> {
  return start(process.execPath, [MAIN, "api"], { PORT: "0", AUTH_SECRET: SECRET, CREDITD_PORT: `${creditd.port}` });
}

/** `killAt`: dies before the so-manieth time that it writes to its file. */
export function startWorker(creditd: { port: number }, file: string, killAt = 0): Promise<Program> {
  const env = {
    PORT: "0",
    AUTH_SECRET: SECRET,
    CREDITD_PORT: `${creditd.port}`,
    NOTIFICATIONS_FILE: file,
    EVENTS_AT_ONCE: "7",
  };
  return start(process.execPath, ["--import", KILLED, MAIN, "worker"], { ...env, KILL_AT: `${killAt}` });
}

/** A way to creditd that executes the first `losses` claims, and cuts the connection in place of what they answer. */
export async function startLossyWay(
  creditd: { port: number },
  losses: number,
): Promise<{ port: number; lost: () => number }> {
  let lost = 0;
  const way = createServer((client) => {
    const server = connect(creditd.port, "127.0.0.1");
    let cuts = false;
    client.on("data", (bytes) => {
      cuts = lost < losses && bytes.includes("LEAD.CLAIM");
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (!cuts) return client.write(bytes);
      lost += 1;
      client.destroy();
      return server.destroy();
    });
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      end.on("error", () => {});
      end.on("close", () => other.destroy());
    }
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  way.unref();
  return { port: (way.address() as AddressInfo).port, lost: () => lost };
}

export interface Answer {
  status: number;
  body: Record<string, any>;
}

/** A request in the name of `account`. */
export async function ask(
  api: { port: number },
  account: string,
  method: string,
  path: string,
  key?: string,
): Promise<Answer> {
  const headers: Record<string, string> = { Authorization: `Bearer ${tokenOf(account, SECRET)}` };
  if (key) headers["Idempotency-Key"] = key;
  const response = await fetch(`http://127.0.0.1:${api.port}/${path}`, { method, headers });
  return { status: response.status, body: (await response.json()) as Record<string, any> };
}

/** Claims as a caller should: with one key until there is an answer. */
export async function claim(api: { port: number }, account: string, lead: string, key: string): Promise<Answer> {
  for (;;) {
    const answer = await ask(api, account, "POST", `api/leads/${lead}/claim`, key);
    if (answer.status !== 503) return answer;
  }
}

/** What Prometheus would read of the API or the worker. */
export async function metrics({ port }: { port: number }): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

/** Runs `work` for all items, `width` at a time; results in the order of the items. */
export async function inParallel<T, R>(items: T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  const lane = async () => {
    for (const [at, item] of left) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}
