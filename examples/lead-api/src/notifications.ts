import { Injectable, type OnModuleDestroy } from "@nestjs/common";
import { DatabaseSync } from "@photostructure/sqlite"; // what `node:sqlite` is from Node 22 on
import { Config } from "./config.js";

export interface Notification {
  id: string;
  account: string;
  text: string;
}

/**
 * What is to be told to the tradies, and how far each stream has been read: in one file, so that both change together.
 *
 * A row of `notification` is written exactly once. Whoever sends it out (mail, push) can still be killed between
 * sending and noting that: give the provider the stream and id as its idempotency key.
 */
@Injectable()
export class Notifications implements OnModuleDestroy {
  private readonly db: InstanceType<typeof DatabaseSync>;

  constructor(config: Config) {
    this.db = new DatabaseSync(config.notificationsFile);
    this.db.exec(`
      PRAGMA journal_mode = wal;
      PRAGMA synchronous = full;
      CREATE TABLE IF NOT EXISTS position (stream TEXT PRIMARY KEY, last_id TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS notification (
        stream TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (stream, id));
    `);
  }

  onModuleDestroy(): void {
    this.db.close();
  }

  /** The id of the last event taken from `stream`; `0-0` before the first. */
  position(stream: string): string {
    const row = this.db.prepare("SELECT last_id FROM position WHERE stream = ?").get(stream) as
      { last_id: string } | undefined;
    return row?.last_id ?? "0-0";
  }

  /** Moves `stream` from `from` to `to` and keeps the notifications of what lies between: both or neither. */
  take(stream: string, from: string, to: string, notifications: Notification[]): void {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      // A second worker on the same file has been here: its notifications stand, and this transaction does not happen.
      if (this.position(stream) !== from) throw new Error(`${stream} was moved from ${from} by another worker`);
      this.db.prepare("INSERT OR REPLACE INTO position VALUES (?, ?)").run(stream, to);
      const insert = this.db.prepare("INSERT INTO notification VALUES (?, ?, ?, ?)");
      for (const { id, account, text } of notifications) insert.run(stream, id, account, text);
      this.db.exec("COMMIT");
    } catch (error) {
      this.db.exec("ROLLBACK");
      throw error;
    }
  }
}
