"""The example as its users run it: a process, an MCP client, and a database that goes away."""

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client


@dataclass
class Running:
    port: int
    database: Path

    def health(self) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/health")
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def wait_for(self, status: str, seconds: float) -> tuple[int, dict[str, Any]]:
        end = time.monotonic() + seconds
        while True:
            try:
                answer = self.health()
                if answer[1]["status"] == status or time.monotonic() > end:
                    return answer
            except OSError:
                assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.1)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    database = tmp_path / "notes.db"
    command = [sys.executable, str(Path(__file__).with_name("server.py")), "--port", str(port), "--database", str(database)]
    with subprocess.Popen(command) as process:
        try:
            server = Running(port, database)
            server.wait_for("ok", 60)
            yield server
        finally:
            process.terminate()


def test_the_tools_work(running: Running) -> None:
    async def use() -> Any:
        async with Client(f"http://127.0.0.1:{running.port}/mcp") as client:
            await client.call_tool("add_note", {"text": "buy milk"})
            return (await client.call_tool("find_notes", {"word": "milk"})).data

    assert asyncio.run(use()) == ["buy milk"]
    assert running.health()[1]["checks"] == {"database": "ok", "disk": "ok"}


def test_health_follows_the_database(running: Running) -> None:
    aside = running.database.with_suffix(".aside")
    running.database.rename(aside)
    code, body = running.wait_for("down", 10)
    assert (code, body["checks"]["database"]) == (503, "down")
    assert body["error"] == "database: unable to open database file"
    aside.rename(running.database)
    assert running.wait_for("ok", 10)[0] == 200
