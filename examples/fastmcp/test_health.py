"""What `health.py` promises, over real sockets."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

from health import HEALTH_JSON, Degraded, add_health


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def body(self) -> dict[str, Any]:
        body = json.loads(self.text)
        assert isinstance(body, dict)
        return body


@dataclass
class Served:
    port: int
    metadata: dict[str, Any]

    def ask(self, method: str = "GET", path: str = "/health", **headers: str) -> Answer:
        """One request on a connection of its own. Redirects are not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())


@contextlib.contextmanager
def serve(checks: dict[str, Any] | None = None, auth: Any = None, **settings: float) -> Iterator[Served]:
    mcp = FastMCP("tested", auth=auth)
    metadata = add_health(mcp, version="1.2.3", checks=checks or {}, **settings)
    server = uvicorn.Server(uvicorn.Config(mcp.http_app(), log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),))
        thread.start()
        try:
            yield Served(listener.getsockname()[1], metadata)
        finally:
            server.should_exit = True
            thread.join()


def fine() -> None:
    pass


def refused() -> None:
    raise ConnectionError("connection refused")


def impaired() -> None:
    raise Degraded("two replicas of three")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve({"database": fine}) as server:
        yield server


def test_a_good_answer(served: Served) -> None:
    before = datetime.now(timezone.utc)
    answer = served.ask()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.body
    assert body["status"] == "ok"
    assert "error" not in body
    assert body["checks"] == {"database": "ok"}
    assert body["version"] == "1.2.3"
    assert type(body["uptime_seconds"]) is int
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", body["timestamp"])
    assert before <= datetime.fromisoformat(body["timestamp"]) <= before + timedelta(seconds=5)


def test_time_goes_on_although_results_are_kept(served: Served) -> None:
    first = served.ask().body
    time.sleep(1.1)
    second = served.ask().body
    assert second["uptime_seconds"] > first["uptime_seconds"] >= 0
    assert datetime.fromisoformat(second["timestamp"]) > datetime.fromisoformat(first["timestamp"])


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/health+json", HEALTH_JSON),
        ("text/html, Application/Health+JSON ; q=0.5", HEALTH_JSON),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/health+jsonp", "application/json"),
    ],
)
def test_the_type_follows_accept(served: Served, accept: str, content_type: str) -> None:
    answer = served.ask(Accept=accept)
    assert answer.headers["Content-Type"] == content_type
    assert answer.body["status"] == "ok"


@pytest.mark.parametrize("path", ["/health", "/"])
def test_head_is_get_without_a_body(served: Served, path: str) -> None:
    get, head = (served.ask(method, path, Accept=HEALTH_JSON) for method in ("GET", "HEAD"))
    assert head.status == get.status == 200
    assert head.headers["Content-Type"] == get.headers["Content-Type"] == HEALTH_JSON
    assert (head.text, get.body["status"]) == ("", "ok")


def test_the_root_is_health_only_by_name(served: Served) -> None:
    assert served.ask(path="/", Accept="*/*").status == 404


def test_other_methods_are_refused(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = served.ask(method)
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_queries_and_the_host_do_not_matter(served: Served) -> None:
    assert served.ask(path="/health?verbose=1&x=%00", Host="elsewhere.example:1").body["status"] == "ok"


def test_health_stays_open_beside_a_protected_endpoint() -> None:
    with serve(auth=StaticTokenVerifier({"secret": {"client_id": "a", "scopes": []}})) as server:
        assert server.ask("POST", "/mcp").status == 401
        assert server.ask().status == 200


def test_no_checks_are_fine() -> None:
    with serve() as server:
        assert server.ask().body["checks"] == {}


def test_a_check_that_raises_is_down_and_says_why() -> None:
    with serve({"database": refused, "disk": fine}) as server:
        for answer in (server.ask(), server.ask(path="/", Accept=HEALTH_JSON)):
            assert answer.status == 503
            assert answer.body["status"] == "down"
            assert answer.body["checks"] == {"database": "down", "disk": "ok"}
            assert answer.body["error"] == "database: connection refused"
        assert server.ask("HEAD").status == 503


def test_a_degraded_check_is_still_200() -> None:
    with serve({"database": impaired}) as server:
        answer = server.ask()
    assert (answer.status, answer.body["status"]) == (200, "degraded")
    assert answer.body["error"] == "database: two replicas of three"


def test_the_worst_check_counts_and_every_reason_is_given() -> None:
    async def missing() -> None:
        raise KeyError

    with serve({"cache": impaired, "database": refused, "queue": missing, "disk": lambda: False}) as server:
        body = server.ask().body
    assert body["status"] == "down"
    assert body["checks"] == {"cache": "degraded", "database": "down", "queue": "down", "disk": "down"}
    assert body["error"] == "cache: two replicas of three; database: connection refused; queue: KeyError; disk: failed"


def test_reasons_are_short() -> None:
    def verbose() -> None:
        raise RuntimeError("x" * 100_000)

    with serve({"database": verbose}) as server:
        assert len(server.ask().text) < 1000


def test_every_kind_of_function_is_a_check() -> None:
    async def fine_async() -> None:
        await asyncio.sleep(0)

    async def refused_async() -> None:
        raise ConnectionError("refused")

    with serve({"a": fine_async, "b": refused_async, "c": lambda: fine_async(), "d": lambda: refused_async()}) as server:
        assert server.ask().body["checks"] == {"a": "ok", "b": "down", "c": "ok", "d": "down"}


def test_a_cancelled_check_is_down() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with serve({"database": cancelled}) as server:
        assert server.ask().body["error"] == "database: CancelledError"


def test_a_check_that_hangs_is_down_in_time_and_the_loop_goes_on() -> None:
    release = threading.Event()

    async def hang() -> None:
        await asyncio.sleep(3600)

    with serve({"blocking": lambda: release.wait(60), "waiting": hang}, timeout=1.5) as server:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(server.ask) for _ in range(8)]
            # Not a health answer: it shows that the event loop is free meanwhile.
            assert server.ask(path="/").status == 404
            assert not any(one.done() for one in asked)
            answers = [one.result() for one in asked]
        assert time.monotonic() - began < 5
        release.set()
    for answer in answers:
        assert answer.status == 503
        assert answer.body["checks"] == {"blocking": "down", "waiting": "down"}
        assert answer.body["error"].startswith("blocking: no result within 1.5 s; waiting: ")


