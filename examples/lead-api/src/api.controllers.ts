import {
  BadRequestException,
  Controller,
  Get,
  Headers,
  HttpCode,
  Param,
  Post,
  UseFilters,
  UseGuards,
} from "@nestjs/common";
import { Account, AuthGuard } from "./auth.guard.js";
import { Config } from "./config.js";
import { CreditFilter, Refused } from "./credit.errors.js";
import { type Balance, CreditService } from "./credit.service.js";
import { Metrics } from "./metrics.js";

/** `charged` is what this request or an earlier one with its key took; 0 if the lead was the tradie's already. */
interface Bought {
  lead: string;
  slot: number;
  charged: number;
  balance?: number;
  replayed: boolean;
}

@Controller("api/leads")
@UseGuards(AuthGuard)
@UseFilters(CreditFilter)
export class LeadsController {
  constructor(
    private readonly credits: CreditService,
    private readonly config: Config,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Buys a slot of a lead. The caller makes up an Idempotency-Key, keeps it, and asks with it until there is an answer;
   * a new attempt after a 402 is a new key. The prefix keeps callers away from the ids of grants and refunds.
   */
  @Post(":leadId/claim")
  @HttpCode(200)
  async claim(
    @Account() account: string,
    @Param("leadId") lead: string,
    @Headers("idempotency-key") key = "",
  ): Promise<Bought> {
    if (!/^[!-~]{1,58}$/.test(key)) throw new BadRequestException("Idempotency-Key: 1 to 58 letters, digits or signs");
    if (!/^[\w:-]{1,64}$/.test(lead)) throw new BadRequestException("no such lead");
    try {
      const { claim, balance, replayed } = await this.credits.claim(
        account,
        `claim:${key}`,
        lead,
        this.config.leadCost,
      );
      this.metrics.claims.inc({ outcome: replayed ? "replayed" : "claimed" });
      return { lead, slot: claim, charged: this.config.leadCost, balance, replayed: replayed === 1 };
    } catch (error) {
      this.metrics.claims.inc({ outcome: error instanceof Refused ? error.code : "unsettled" });
      // Another tab, or a retry after its id was forgotten: the lead is the tradie's, nothing was taken this time.
      if (error instanceof Refused && error.code === "ALREADYCLAIMED") {
        return { lead, slot: Number(error.facts.claim), charged: 0, replayed: true };
      }
      throw error;
    }
  }
}

@Controller("api/credits")
@UseGuards(AuthGuard)
@UseFilters(CreditFilter)
export class CreditsController {
  constructor(private readonly credits: CreditService) {}

  @Get("balance")
  balance(@Account() account: string): Promise<Balance> {
    return this.credits.balance(account);
  }
}
