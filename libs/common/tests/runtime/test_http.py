"""Every error is a problem document, every input is bounded, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, Form, Request
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sps.runtime import http_protocol
from sps.runtime.errors import Refusal, Trouble
from sps.runtime.http import FieldError, HttpServer, Problem, create_app, request_id_of
from sps.runtime.internal_auth import internal_headers, internal_only

TOKEN = SecretStr("internal-token-of-the-tests")


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: int = Field(ge=1)
    lines: list[str] = []


REGISTRY = CollectorRegistry()


def application():
    app = create_app("Test", service="test", registry=REGISTRY, body_bytes_max=1_000, stall_s=0.2)
    router = APIRouter()

    @router.post("/orders/{number}")
    async def order(number: int, order: Order) -> dict[str, int]:
        return {"number": number, "amount": order.amount}

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.post("/form")
    async def form(field: Annotated[str, Form()]) -> str:
        return field

    @router.get("/refused")
    async def refused() -> None:
        raise Refusal("QUOTE_EXPIRED", "ask for a new quote")

    @router.get("/trouble")
    async def trouble() -> None:
        raise Trouble("canary: the database said so")

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("canary")

    @router.get("/problem")
    async def problem() -> None:
        raise Problem(409, "TAKEN", "Taken", "by you", [FieldError("/body/id", "TAKEN", "choose another")])

    @router.get("/id")
    async def identity(request: Request) -> str:
        return request_id_of(request)

    @router.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    app.include_router(router)
    internal = APIRouter(prefix="/internal", dependencies=[Depends(internal_only(TOKEN))])
    internal.add_api_route("/ping", lambda: "pong")
    app.include_router(internal)
    return app


@pytest.fixture(scope="module")
def app():
    return application()


@pytest.fixture
async def server(app) -> AsyncIterator[HttpServer]:
    running = HttpServer(app)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=5, trust_env=False) as opened:
        yield opened


def check_problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"], body["instance"]) == (status, code, answer.headers["x-request-id"])
    assert set(body) <= {"type", "title", "status", "code", "instance", "detail", "errors"}
    assert "canary" not in answer.text
    return body


async def test_a_good_request_is_answered(client) -> None:
    answer = await client.post("/orders/7", json={"amount": 5})
    assert (answer.status_code, answer.json()) == (200, {"number": 7, "amount": 5})


@pytest.mark.parametrize(
    ("method", "path", "content", "kind", "status", "code"),
    [
        ("GET", "/nowhere", b"", "", 404, "NOT_FOUND"),
        ("DELETE", "/orders/1", b"", "", 405, "METHOD_NOT_ALLOWED"),
        (
            "POST",
            "/orders/1",
            b"amount=1",
            "application/x-www-form-urlencoded",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("POST", "/orders/1", b'{"amount":1}', "", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/orders/1", b'{"amount":"\xff\xfe"}', "application/json", 400, "BAD_REQUEST"),
        ("POST", "/orders/1", b"{", "application/json", 400, "MALFORMED_JSON"),
        ("POST", "/orders/1", b"[" * 900, "application/json", 400, "MALFORMED_JSON"),
        ("POST", "/orders/1", b"", "application/json", 422, "VALIDATION_FAILED"),
        ("GET", "/refused", b"", "", 409, "QUOTE_EXPIRED"),
        ("GET", "/trouble", b"", "", 503, "UNAVAILABLE"),
        ("GET", "/broken", b"", "", 500, "INTERNAL_ERROR"),
        ("GET", "/internal/ping", b"", "", 401, "UNAUTHORIZED"),
    ],
)
async def test_every_error_is_a_problem(client, method, path, content, kind, status, code) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await client.request(method, path, content=content, headers=headers)
    check_problem(answer, status, code)


async def test_a_validation_problem_points_at_the_fields(client) -> None:
    answer = await client.post("/orders/x", json={"amount": 0, "a/b~": 1, "lines": ["ok", 5]})
    body = check_problem(answer, 422, "VALIDATION_FAILED")
    pointers = {error["pointer"]: error["code"] for error in body["errors"]}
    assert pointers["/path/number"] == "INT_PARSING"
    assert pointers["/body/amount"] == "GREATER_THAN_EQUAL"
    assert pointers["/body/lines/1"] == "STRING_TYPE"
    assert pointers["/body/a~1b~0"] == "EXTRA_FORBIDDEN"


async def test_a_problem_says_what_the_route_said(client) -> None:
    body = check_problem(await client.get("/problem"), 409, "TAKEN")
    assert body["detail"] == "by you"
    assert body["errors"] == [{"pointer": "/body/id", "code": "TAKEN", "message": "choose another"}]


async def test_forms_and_raw_bodies_are_not_json_and_welcome(client) -> None:
    assert (await client.post("/form", data={"field": "x"})).json() == "x"
    assert (await client.post("/raw", content=b"x" * 1_000)).json() == {"bytes": 1_000}


async def test_the_request_id_is_taken_over_when_it_is_harmless(client) -> None:
    good = await client.get("/id", headers={"x-request-id": "req-0123456789"})
    assert good.json() == good.headers["x-request-id"] == "req-0123456789"
    bad = await client.get("/id", headers={"x-request-id": "x y{}<script>"})
    assert bad.json().startswith("req_")
    assert bad.headers["x-request-id"] == bad.json()


async def test_a_body_that_says_it_is_too_large_is_refused_and_the_answer_arrives(client) -> None:
    check_problem(await client.post("/raw", content=b"x" * 10_000_000), 413, "BODY_TOO_LARGE")
    check_problem(await client.post("/raw", content=b"x" * 1_001), 413, "BODY_TOO_LARGE")


async def test_a_body_that_turns_out_too_large_is_refused_while_it_streams(client) -> None:
    async def endless():
        for _ in range(100):
            yield b"x" * 100_000

    check_problem(await client.post("/raw", content=endless()), 413, "BODY_TOO_LARGE")
    check_problem(
        await client.post("/orders/1", content=endless(), headers={"content-type": "application/json"}),
        413,
        "BODY_TOO_LARGE",
    )


async def talk(server: HttpServer, *parts: bytes, pause_s: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read(-1), 5)
    finally:
        writer.close()


async def test_a_body_that_stalls_is_given_up(server) -> None:
    head = b"POST /raw HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    answer = await talk(server, head + b"only a part")
    status, _, body = answer.partition(b"\r\n")
    assert b"408" in status
    assert json.loads(body.partition(b"\r\n\r\n")[2])["code"] == "REQUEST_TIMEOUT"


async def test_a_head_that_does_not_end_ends_its_connection(server, monkeypatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.05)
    assert await talk(server, b"GET /id HTTP/1.1\r\nhost:") == b""
    assert await talk(server) == b"", "not even a first byte"
    answer = await talk(server, b"GET /id HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /id HT", pause_s=0.02)
    assert answer.startswith(b"HTTP/1.1 200"), "the second request on the connection is bounded as well"


async def test_a_slow_but_steady_body_is_welcome(server) -> None:
    head = b"POST /raw HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\n"
    answer = await talk(server, head, b"a", b"b", b"c", b"d", pause_s=0.02)
    assert answer.endswith(b'{"bytes":4}')


async def test_too_many_or_too_long_headers_are_refused(client, server) -> None:
    check_problem(
        await client.get("/id", headers={f"x-{n}": "1" for n in range(80)}), 431, "HEADERS_TOO_LARGE"
    )
    check_problem(await client.get("/id", headers={"x-long": "x" * 9_000}), 431, "HEADERS_TOO_LARGE")
    answer = await talk(server, b"GET /id HTTP/1.1\r\nx-long: " + b"x" * 40_000)
    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_content_length_that_is_no_number_never_reaches_a_route(server) -> None:
    answer = await talk(server, b"POST /raw HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nabcde")
    assert answer.startswith(b"HTTP/1.1 400")


async def test_the_internal_token_opens_the_internal_routes(client) -> None:
    assert (await client.get("/internal/ping", headers=internal_headers(TOKEN))).json() == "pong"
    for wrong in ("Bearer no", "Basic " + TOKEN.get_secret_value(), TOKEN.get_secret_value()):
        check_problem(
            await client.get("/internal/ping", headers={"authorization": wrong}), 401, "UNAUTHORIZED"
        )


async def test_metrics_know_routes_and_never_paths(client) -> None:
    for number in range(20):
        await client.post(f"/orders/{number}", json={"amount": 1})
        await client.get(f"/nowhere/{number}")
    text = generate_latest(REGISTRY).decode()
    assert 'route="/orders/{number}"' in text
    assert 'route="unmatched"' in text
    assert "/nowhere" not in text
    assert "/orders/7" not in text


async def test_every_route_lists_its_problems_in_openapi(client, app) -> None:
    document = app.openapi()
    answers = document["paths"]["/orders/{number}"]["post"]["responses"]
    assert {"400", "413", "415", "422", "500"} <= set(answers)
    assert set(answers["422"]["content"]) == {"application/problem+json"}


async def test_stopping_is_bounded_though_a_request_hangs(app) -> None:
    server = HttpServer(app)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.02)
    await asyncio.wait_for(server.stop(), 3.5)
    writer.close()


async def test_a_port_that_is_taken_is_trouble_and_not_the_end_of_the_process(server, app) -> None:
    with pytest.raises(Trouble, match="cannot listen"):
        await HttpServer(app, port=server.port).start()
