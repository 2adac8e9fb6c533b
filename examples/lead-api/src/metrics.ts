import { Controller, Get, Header, Injectable } from "@nestjs/common";
import { Counter, Histogram, Registry } from "prom-client";

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** What this service counts. creditd has metrics of its own. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly claims = this.counter("claims_total", "Claims asked for, by what became of them", "outcome");
  readonly commands = this.histogram("command_seconds", "Until a command was settled, retries included", "command");
  readonly retries = this.counter("retries_total", "Commands sent again with the same id", "command");
  readonly events = this.counter("events_total", "Events followed", "event");
  readonly delay = this.histogram("event_delay_seconds", "From a claim to its notification");
  readonly gaps = this.counter("event_gaps_total", "Times that history was trimmed before it was read");

  private counter(name: string, help: string, ...labelNames: string[]) {
    return new Counter({ name: `leadapi_${name}`, help, labelNames, registers: [this.registry] });
  }

  private histogram(name: string, help: string, ...labelNames: string[]) {
    return new Histogram({ name: `leadapi_${name}`, help, labelNames, buckets: SECONDS, registers: [this.registry] });
  }
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
