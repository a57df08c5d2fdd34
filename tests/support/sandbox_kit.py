"""A running sandbox for tests, a merchant who signs on his own, and a platform that receives messages."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from sandbox.bootstrap import Sandbox, bootstrap
from sandbox.settings import Settings
from sps.runtime.http import HttpServer

APP_ID = "2021000000000001"
KEY = "sk_test_merchant"
WAIT_S = 10.0
PATIENCE_S = 60.0


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name; making one is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_text(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_text(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Heard(msgspec.Struct):
    """One message that the platform got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.body))


class Platform:
    """Hears everything; `refuse` so many messages first."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.refuse = 0
        self._news = asyncio.Event()
        self.word = "success"
        app = FastAPI()

        @app.post("/{path:path}")
        async def hear(path: str, request: Request) -> Response:
            self.heard.append(Heard(path, dict(request.headers), await request.body()))
            self._news.set()
            if self.refuse > 0:
                self.refuse -= 1
                return PlainTextResponse("failure")
            return PlainTextResponse(self.word)

        self._app = app
        self.server = HttpServer(app)

    def listen_on(self, port: int) -> None:
        """Come back at the address of an earlier one."""
        self.server = HttpServer(self._app, port=port)

    async def until(self, count: int, path: str = "") -> list[Heard]:
        """Wait until so many messages have come to a path."""
        async with asyncio.timeout(WAIT_S):
            while len(self.at(path)) < count:
                self._news.clear()
                await self._news.wait()
        return self.at(path)

    def at(self, path: str) -> list[Heard]:
        return [each for each in self.heard if each.path.startswith(path)]


class Merchant:
    """Calls the sandbox as the payment gateway would."""

    def __init__(self, url: str, client: httpx.AsyncClient, platform: str) -> None:
        self.url = url
        self.client = client
        self.platform = platform

    def signed(self, method: str, content: dict[str, Any], **more: str) -> dict[str, str]:
        params = {
            "app_id": APP_ID,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": "2026-11-23 18:00:00",
            "version": "1.0",
            "biz_content": msgspec.json.encode(content).decode(),
            **more,
        }
        text = "&".join(f"{name}={params[name]}" for name in sorted(params) if params[name])
        signature = rsa_key("merchant").sign(text.encode(), PKCS1v15(), SHA256())
        return params | {"sign": base64.b64encode(signature).decode()}

    def pay_link(self, our_id: str, yuan: str = "1280.00", **content: str) -> str:
        whole = {
            "out_trade_no": our_id,
            "product_code": "FAST_INSTANT_TRADE_PAY",
            "total_amount": yuan,
            "subject": "Tea 茶",
        }
        more = {"notify_url": f"{self.platform}/alipay", "return_url": "http://shop.example/back?order=1"}
        params = self.signed("alipay.trade.page.pay", whole | content, **more)
        return f"{self.url}/alipay/gateway.do?{urlencode(params)}"

    async def alipay(self, method: str, content: dict[str, Any], **more: str) -> dict[str, Any]:
        """One call; the answer's signature is checked over the exact text of its member."""
        response = await self.client.post(
            f"{self.url}/alipay/gateway.do?charset=utf-8", data=self.signed(method, content, **more)
        )
        assert response.status_code == 200, response.text
        member = method.replace(".", "_") + "_response"
        text = response.text.removeprefix(f'{{"{member}":').partition(',"sign":"')
        signature = base64.b64decode(text[2].removesuffix('"}'))
        rsa_key("alipay").public_key().verify(signature, text[0].encode(), PKCS1v15(), SHA256())
        return dict(msgspec.json.decode(text[0]))

    async def stripe(self, path: str, form: dict[str, str], key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}"} | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(f"{self.url}/stripe/v1/{path}", data=form, headers=headers)

    async def stripe_get(self, path: str, **query: str) -> dict[str, Any]:
        response = await self.client.get(
            f"{self.url}/stripe/v1/{path}", params=query, headers={"Authorization": f"Bearer {KEY}"}
        )
        return dict(response.json())

    async def control(self, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        response = await self.client.post(f"{self.url}/control/{path}", json=body)
        assert response.status_code == status, response.text
        return dict(response.json())

    async def books(self) -> dict[str, Any]:
        return dict((await self.client.get(f"{self.url}/control/books")).raise_for_status().json())


def settings_of(directory: Path, platform: str, **more: Any) -> Settings:
    return Settings(
        **{
            "port": 0,
            "database_url": f"sqlite+aiosqlite:///{directory}/sandbox.db",
            "alipay_app_id": APP_ID,
            "alipay_private_key": private_text(rsa_key("alipay")),
            "merchant_public_key": public_text(rsa_key("merchant")),
            "alipay_message_url": f"{platform}/alipay",
            "stripe_secret_key": KEY,
            "stripe_webhook_secret": "whsec_test_secret",
            "stripe_webhook_url": f"{platform}/stripe",
            "easypost_webhook_url": f"{platform}/easypost",
            "floats": [
                {"provider": "alipay", "currency": "CNY", "minor": 10_000_000},
                {"provider": "stripe", "currency": "EUR", "minor": 5_000_000},
            ],
            **more,
        }
    )


class Stage(msgspec.Struct):
    """Everything that is running in a test."""

    sandbox: Sandbox
    merchant: Merchant
    platform: Platform
    settings: Settings


@asynccontextmanager
async def running(directory: Path, platform: Platform | None = None, **more: Any) -> AsyncIterator[Stage]:
    """The real sandbox on a free port, with a platform beside it."""
    platform = platform or Platform()
    await platform.server.start()
    settings = settings_of(directory, platform.server.url, **more)
    sandbox = await bootstrap(settings)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        try:
            await sandbox.start()
            yield Stage(sandbox, Merchant(sandbox.url, client, platform.server.url), platform, settings)
        finally:
            await sandbox.stop()
            await platform.server.stop()
