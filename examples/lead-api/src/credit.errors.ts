import { type ArgumentsHost, Catch, type ExceptionFilter } from "@nestjs/common";

/** Not executed, or still running: to be sent again with the same id. Everything else that creditd says is final. */
const AGAIN = new Set(["LOADING", "TRYAGAIN", "OOM", "MISCONF"]);

/** What each "no" is in HTTP. What is not here is a bug of this service, and a 500. */
const STATUS: Record<string, number> = {
  INSUFFICIENT: 402,
  NOACCOUNT: 402,
  NOLEAD: 404,
  LEADFULL: 409,
  LEADCLOSED: 409,
  LEADEXPIRED: 409,
  RELEASED: 409,
  TXCONFLICT: 422,
  LIMIT: 429,
};

/** creditd said no: `INSUFFICIENT available=3 required=5` is `code` and `facts`. */
export class Refused extends Error {
  private constructor(
    readonly code: string,
    readonly facts: Record<string, string>,
    message: string,
  ) {
    super(message);
  }

  /** `undefined` for an error that is not a "no". */
  static of(message: string): Refused | undefined {
    const [code = "", ...words] = message.split(" ");
    if (AGAIN.has(code)) return undefined;
    return new Refused(code, Object.fromEntries(words.map((word) => word.split("=", 2))), message);
  }
}

/** No answer in time. It may have been done: the same id tells. */
export class Unsettled extends Error {
  constructor(command: string, cause: Error) {
    super(`${command} is not settled: ${cause.message}`, { cause });
  }
}

/** Says to the caller what creditd said to this service. */
@Catch(Refused, Unsettled)
export class CreditFilter implements ExceptionFilter {
  catch(error: Refused | Unsettled, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse();
    if (error instanceof Unsettled) {
      response
        .status(503)
        .set("Retry-After", "1")
        .json({ error: "UNSETTLED", hint: "ask again with the same Idempotency-Key" });
    } else if (error.code in STATUS) {
      response.status(STATUS[error.code]).json({ error: error.code, ...error.facts });
    } else {
      console.error(error);
      response.status(500).json({ error: "INTERNAL" });
    }
  }
}
