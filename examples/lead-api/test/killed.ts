// Loaded before the worker: kills it with -9 before the KILL_AT-th time that it writes to its SQLite file.

import { DatabaseSync, StatementSync } from "@photostructure/sqlite";

let left = Number(process.env.KILL_AT ?? 0);

for (const [prototype, name] of [[DatabaseSync.prototype, "exec"], [StatementSync.prototype, "run"]] as [any, string][]) {
  const original = prototype[name];
  prototype[name] = function (...args: unknown[]) {
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
    return original.apply(this, args);
  };
}
