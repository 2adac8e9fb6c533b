import { Injectable } from "@nestjs/common";
import { Redis, ReplyError } from "ioredis";
import { Unsettled, Refused } from "./credit.errors.js";
import { Metrics } from "./metrics.js";

/** What every write answers. `replayed`: an earlier sending of the same id did it; the figures are of then. */
export interface Outcome {
  status: string;
  balance: number;
  available: number;
  seq: number;
  replayed?: 1;
}
export interface Held extends Outcome {
  expires: number;
}
export interface Captured extends Outcome {
  captured: number;
  returned: number;
}
export interface Refunded extends Outcome {
  refundable: number;
}
export interface Claimed extends Outcome {
  claim: number;
  remaining: number;
}
export interface Balance {
  balance: number;
  reserved: number;
  available: number;
  seq: number;
  time: number;
}
export interface Lead {
  lead: string;
  state: "open" | "full" | "closed" | "expired";
  max: number;
  claims: number;
  remaining: number;
}

/** Pauses before the same command is sent again. */
const WAITS_MS = [50, 200, 1000, 2000];

/**
 * The commands of creditd, typed. Every write names a transaction id that the caller chose and keeps: sent again with
 * it, a write answers what it answered first. So what was not answered is simply sent again.
 *
 * Throws `Refused` for a "no", `Unsettled` when there was no answer: the same call with the same id settles it.
 */
@Injectable()
export class CreditService {
  constructor(
    private readonly redis: Redis,
    private readonly metrics: Metrics,
  ) {}

  grant(account: string, tx: string, amount: number, reason = ""): Promise<Outcome> {
    return this.send("CREDIT.GRANT", account, tx, amount, ...option("REASON", reason));
  }

  debit(account: string, tx: string, amount: number, reason = ""): Promise<Outcome> {
    return this.send("CREDIT.DEBIT", account, tx, amount, ...option("REASON", reason));
  }

  reserve(account: string, tx: string, amount: number, ttlMs: number): Promise<Held> {
    return this.send("CREDIT.RESERVE", account, tx, amount, "TTL", ttlMs);
  }

  /** Takes `amount` of a reservation (all of it if absent) and returns the rest. */
  capture(account: string, tx: string, amount?: number): Promise<Captured> {
    return this.send("CREDIT.CAPTURE", account, tx, ...option("AMOUNT", amount));
  }

  release(account: string, tx: string): Promise<Outcome> {
    return this.send("CREDIT.RELEASE", account, tx);
  }

  /** Gives back `amount` (all that is left if absent) of the debit, capture or claim `of`. */
  refund(account: string, tx: string, of: string, amount?: number): Promise<Refunded> {
    return this.send("CREDIT.REFUND", account, tx, of, ...option("AMOUNT", amount));
  }

  balance(account: string): Promise<Balance> {
    return this.send("CREDIT.BALANCE", account);
  }

  openLead(lead: string, slots: number, ttlMs?: number): Promise<Lead> {
    return this.send("LEAD.OPEN", lead, slots, ...option("TTL", ttlMs));
  }

  /** A slot of the lead and the credits that it costs: both, once, or neither. */
  claim(account: string, tx: string, lead: string, cost: number): Promise<Claimed> {
    return this.send("LEAD.CLAIM", account, tx, lead, cost);
  }

  private async send<T>(command: string, ...args: (string | number)[]): Promise<T> {
    const stop = this.metrics.commands.startTimer({ command });
    try {
      for (let turn = 0; ; turn += 1) {
        try {
          return record<T>(await this.redis.call(command, ...args));
        } catch (error) {
          const refused = error instanceof ReplyError ? Refused.of((error as Error).message) : undefined;
          if (refused) throw refused;
          if (turn === WAITS_MS.length) throw new Unsettled(command, error as Error);
          this.metrics.retries.inc({ command });
          await new Promise((resume) => setTimeout(resume, WAITS_MS[turn]));
        }
      }
    } finally {
      stop();
    }
  }
}

function option(name: string, value?: string | number): (string | number)[] {
  return value === undefined || value === "" ? [] : [name, value];
}

/** `[name, value, ...]` as an object. */
export function record<T = Record<string, unknown>>(pairs: unknown): T {
  const list = pairs as unknown[];
  return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : []))) as T;
}
