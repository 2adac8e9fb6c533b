// What every client does, with one of Node.js: `calls.mjs PORT PACKAGE`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Checks, plain } from "./harness.mjs";

const [port, name] = [Number(process.argv[2]), process.argv[3]];
const library = await import(name);
const check = new Checks();

/** How to connect, call, listen and go, in the words of each library. */
const ways = {
  async ioredis(protocol) {
    const Redis = library.Redis ?? library.default;
    const r = new Redis({ port, protocol });
    const listener = r.duplicate();
    return {
      call: (...words) => r.call(...words),
      async listen(channel, hear) {
        listener.on("message", (_, text) => hear(text));
        await listener.subscribe(channel);
      },
      close: () => Promise.all([r.quit(), listener.quit()]),
    };
  },
  async redis(protocol) {
    const r = library.createClient({ socket: { port }, RESP: protocol });
    await r.connect();
    const listener = await r.duplicate().connect();
    return {
      call: (...words) => r.sendCommand(words),
      listen: (channel, hear) => listener.subscribe(channel, hear),
      close: () => Promise.all([r.close(), listener.close()]),
    };
  },
};

async function session(account, protocol) {
  const { call, listen, close } = await ways[name.replace(/-\d+$/, "")](protocol);
  let hear;
  const event = new Promise((resolve) => (hear = resolve));
  await listen("credit.granted", hear);
  const text = readFileSync(new URL("calls.txt", import.meta.url), "utf8").replaceAll("@", account);
  for (const line of text.split("\n").filter((line) => line.includes(" | ") && !line.startsWith("#"))) {
    const [command, wanted] = line.split(" | ");
    const reply = call(...command.split(" "));
    if (wanted.startsWith("!")) await check.rejects(`${account}: ${command}`, wanted.slice(1), reply);
    else check.same(`${account}: ${command}`, ...picked(await reply, wanted));
  }
  check.same(`${account}: event`, JSON.parse(await event).account, account);
  await close();
}

/** What the reply has of what is wanted, and that. */
function picked(reply, wanted) {
  if (wanted === "nil") return [reply, null];
  const words = wanted.split(" ").map((word) => (/^\d+$/.test(word) ? Number(word) : word));
  const want = Object.entries(plain(words));
  const got = Object.entries(plain(reply)).filter(([key]) => want.some(([name]) => name === key));
  return [got, want];
}

for (const protocol of [2, 3]) await session(`${name}-resp${protocol}`, protocol);
const { version } = createRequire(import.meta.url)(`${name}/package.json`);
check.close(`${name.replace(/-\d+$/, "")} ${version}`);
