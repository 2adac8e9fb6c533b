import { Controller, Get, Header, Injectable } from "@nestjs/common";
import { Counter, Histogram, Registry } from "prom-client";

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** What this service counts. creditd has metrics of its own. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly registers = [this.registry];
  readonly claims = new Counter({
    name: "leadapi_claims_total", help: "Claims asked for, by what became of them", labelNames: ["outcome"], registers: this.registers,
  });
  readonly commands = new Histogram({
    name: "leadapi_command_seconds", help: "Time until a command was settled, retries included", labelNames: ["command"],
    buckets: SECONDS, registers: this.registers,
  });
  readonly retries = new Counter({
    name: "leadapi_retries_total", help: "Commands sent again with the same id", labelNames: ["command"], registers: this.registers,
  });
  readonly events = new Counter({
    name: "leadapi_events_total", help: "Events followed", labelNames: ["event"], registers: this.registers,
  });
  readonly delay = new Histogram({
    name: "leadapi_event_delay_seconds", help: "From the change to its notification", buckets: SECONDS, registers: this.registers,
  });
  readonly gaps = new Counter({
    name: "leadapi_event_gaps_total", help: "Times that history was trimmed before the worker had read it", registers: this.registers,
  });
}

/** For Prometheus, on the service's own port: keep the path off the internet. */
@Controller("metrics")
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header("Content-Type", "text/plain; version=0.0.4")
  text(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
