/** A small MCP server with `/health`: notes in a file, one a line. */

import { access, appendFile, constants, readFile, statfs } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { hostHeaderValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { createHealth, Degraded } from "./health.ts";

const VERSION = "0.1.0";
const ENOUGH_BYTES = 50_000_000;

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: process.env.PORT ?? "8082" },
    notes: { type: "string", default: "notes.txt" },
    "drain-seconds": { type: "string", default: "0" },
  },
});
const notes = resolve(values.notes);
await appendFile(notes, ""); // made if it is not there

function tools(): McpServer {
  const server = new McpServer({ name: "notes", version: VERSION });
  const adding = { description: "Keeps a note.", inputSchema: z.object({ text: z.string() }) };
  server.registerTool("add_note", adding, async ({ text }) => {
    // Without `O_CREAT`: a file that is gone is an error, not silently a new one.
    await appendFile(notes, `${text.replaceAll("\n", " ")}\n`, { flag: constants.O_WRONLY | constants.O_APPEND });
    return { content: [{ type: "text", text: "kept" }] };
  });
  const finding = { description: "The notes with this word in them.", inputSchema: z.object({ word: z.string() }) };
  server.registerTool("find_notes", finding, async ({ word }) => {
    const found = (await readFile(notes, "utf8")).split("\n").filter((note) => note.includes(word));
    return { content: found.map((text) => ({ type: "text" as const, text })) };
  });
  return server;
}

const health = createHealth({
  version: VERSION,
  checks: {
    notes: async () => {
      await access(notes).catch(() => {
        throw new Error("the file of notes is gone");
      });
    },
    disk: async () => {
      const { bavail, bsize } = await statfs(dirname(notes));
      if (bavail * bsize < ENOUGH_BYTES) throw new Degraded("less than 50 MB are free");
    },
  },
});

const mcp = toNodeHandler(createMcpHandler(tools));
const validHost = hostHeaderValidation(["localhost", "127.0.0.1", "[::1]", values.host]);
const validOrigin = localhostOriginValidation();

const server = createServer((request, response) => {
  // Health comes first: it is asked by any name that the server has, and without credentials.
  health(request, response, () => {
    if (!validHost(request, response) || !validOrigin(request, response)) return;
    if (request.url?.split("?")[0] === "/mcp") void mcp(request, response);
    else response.writeHead(404).end();
  });
});
server.listen(Number(values.port), values.host, () => console.error(`serving http://${values.host}:${values.port}/mcp and /health`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    health.metadata.draining = true;
    setTimeout(() => {
      server.close();
      setTimeout(() => server.closeAllConnections(), 2000).unref(); // streams would stay open
    }, Number(values["drain-seconds"]) * 1000);
  });
}
