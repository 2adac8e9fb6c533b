import { Injectable } from "@nestjs/common";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Every setting, from the environment. */
@Injectable()
export class Config {
  readonly port = Number(process.env.PORT ?? 3000);
  readonly credits = { host: process.env.CREDITD_HOST ?? "127.0.0.1", port: Number(process.env.CREDITD_PORT ?? 7379) };
  /** Signs the bearer tokens. */
  readonly authSecret = required("AUTH_SECRET");
  /** What a lead costs. A real service looks it up in its catalogue; it never comes from the request. */
  readonly leadCost = Number(process.env.LEAD_COST ?? 5);
  /** The worker's SQLite file. */
  readonly notificationsFile = process.env.NOTIFICATIONS_FILE ?? "notifications.db";
  /** How many events of a stream the worker takes in one transaction. */
  readonly eventsAtOnce = Number(process.env.EVENTS_AT_ONCE ?? 500);
}
