// Loaded before the worker: kills it with -9 before the KILL_AT-th statement that moves its SQLite file on.

import "reflect-metadata";
import { Notifications } from "../src/notifications.js";

let left = Number(process.env.KILL_AT);

function counted<A extends unknown[], R>(act: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
    return act(...args);
  };
}

const take = Notifications.prototype.take;
Notifications.prototype.take = function (...args) {
  const db = this["db"];
  const prepare = (sql: string) => {
    const statement = db.prepare(sql);
    return { get: statement.get.bind(statement), run: counted(statement.run.bind(statement)) };
  };
  const counting = { db: { exec: counted(db.exec.bind(db)), prepare }, position: this.position };
  return take.apply(counting as unknown as Notifications, args);
};
