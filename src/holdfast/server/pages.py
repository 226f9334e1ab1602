"""The built web pages, held in memory and served compressed.

All files are read once at the start: what is not among them cannot be asked for, so there is no path to check.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BUILT: Final = Path(__file__).parent / "pages"

SECURITY_HEADERS: Final = (
    (
        b"content-security-policy",
        (
            b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
            b"connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)

ENCODINGS: Final = {".br": "br", ".gz": "gzip"}


@dataclass(frozen=True, slots=True)
class Page:
    """One file in all its encodings: ``""`` is plain, then ``gzip`` and ``br`` where built."""

    kind: bytes
    etag: bytes
    cache: bytes
    bodies: Mapping[str, bytes]


class Pages:
    """Serves the pages, and hands every other request on.

    Args:
        app: for all that is not a page.
        routes: first path segment → file, e.g. ``{"": "index.html", "play": "play.html"}``; each serves
            ``/segment`` and ``/segment/anything``.
        folder: where the built files are.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, str], folder: Path = BUILT) -> None:
        self._app = app
        self._routes = routes
        self._files = _read(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        page = self._find(scope["path"])
        if page is None:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        base = [
            (b"etag", page.etag),
            (b"cache-control", page.cache),
            (b"vary", b"accept-encoding"),
            *SECURITY_HEADERS,
        ]
        if headers.get(b"if-none-match") == page.etag:
            await send({"type": "http.response.start", "status": 304, "headers": base})
            await send({"type": "http.response.body", "body": b""})
            return
        accepted = headers.get(b"accept-encoding", b"").decode("latin-1")
        encoding = next(
            (name for name in ("br", "gzip") if name in accepted and name in page.bodies), ""
        )
        body = page.bodies[encoding]
        base += [(b"content-type", page.kind), (b"content-length", str(len(body)).encode())]
        if encoding:
            base.append((b"content-encoding", encoding.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": base})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )

    def _find(self, path: str) -> Page | None:
        page = self._files.get(path.removeprefix("/"))
        if page is not None:
            return page
        segment = path.removeprefix("/").split("/", 1)[0]
        name = self._routes.get(segment)
        return None if name is None else self._files.get(name)


def _read(folder: Path) -> dict[str, Page]:
    files: dict[str, Page] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in ENCODINGS:
            continue
        name = path.relative_to(folder).as_posix()
        plain = path.read_bytes()
        bodies = {"": plain}
        for suffix, encoding in ENCODINGS.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind in {"application/javascript", "application/json"}:
            kind += "; charset=utf-8"
        is_hashed = name.startswith("assets/")
        files[name] = Page(
            kind=kind.encode(),
            etag=b'"' + hashlib.sha256(plain).hexdigest()[:32].encode() + b'"',
            cache=b"public, max-age=31536000, immutable" if is_hashed else b"no-cache",
            bodies=bodies,
        )
    return files