def test_a_hanging_check_is_not_started_again_and_may_come_back() -> None:
    started = 0
    release = threading.Event()

    def blocking() -> None:
        nonlocal started
        started += 1
        release.wait(60)

    with serve({"database": blocking}, timeout=0.1, cache=0) as server:
        assert [server.ask().status for _ in range(3)] == [503, 503, 503]
        assert started == 1
        release.set()
        assert server.ask().status == 200


def test_many_slow_checks_do_not_wait_for_each_other_nor_for_one_that_hangs() -> None:
    release = threading.Event()
    names = [f"slow_{letter}{other}" for letter in "abcdef" for other in "vwxyz"]
    checks = {"hanging": lambda: release.wait(60)} | {name: lambda: time.sleep(0.5) for name in names}
    with serve(checks, timeout=1.5, cache=0) as server:
        for _ in range(3):
            statuses = server.ask().body["checks"]
            assert statuses.pop("hanging") == "down"
            assert statuses == dict.fromkeys(names, "ok")
        release.set()


def test_a_hanging_check_does_not_hold_up_the_end_of_the_process() -> None:
    program = """if True:
        import asyncio, threading
        from health import in_thread
        async def main():
            await asyncio.wait([asyncio.create_task(in_thread(threading.Event().wait))], timeout=0.1)
        asyncio.run(main())"""
    subprocess.run([sys.executable, "-B", "-c", program], cwd=Path(__file__).parent, timeout=30, check=True)


def after_a_moment(check: Any) -> Any:
    """The check with an await before it, so that it does not fail in the first step."""

    async def later() -> None:
        await asyncio.sleep(0.01)
        check()

    return later


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raising(error: BaseException) -> Any:
    def check() -> None:
        raise error

    return check


def group() -> None:
    raise BaseExceptionGroup("two of three", [SystemExit(), ValueError()])


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (sys.exit, "SystemExit"),
        (lambda: sys.exit("no database"), "no database"),
        (group, "two of three (2 sub-exceptions)"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(Speechless()), "Speechless"),
        (raising(FileNotFoundError(2, "No such file", os.fsdecode(b"caf\xe9"))), "[Errno 2] No such file: 'caf\\udce9'"),
        (raising(RuntimeError(os.fsdecode(b"caf\xe9 is gone"))), "caf? is gone"),
        (raising(RuntimeError("\N{GRINNING FACE}" * 300)), "\N{GRINNING FACE}" * 200),
    ],
)
def test_whatever_a_check_raises_the_server_answers_and_goes_on(check: Any, said: str) -> None:
    with serve({"sync": check, "late": after_a_moment(check), "disk": fine}, cache=0) as server:
        for _ in range(2):
            answer = server.ask()
            assert answer.status == 503
            assert answer.body["checks"] == {"sync": "down", "late": "down", "disk": "ok"}
            assert answer.body["error"] == f"sync: {said}; late: {said}"


def test_an_iterator_that_ends_is_a_reason_too() -> None:
    with serve({"sync": lambda: next(iter(())), "late": after_a_moment(lambda: next(iter(())))}) as server:
        assert server.ask().body["error"] == "sync: StopIteration; late: coroutine raised StopIteration"


def cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), {1}, object(), os.fsdecode(b"caf\xe9"), {b"key": 1}, cycle()])
def test_metadata_that_cannot_be_json_is_left_out(odd: Any) -> None:
    with serve({"database": fine}) as server:
        server.metadata.update(odd=odd, region="north")
        answer = server.ask()
        assert (answer.status, answer.body["status"], answer.body["checks"]) == (200, "ok", {"database": "ok"})
        assert answer.body["metadata"] == {"draining": False, "note": "the rest is left out: it cannot be JSON"}
        server.metadata["draining"] = True
        answer = server.ask()
        assert (answer.status, answer.body["metadata"]["draining"]) == (503, True)
        del server.metadata["odd"]
        assert server.ask().body["metadata"] == {"region": "north", "draining": True}


@pytest.mark.parametrize("name", ["", "Database", "disk-2", "disk space", "disk\n", "caf\xe9"])
def test_other_names_are_refused_at_start(name: str) -> None:
    with pytest.raises(ValueError, match="the name of a check is of a-z and _, not ") as refusal:
        add_health(FastMCP("tested"), version="1.2.3", checks={"database": fine, name: fine})
    assert repr(name) in str(refusal.value)


def test_many_monitors_share_one_run() -> None:
    runs = 0

    def counted() -> None:
        nonlocal runs
        runs += 1
        time.sleep(0.1)

    with serve({"database": counted}, cache=1.0) as server:
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: server.ask(), range(10)))
        assert {answer.body["status"] for answer in answers} == {"ok"}
        assert runs == 1
        time.sleep(1.1)
        server.ask()
        assert runs == 2


def test_draining_is_said_and_is_503() -> None:
    with serve({"database": fine}) as server:
        assert server.ask().status == 200
        server.metadata["draining"] = True
        answer = server.ask()
    assert answer.status == 503
    assert answer.body["metadata"] == {"draining": True}
    assert answer.body["status"] == "ok"
