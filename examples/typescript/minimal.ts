/** The least that is a conformant `/health`: a small MCP server, and twenty lines to copy. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

function tools(): McpServer {
  const server = new McpServer({ name: "minimal", version: "0.1.0" });
  const adding = { description: "Adds two numbers.", inputSchema: z.object({ a: z.number(), b: z.number() }) };
  server.registerTool("add", adding, async ({ a, b }) => ({ content: [{ type: "text", text: String(a + b) }] }));
  return server;
}

const HEALTH_JSON = "application/health+json";

function health(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  const status: string = "ok"; // "degraded" warns somebody, "down" gets the server restarted; say why in `error`
  const error: string | undefined = undefined;
  const body = { status, timestamp: new Date().toISOString(), uptime_seconds: Math.floor(process.uptime()), error };
  response.writeHead(status === "down" ? 503 : 200, {
    "Content-Type": request.headers.accept?.includes(HEALTH_JSON) ? HEALTH_JSON : "application/json",
    "Cache-Control": "no-store",
  });
  response.end(JSON.stringify(body)); // Node.js sends no body to HEAD
}

const mcp = toNodeHandler(createMcpHandler(tools));
const server = createServer((request, response) => {
  const path = request.url?.split("?")[0];
  if (path === "/health") health(request, response);
  else if (path === "/mcp") void mcp(request, response);
  else response.writeHead(404).end();
});
server.listen(Number(process.argv[2] ?? "8082"), "127.0.0.1");
