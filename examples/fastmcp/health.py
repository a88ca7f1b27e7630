"""`/health` for a FastMCP server: copy this file beside your server. HEALTH_ENDPOINT.md explains it."""

import asyncio
import inspect
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime, timezone
from typing import Any

from fastmcp import FastMCP
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

HEALTH_JSON = "application/health+json"
STARTED = time.monotonic()

Check = Callable[[], Any]
"""Sync or async. It returns when all is well, and raises (or returns False) when it is not."""


class Degraded(Exception):
    """Raised by a check: the server still serves, but impaired, and a restart would not help."""


def add_health(
    mcp: FastMCP[Any], *, version: str, checks: Mapping[str, Check] = {}, timeout: float = 0.8, cache: float = 2.0
) -> dict[str, Any]:
    """Adds `/health` to a server, and returns the `metadata` of its answers.

    Names of checks are of `a-z` and `_`. All run at once, each for `timeout` seconds at most, and a result counts for
    `cache` seconds, however many monitors ask. `metadata["draining"] = True` says that the server is about to stop.
    """
    for name in checks:
        if not re.fullmatch("[a-z_]+", name):
            raise ValueError(f"the name of a check is of a-z and _, not {name!r}")
    late = f"no result within {timeout:g} s"
    metadata: dict[str, Any] = {}
    runs: dict[str, tuple[float, asyncio.Task[tuple[str, str]]]] = {}

    async def result(name: str) -> tuple[str, str]:
        began, run = runs.get(name, (0.0, None))
        if run is None or (run.done() and time.monotonic() - began >= cache):  # never twice at once
            run = asyncio.create_task(run_check(checks[name], timeout, late))
            runs[name] = (time.monotonic(), run)
        await asyncio.wait({run}, timeout=timeout)
        return run.result() if run.done() else ("down", late)

    @mcp.custom_route("/health", methods=["GET"])  # HEAD comes with GET
    async def health(request: Request) -> Response:
        results = dict(zip(checks, await asyncio.gather(*map(result, checks))))
        statuses = {name: status for name, (status, _) in results.items()}
        status = max(statuses.values(), key=("ok", "degraded", "down").index, default="ok")
        body = {
            "status": status,
            "timestamp": datetime.now(timezone.utc).isoformat(),  # without the zone it would not be valid
            "uptime_seconds": int(time.monotonic() - STARTED),
            "version": version,
            "checks": statuses,
            "metadata": sendable(metadata),
        }
        if status != "ok":
            body["error"] = "; ".join(f"{name}: {reason}" for name, (_, reason) in results.items() if reason)
        code = 503 if status == "down" or metadata.get("draining") else 200
        media_type = HEALTH_JSON if names_health(request) else "application/json"
        return JSONResponse(body, code, {"Cache-Control": "no-store"}, media_type)

    @mcp.custom_route("/", methods=["GET"])
    async def root(request: Request) -> Response:
        return await health(request) if names_health(request) else PlainTextResponse("Not Found", 404)

    return metadata


async def run_check(check: Check, timeout: float, late: str) -> tuple[str, str]:
    """The status of one check, and why it is not `ok`. Whatever it raises ends here, even `sys.exit()`."""
    try:
        returned = check() if inspect.iscoroutinefunction(check) else await in_thread(check)
        if inspect.isawaitable(returned):
            task = asyncio.current_task()
            assert task
            # Not `wait_for`: before Python 3.12 it makes a task, and `sys.exit()` in a task ends the loop.
            asyncio.get_running_loop().call_later(timeout, task.cancel, late)
            returned = await returned
        if isinstance(returned, BaseException):
            raise returned
        return ("down", "failed") if returned is False else ("ok", "")
    except BaseException as error:
        return ("degraded" if isinstance(error, Degraded) else "down", reason(error))


async def in_thread(check: Check) -> Any:
    """What a sync check returned or raised. One that hangs holds up neither the others nor the end of the server."""
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()

    def work() -> None:
        try:
            done.set_result(check())
        except BaseException as error:
            done.set_result(error)  # not `set_exception`, which does not take all of them

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(done)


def reason(error: BaseException) -> str:
    """What it says: short, and without what UTF-8 cannot carry, as names of files may."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return (text or type(error).__name__)[:200].encode(errors="replace").decode()


def sendable(metadata: dict[str, Any]) -> Any:
    """`metadata`, or a note in its place if it cannot be JSON."""
    try:
        return json.loads(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
    except Exception:
        return {"draining": bool(metadata.get("draining")), "note": "the rest is left out: it cannot be JSON"}


def names_health(request: Request) -> bool:
    """Whether `Accept` names `application/health+json`; `*/*` does not."""
    entries = ",".join(request.headers.getlist("accept")).lower().split(",")
    return any(entry.split(";")[0].strip() == HEALTH_JSON for entry in entries)
