/** The example as its users run it: a process, MCP requests, and notes that go away. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Runs the server while `use` runs; then it is stopped with SIGTERM and has to end well. */
async function run(use: (url: string, notes: string) => Promise<void>, ...options: string[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "notes-"));
  const notes = join(directory, "notes.txt");
  const port = await freePort();
  const file = join(import.meta.dirname, "server.ts");
  const server = spawn(process.execPath, [file, "--port", String(port), "--notes", notes, ...options], { stdio: "inherit" });
  const ended = once(server, "exit");
  try {
    const url = `http://127.0.0.1:${port}`;
    await waitFor(url, "ok", 30_000);
    await use(url, notes);
    server.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    server.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
}

async function health(url: string): Promise<{ code: number; body: any }> {
  const response = await fetch(`${url}/health`);
  return { code: response.status, body: await response.json() };
}

async function waitFor(url: string, status: string, ms: number): Promise<{ code: number; body: any }> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await health(url).catch(() => undefined);
    if (answer?.body.status === status) return answer;
    assert.ok(performance.now() < end, `not ${status} in time`);
    await sleep(50);
  }
}

async function call(url: string, name: string, args: object): Promise<string[]> {
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json, text/event-stream" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } }),
  });
  assert.equal(response.status, 200);
  const text = await response.text();
  const message = JSON.parse(text.match(/^data: (.*)$/m)?.[1] ?? text);
  return message.result.content.map((part: { text: string }) => part.text);
}

it("the tools work", () =>
  run(async (url) => {
    assert.deepEqual(await call(url, "add_note", { text: "buy milk" }), ["kept"]);
    assert.deepEqual(await call(url, "find_notes", { word: "milk" }), ["buy milk"]);
    assert.deepEqual((await health(url)).body.checks, { notes: "ok", disk: "ok" });
  }));

it("health follows the notes", () =>
  run(async (url, notes) => {
    await rename(notes, `${notes}.aside`);
    const { code, body } = await waitFor(url, "down", 10_000);
    assert.deepEqual([code, body.checks.notes, body.error], [503, "down", "notes: the file of notes is gone"]);
    await rename(`${notes}.aside`, notes);
    assert.equal((await waitFor(url, "ok", 10_000)).code, 200);
  }));
