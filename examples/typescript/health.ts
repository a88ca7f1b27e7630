/** `/health` for an MCP server on node:http or Express: copy this file beside your server. README.md explains it. */

import type { IncomingMessage, ServerResponse } from "node:http";

const HEALTH_JSON = "application/health+json";

/** It returns when all is well, and throws (or returns false) when it is not. The signal says when its time is up. */
export type Check = (signal: AbortSignal) => unknown;

/** Thrown by a check: the server still serves, but impaired, and a restart would not help. */
export class Degraded extends Error {}

export interface HealthOptions {
  version: string;
  /** By name, of `a-z` and `_`. */
  checks?: Record<string, Check>;
  /** All checks run at once, each for this long at most. */
  timeoutMs?: number;
  /** A result counts for this long, however many monitors ask. */
  cacheMs?: number;
}

interface Metadata {
  draining?: boolean;
  [key: string]: unknown;
}

interface Result {
  status: "ok" | "degraded" | "down";
  reason?: string;
}

/**
 * Middleware that answers `/health` and passes everything else on.
 * `health.metadata.draining = true` says that the server is about to stop.
 */
export function createHealth({ version, checks = {}, timeoutMs = 800, cacheMs = 2000 }: HealthOptions) {
  for (const name of Object.keys(checks)) {
    if (!/^[a-z_]+$/.test(name)) throw new Error(`the name of a check is of a-z and _, not ${JSON.stringify(name)}`);
  }
  const metadata: Metadata = {};
  const runs = new Map<string, { began: number; ended: boolean; result: Promise<Result> }>();

  function latest(name: string, check: Check): Promise<Result> {
    let run = runs.get(name);
    if (!run || (run.ended && performance.now() - run.began >= cacheMs)) { // never twice at once
      const started = { began: performance.now(), ended: false };
      run = Object.assign(started, { result: runCheck(check, timeoutMs, () => (started.ended = true)) });
      runs.set(name, run);
    }
    return run.result;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const running = Object.entries(checks).map(async ([name, check]) => ({ name, ...(await latest(name, check)) }));
    const results = await Promise.all(running);
    const status = (["down", "degraded"] as const).find((worst) => results.some((result) => result.status === worst)) ?? "ok";
    const body = {
      status,
      timestamp: new Date().toISOString(),
      uptime_seconds: Math.floor(process.uptime()),
      version,
      checks: Object.fromEntries(results.map((result) => [result.name, result.status])),
      error: results.flatMap(({ name, reason }) => (reason ? [`${name}: ${reason}`] : [])).join("; ") || undefined,
      metadata: sendable(metadata),
    };
    const text = JSON.stringify(body, wellFormed);
    response.writeHead(status === "down" || metadata.draining ? 503 : 200, {
      "Content-Type": namesHealth(request) ? HEALTH_JSON : "application/json",
      "Cache-Control": "no-store",
    });
    response.end(text); // Node.js sends no body to HEAD
  }

  function health(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    const path = request.url?.split("?")[0];
    const reads = request.method === "GET" || request.method === "HEAD";
    if (path !== "/health" && !(path === "/" && reads && namesHealth(request))) next();
    else if (reads) answer(request, response).catch(() => Object.assign(response, { statusCode: 503 }).end());
    else response.writeHead(405, { Allow: "GET, HEAD" }).end();
  }

  return Object.assign(health, { metadata });
}

/** The status of one check, and why it is not `ok`. */
function runCheck(check: Check, timeoutMs: number, ended: () => void): Promise<Result> {
  const signal = AbortSignal.timeout(timeoutMs);
  const late = new Promise<Result>((resolve) => {
    signal.addEventListener("abort", () => resolve({ status: "down", reason: `no result within ${timeoutMs / 1000} s` }));
  });
  const result = (async (): Promise<Result> => {
    try {
      return (await check(signal)) === false ? { status: "down", reason: "failed" } : { status: "ok" };
    } catch (error) {
      return failure(error);
    } finally {
      ended();
    }
  })();
  return Promise.race([result, late]);
}

function failure(error: unknown): Result {
  try {
    const text = String(error instanceof Error ? error.message || error.name : error);
    const reason = [...text.slice(0, 400)].slice(0, 200).join(""); // no half characters
    return { status: error instanceof Degraded ? "degraded" : "down", reason };
  } catch {
    return { status: "down", reason: "failed" }; // what was thrown cannot be a string
  }
}

/** `metadata`, or a note in its place if it cannot be JSON: a BigInt, a cycle. */
function sendable(metadata: Metadata): unknown {
  try {
    return JSON.parse(JSON.stringify(metadata));
  } catch {
    return { draining: Boolean(metadata.draining), note: "the rest is left out: it cannot be JSON" };
  }
}

/** Half a character makes an answer that not every monitor can read. */
function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}

/** Whether `Accept` names `application/health+json`; a wildcard does not. */
function namesHealth(request: IncomingMessage): boolean {
  const entries = request.headers.accept?.toLowerCase().split(",") ?? [];
  return entries.some((entry) => entry.split(";")[0]?.trim() === HEALTH_JSON);
}
