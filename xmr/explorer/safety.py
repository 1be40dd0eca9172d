"""Who may ask: this machine's own pages and scripts with the token, in requests of limited size."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from xmr.explorer.pictures import UPLOAD_BYTES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY_BYTES = 2 * 2**20
"""What the body of a request that is no upload may have."""
UPLOADS = "/api/uploads"
OPEN_PATHS = ("/api/health", "/favicon.ico")
OPEN_FOLDER = "/assets/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CLOSE = {"Connection": "close"}
"""What stops a sender that goes on sending."""
SIGN_IN = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>xmr explorer</title>"
    "<h1>Open the address that the terminal printed</h1>"
    "<p>The explorer shows your pictures and texts to you alone: its address ends in a token, which "
    "<code>scripts/explore.py</code> prints when it starts. Another start has another token.</p></html>"
)


@dataclass(frozen=True)
class Access:
    """The port that is served, and the secret that opens it."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def hosts(self) -> frozenset[str]:
        """What the Host header may say: a page of another name that resolves to this machine is refused."""
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost"))

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers don't tell ports apart."""
        return f"xmr_explorer_{self.port}"

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://127.0.0.1:{self.port}/?{urlencode({'token': self.token})}"

    def is_token(self, value: str | None) -> bool:
        """Whether `value` is the token, in a time that tells nothing of it."""
        return value is not None and secrets.compare_digest(value.encode(), self.token.encode())


class Guard:
    """ASGI middleware: lets through what has the right Host, Origin and token, and caps its size.

    Of a page, the token in the address becomes a cookie (HttpOnly, SameSite=Strict); scripts send it as
    `Authorization: Bearer`. With the cookie, a request that changes anything must come from this origin.
    Every answer gets the security headers.
    """

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a refusal, or pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a websocket is closed unanswered
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        limit = UPLOAD_BYTES if scope["path"] == UPLOADS else BODY_BYTES
        if refusal is None and _declared(headers) > limit:
            refusal = refused(413, "too_large", _too_large(limit), CLOSE)
        app = refusal or self._app
        await app(scope, _capped(receive, limit), _with_headers(send))

    def _refusal(self, scope: MutableMapping[str, Any], headers: Headers) -> Response | None:
        access, path, method = self._access, scope["path"], scope["method"]
        if headers.get("host") not in access.hosts:
            return refused(403, "forbidden", "this Host is not served; open http://127.0.0.1 with the port")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in access.hosts:
            return refused(403, "forbidden", "requests of other origins are refused")
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
        if path == "/" and given is not None:
            return self._sign_in(given)
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and access.is_token(bearer.strip()):
            return None
        if not access.is_token(_cookie(headers, access.cookie)):
            if path.startswith("/api/"):
                return refused(
                    401, "unauthorized", "open the address that the terminal printed, with its token"
                )
            return HTMLResponse(SIGN_IN, 401)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refused(403, "forbidden", "requests of other pages are refused")
        if method not in SAFE_METHODS and origin is None:
            return refused(403, "forbidden", "a request that changes something must tell its Origin")
        return None

    def _sign_in(self, given: str) -> Response:
        if not self._access.is_token(given):
            return HTMLResponse(SIGN_IN, 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(self._access.cookie, self._access.token, httponly=True, samesite="strict")
        return response


def refused(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as the API gives it."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status, headers)


def _cookie(headers: Headers, name: str) -> str | None:
    """The cookie of that name; `SimpleCookie` would stop at the first odd one, of whatever server."""
    parts = (cookie.partition("=") for cookie in headers.get("cookie", "").split(";"))
    found = {key.strip(): value.strip() for key, _, value in parts}
    return found.get(name)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdigit() else 0


def _too_large(limit: int) -> str:
    return f"the request has more than {limit // 2**20} MB; send less"


def _capped(receive: Receive, limit: int) -> Receive:
    """`receive` that counts what comes, and stops at the first byte too many."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > limit:
            raise HTTPException(413, _too_large(limit), CLOSE)
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if "cache-control" not in headers:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return sent
