import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from "@nestjs/common";
import { Redis } from "ioredis";
import { Config } from "./config.js";
import { record } from "./credit.service.js";
import { Metrics } from "./metrics.js";
import { Notifications } from "./notifications.js";

/** How long one read waits for news. */
export const BLOCK_MS = 5000;
const PAUSE_MS = 1000;

type Entry = [id: string, fields: string[]];
/** What a notification is made of; the other fields are in docs/guides/events.md. */
type Event = Record<"event" | "account" | "lead" | "claim" | "max", string>;

/**
 * Follows the events of all shards and turns each `lead.claimed` into one notification.
 *
 * Nothing is kept in memory: a read starts at the positions in the file, so a start, a reconnect and an error are one.
 */
@Injectable()
export class EventWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private running = true;
  private following?: Promise<void>;
  private isNewConnection = true;

  constructor(
    private readonly redis: Redis,
    private readonly notifications: Notifications,
    private readonly metrics: Metrics,
    private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    this.redis.on("ready", () => (this.isNewConnection = true));
    this.following = this.follow();
  }

  async onModuleDestroy(): Promise<void> {
    this.running = false;
    this.redis.disconnect();
    await this.following;
  }

  private async follow(): Promise<void> {
    let streams: string[] | undefined;
    while (this.running) {
      try {
        streams ??= await this.streams(); // fixed for the life of a data directory
        await this.turn(streams);
      } catch (error) {
        if (!this.running) return;
        console.error("events:", (error as Error).message);
        await new Promise((resume) => setTimeout(resume, PAUSE_MS));
      }
    }
  }

  /** One stream a shard. */
  private async streams(): Promise<string[]> {
    const shards = Number(/^shards:(\d+)/m.exec(await this.redis.info("server"))?.[1]);
    if (!shards) throw new Error("no creditd: INFO without shards");
    return Array.from({ length: shards }, (_, shard) => `credit:events:${shard}`);
  }

  /** Reads once, behind what has been taken, and takes it. */
  private async turn(streams: string[]): Promise<void> {
    const positions = streams.map((stream) => this.notifications.position(stream));
    const { eventsAtOnce } = this.config;
    const page = await this.redis.xread("COUNT", eventsAtOnce, "BLOCK", BLOCK_MS, "STREAMS", ...streams, ...positions);
    if (this.isNewConnection) await this.look(streams, positions);
    for (const [stream, entries] of page ?? []) {
      this.take(stream, positions[streams.indexOf(stream)]!, entries as Entry[]);
    }
  }

  private take(stream: string, from: string, entries: Entry[]): void {
    const events = entries.map(([id, fields]) => ({ id, ...record<Event>(fields) }));
    const claims = events.filter(({ event }) => event === "lead.claimed");
    const notifications = claims.map(({ id, account, lead, claim, max }) => ({
      id,
      account,
      text: `${lead} is yours: ${claim} of ${max}`,
    }));
    this.notifications.take(stream, from, entries.at(-1)![0], notifications);
    for (const { event } of events) this.metrics.events.inc({ event });
    for (const { id } of claims) this.metrics.delay.observe(Math.max(0, Date.now() - parseInt(id)) / 1000);
  }

  /** After a time away: were events trimmed that had not been read? What they said is in LEAD.CLAIMS now. */
  private async look(streams: string[], positions: string[]): Promise<void> {
    for (const [at, stream] of streams.entries()) {
      const { "max-deleted-entry-id": gone } = record<{ "max-deleted-entry-id": string }>(
        await this.redis.xinfo("STREAM", stream),
      );
      if (!isBefore(positions[at]!, gone)) continue;
      this.metrics.gaps.inc();
      console.error(
        `events: ${stream} was trimmed up to ${gone}, read up to ${positions[at]}: compare with LEAD.CLAIMS`,
      );
    }
    this.isNewConnection = false;
  }
}

/** Ids are `<ms>-<position>`, ordered as two numbers. */
export function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aPosition = 0] = a.split("-").map(Number);
  const [bMs = 0, bPosition = 0] = b.split("-").map(Number);
  return aMs < bMs || (aMs === bMs && aPosition < bPosition);
}
