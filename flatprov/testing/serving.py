"""How the release server of the tests answers: byte for byte, and wrong in the way that was asked for."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Protocol

_BLOCK_BYTES = 65536
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_STALL_SECONDS = 20.0


@dataclass
class Served:
    """One file of a `ReleaseServer`, and what is wrong with it. Lists are used up: one entry per GET.

    Attributes:
        data: the content, or a file on this machine that holds it.
        etag: None for one made from the content; ``""`` for none.
        last_modified: the header of that name; ``""`` for none.
        statuses: answers instead of the content; 200 is the content.
        retry_after: the ``Retry-After`` header of answers of 408, 429 and 5xx.
        cuts: close the connection after so many bytes of the body.
        then: the content after the first GET: the file changes.
        then_at: from this byte on the first answer already sends the bytes of ``then``: the file changes midway.
        ignore_range: answer 200 and the whole file to a request for a part.
        limit_range_bytes: answer a request for a part with at most so many bytes.
        max_connections: answer 503 while so many others are being answered.
        lie_about_length: bytes more (or fewer, below zero) in ``Content-Length`` than are sent.
        stall_after: send so many bytes, then nothing, and keep the connection.
        pause_per_block_seconds: a slow server: this pause after each 64 KiB.
        headers: further headers.
    """

    data: bytes | Path
    etag: str | None = None
    last_modified: str = ""
    statuses: MutableSequence[int] = field(default_factory=list)
    retry_after: str = ""
    cuts: MutableSequence[int] = field(default_factory=list)
    then: bytes | Path | None = None
    then_at: int | None = None
    ignore_range: bool = False
    limit_range_bytes: int | None = None
    max_connections: int | None = None
    lie_about_length: int = 0
    stall_after: int | None = None
    pause_per_block_seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    answering: int = field(default=0, init=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size

    @property
    def current_etag(self) -> str:
        """The ETag that is sent."""
        if self.etag is not None:
            return self.etag
        if isinstance(self.data, Path):
            stat = self.data.stat()
            return f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
        return f'"{hashlib.sha256(self.data).hexdigest()[:12]}"'

    def read(self, start: int, end: int) -> bytes:
        """A part of the content."""
        return _part(self.data, start, end)


class Answers(Protocol):
    """What the handler wants of the server."""

    paths: dict[str, Served]
    redirects: dict[str, str]
    requests: list[tuple[str, str, str]]
    listing: bool
    closing: threading.Event
    lock: threading.Lock


def handler_of(state: Answers) -> type[BaseHTTPRequestHandler]:
    """The request handler of one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def do_HEAD(self) -> None:
            state.requests.append(("HEAD", self.path, ""))
            if self.path in state.redirects:
                return self._plain(302, {"Location": state.redirects[self.path]})
            served = state.paths.get(self.path)
            if served is None:
                return self._plain(404, {})
            self.send_response(200)
            self._describe(served)
            self.send_header("Content-Length", str(served.size + served.lie_about_length))
            return self.end_headers()

        def do_GET(self) -> None:
            state.requests.append(("GET", self.path, self.headers.get("Range", "")))
            if self.path in state.redirects:
                return self._plain(302, {"Location": state.redirects[self.path]})
            served = state.paths.get(self.path)
            if served is None:
                names = _names_below(state.paths, self.path) if state.listing else []
                return self._plain(200, {"Content-Type": "text/html"}, _page(names)) if names else self._plain(404, {})
            with state.lock:
                full = served.max_connections is not None and served.answering >= served.max_connections
                status = 503 if full else served.statuses.pop(0) if served.statuses else 200
                served.answering += 1
            try:
                if status != 200:
                    wait = {"Retry-After": served.retry_after} if served.retry_after else {}
                    return self._plain(status, wait)
                return self._content(served)
            finally:
                with state.lock:
                    served.answering -= 1

        def _content(self, served: Served) -> None:
            data, size = served.data, served.size
            span = self._span(served, size)
            start, end = (0, size) if span is None else span
            if span is not None and start >= size:
                return self._plain(416, {"Content-Range": f"bytes */{size}"})
            self.send_response(200 if span is None else 206)
            self._describe(served)
            if span is not None:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("Content-Length", str(end - start + served.lie_about_length))
            self.send_header("Connection", "close")
            self.end_headers()
            self._send(served, data, start, end)
            if served.then is not None:
                served.data, served.then, served.then_at = served.then, None, None
            if served.stall_after is not None:
                state.closing.wait(_STALL_SECONDS)
            return None

        def _describe(self, served: Served) -> None:
            if served.current_etag:
                self.send_header("ETag", served.current_etag)
            if served.last_modified:
                self.send_header("Last-Modified", served.last_modified)
            if not served.ignore_range:
                self.send_header("Accept-Ranges", "bytes")
            for name, value in served.headers.items():
                self.send_header(name, value)

        def _span(self, served: Served, size: int) -> tuple[int, int] | None:
            """The part that was asked for; None for the whole file."""
            match = _RANGE.fullmatch(self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            if match is None or served.ignore_range or match[0] == "bytes=-":
                return None
            if condition is not None and condition not in (served.current_etag, served.last_modified):
                return None
            if not match[1]:
                start, end = max(0, size - int(match[2])), size
            else:
                start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
            if served.limit_range_bytes is not None:
                end = min(end, start + served.limit_range_bytes)
            return start, end

        def _send(self, served: Served, data: bytes | Path, start: int, end: int) -> None:
            with state.lock:
                limit = served.cuts.pop(0) if served.cuts else end - start
            if served.stall_after is not None:
                limit = min(limit, served.stall_after)
            end = min(end, start + limit)
            for at in range(start, end, _BLOCK_BYTES):
                block = _part(data, at, min(at + _BLOCK_BYTES, end))
                change = served.then_at
                if change is not None and served.then is not None and at + len(block) > change:
                    keep = max(0, change - at)
                    block = block[:keep] + _part(served.then, at + keep, at + len(block))
                try:
                    self.wfile.write(block)
                except OSError:
                    return
                if served.pause_per_block_seconds:
                    time.sleep(served.pause_per_block_seconds)

        def _plain(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def _part(data: bytes | Path, start: int, end: int) -> bytes:
    if isinstance(data, bytes):
        return data[start:end]
    with data.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _names_below(paths: Mapping[str, Served], folder: str) -> list[str]:
    """The files of a folder, as a web server lists them."""
    if not folder.endswith("/"):
        return []
    return sorted({path[len(folder) :].partition("/")[0] for path in paths if path.startswith(folder)})


def _page(names: list[str]) -> bytes:
    return "\n".join(f'<a href="{name}">{name}</a><br>' for name in names).encode()
