import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { Config } from "./config.js";
import { ApiModule, WorkerModule } from "./modules.js";

const modules: Record<string, unknown> = { api: ApiModule, worker: WorkerModule };
const module = modules[process.argv[2] ?? ""];
if (!module) throw new Error("node dist/src/main.js api|worker");

const app = await NestFactory.create(module, { logger: ["error", "warn"] });
app.enableShutdownHooks();
await app.listen(app.get(Config).port);
console.log(`${process.argv[2]} is listening on ${await app.getUrl()}`);
