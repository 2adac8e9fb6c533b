import { Module } from "@nestjs/common";
import { Redis } from "ioredis";
import { CreditsController, LeadsController } from "./api.controllers.js";
import { AuthGuard } from "./auth.guard.js";
import { Config } from "./config.js";
import { CreditService } from "./credit.service.js";
import { BLOCK_MS, EventWorker } from "./event.worker.js";
import { Metrics, MetricsController } from "./metrics.js";
import { Notifications } from "./notifications.js";

function connect(options: object) {
  return {
    provide: Redis,
    inject: [Config],
    useFactory: ({ credits }: Config) => {
      const redis = new Redis({ ...credits, ...options, retryStrategy: (times) => Math.min(50 * times, 1000) });
      redis.on("error", (error) => console.error("creditd:", error.message)); // it goes on trying
      return redis;
    },
  };
}

/** Answers requests; as many processes as you like. What has no answer in two seconds CreditService sends again. */
@Module({
  controllers: [LeadsController, CreditsController, MetricsController],
  providers: [
    Config,
    Metrics,
    AuthGuard,
    CreditService,
    connect({ commandTimeout: 2000, autoResendUnfulfilledCommands: false }),
  ],
})
export class ApiModule {}

/** Follows the events; one process. A silent connection is dropped: a read that found nothing would have said so. */
@Module({
  controllers: [MetricsController],
  providers: [Config, Metrics, Notifications, EventWorker, connect({ socketTimeout: 3 * BLOCK_MS })],
})
export class WorkerModule {}
