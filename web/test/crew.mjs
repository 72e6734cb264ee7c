// A real crew on a temporary folder, watching this host and one small service of the test's own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.NIGHTCREW_BIN ?? fileURLToPath(new URL("../../target/debug/nightcrew", import.meta.url));
const STOP_MAX_MS = 15_000;

/** Why no crew can be started; none when one can. */
export function missing() {
  return existsSync(BINARY) ? null : `${BINARY} is missing; build it or set NIGHTCREW_BIN`;
}

/** A service that answers, unless it is told to fail. */
export class Service {
  fails = false;
  #server = createServer((_request, response) => {
    response.statusCode = this.fails ? 503 : 200;
    response.end("ok");
  });

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/health`;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A crew. */
export class Crew {
  #folder = mkdtempSync(join(tmpdir(), "nightcrew-page-"));
  #child = null;
  url = null;

  /** `more` are further services, as the configuration has them. */
  constructor(services, more = {}) {
    writeFileSync(join(this.#folder, "nightcrew.json5"), JSON.stringify({
      host: { interval_seconds: 1 },
      services: {
        ...Object.fromEntries(Object.entries(services).map(([name, service]) => [name, {
          checks: [{ http: service.url, interval_ms: 300, timeout_ms: 300 }],
        }])),
        ...more,
      },
      healing: { verify: { consecutive_checks: 2, interval_ms: 100 } },
      thresholds: {
        memory_usage: { warning: 85, critical: 95 },
        health_status: { critical: "health_status == 'failing'", for: "2 of 2" },
      },
    }));
  }

  /** Starts it, on the address it had before if it had one. */
  async start() {
    const listen = this.url === null ? "127.0.0.1:0" : new URL(this.url).host;
    const data = join(this.#folder, "data");
    this.#child = spawn(BINARY, ["up", "--config", join(this.#folder, "nightcrew.json5"), "--data", data, "--listen", listen], {
      stdio: ["ignore", "pipe", "pipe"], cwd: this.#folder, env: { PATH: process.env.PATH, TZ: "UTC" },
    });
    const said = [];
    createInterface({ input: this.#child.stderr }).on("line", (line) => said.push(line));
    const lines = createInterface({ input: this.#child.stdout });
    this.url = await new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        const [, url] = /listening on (http:\/\/\S+)/.exec(line) ?? [];
        if (url) resolve(url);
      });
      this.#child.once("exit", (code) => reject(new Error(`the crew ended with ${code}: ${said.join("\n")}`)));
    });
    return this;
  }

  /** Reports alerts as Prometheus does. */
  async report(...alerts) {
    const answer = await fetch(`${this.url}/api/v2/alerts`, { method: "POST", body: JSON.stringify(alerts) });
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
  }

  async stop() {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const alarm = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
    await ended;
    clearTimeout(alarm);
  }

  async remove() {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
