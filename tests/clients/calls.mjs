// What every client does, with one of Node.js: `calls.mjs PACKAGE PORT`.
//
// `calls.mjs PACKAGE PORT -` sends the lines that it reads, and prints what each of them hears. The environment says who it is
// and what it knows: AS_USER, PASSWORD; CA (then it speaks TLS), CERT, KEY.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Checks, plain } from "./harness.mjs";

const [name, port] = [process.argv[2], Number(process.argv[3])];
const library = await import(name);
const check = new Checks();

const { AS_USER: username, PASSWORD: password, CA, CERT, KEY } = process.env;
const files = Object.entries({ ca: CA, cert: CERT, key: KEY }).filter(([, path]) => path);
const tls = CA && Object.fromEntries(files.map(([option, path]) => [option, readFileSync(path)]));

/** How to connect, call, listen and go, in the words of each library. */
const ways = {
  async ioredis(protocol) {
    const Redis = library.Redis ?? library.default;
    const r = new Redis({ port, protocol, username, password, tls, lazyConnect: true, retryStrategy: null });
    await r.connect();
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
    const socket = { port, tls: Boolean(tls), ...tls, reconnectStrategy: false };
    const r = library.createClient({ socket, RESP: protocol, username, password });
    await r.connect();
    const listener = await r.duplicate().connect();
    return {
      call: (...words) => r.sendCommand(words),
      listen: (channel, hear) => listener.subscribe(channel, hear),
      close: () => Promise.all([r.close(), listener.close()]),
    };
  },
};

ways.iovalkey = ways.ioredis;

ways["@valkey/valkey-glide"] = async (protocol) => {
  const modes = library.GlideClientConfiguration.PubSubChannelModes;
  const addresses = [{ host: "127.0.0.1", port }];
  const { RESP2, RESP3 } = library.ProtocolVersion;
  const connect = (options) => library.GlideClient.createClient({ addresses, ...options });
  library.Logger.setLoggerConfig("error");
  const r = await connect({ protocol: protocol === 2 ? RESP2 : RESP3 });
  let listener;
  return {
    // A map of RESP3 comes as a list of keys and values; an error's first word has a colon behind it.
    async call(...words) {
      const reply = await r.customCommand(words).catch(({ message }) => {
        throw new Error(message.replace(":", ""));
      });
      return reply?.[0]?.key ? reply.flatMap(({ key, value }) => [key, value]) : reply;
    },
    // It listens in RESP3 only.
    async listen(channel, hear) {
      const channelsAndPatterns = { [modes.Exact]: new Set([channel]) };
      const pubsubSubscriptions = { channelsAndPatterns, callback: ({ message }) => hear(message) };
      listener = await connect({ protocol: RESP3, pubsubSubscriptions });
    },
    close: async () => [r.close(), listener.close()],
  };
};

async function session(account, protocol) {
  const { call, listen, close } = await ways[name.replace(/-\d+$/, "")](protocol);
  let hear;
  const event = new Promise((resolve) => (hear = resolve));
  // One that was on its way to the session before may come first.
  await listen("credit.granted", (text) => JSON.parse(text).account === account && hear("heard"));
  const text = readFileSync(new URL("calls.txt", import.meta.url), "utf8").replaceAll("@", account);
  for (const line of text.split("\n").filter((line) => line.includes(" | ") && !line.startsWith("#"))) {
    const [command, wanted] = line.split(" | ");
    const reply = call(...command.split(" "));
    if (wanted.startsWith("!")) await check.rejects(`${account}: ${command}`, wanted.slice(1), reply);
    else check.same(`${account}: ${command}`, ...picked(await reply, wanted));
  }
  check.same(`${account}: event`, await event, "heard");
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

async function talk() {
  const connected = ways[name.replace(/-\d+$/, "")]();
  connected.catch(() => {}); // it is told to each line
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = connected.then(({ call }) => call(...line.split(" ")));
    console.log(await reply.catch((error) => error.message));
  }
  process.exit();
}

if (process.argv[4] === "-") await talk();
for (const protocol of [2, 3]) await session(`${name}-resp${protocol}`, protocol);
const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
check.close(`${name.replace(/-\d+$/, "")} ${version}`);
