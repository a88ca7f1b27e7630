"""The least that is a conformant `/health`: a small MCP server, and twenty lines to copy."""

import sys
import time
from datetime import datetime, timezone

from fastmcp import FastMCP
from starlette.requests import Request
from starlette.responses import JSONResponse

mcp = FastMCP("minimal", version="0.1.0")


@mcp.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


HEALTH_JSON = "application/health+json"
STARTED = time.monotonic()


@mcp.custom_route("/health", methods=["GET"])  # HEAD comes with GET
async def health(request: Request) -> JSONResponse:
    status, error = "ok", ""  # "degraded" warns somebody, "down" gets the server restarted; say why in `error`
    body = {
        "status": status,
        "timestamp": datetime.now(timezone.utc).isoformat(),  # without the zone it would not be valid
        "uptime_seconds": int(time.monotonic() - STARTED),
    }
    if error:
        body["error"] = error
    media_type = HEALTH_JSON if HEALTH_JSON in request.headers.get("accept", "") else "application/json"
    return JSONResponse(body, 503 if status == "down" else 200, {"Cache-Control": "no-store"}, media_type)


if __name__ == "__main__":
    mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8082, show_banner=False)
