"""One large file: streamed to a ``.part`` file, resumed, hashed on the way.

What is in the ``.part`` file is never trusted: a new run continues from the last synced byte
(`flatprov.images.journal`) and hashes what is there again, once; and only a caller that has checked the digest or
signature moves it to where later runs look (`flatprov.images.store`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flatprov.images.failures import Kind, disk_error, image_error
from flatprov.images.http import (
    ATTEMPTS,
    BACKOFF_SECONDS,
    TIMEOUT_SECONDS,
    Cancelled,
    TransientError,
    check_response,
    new_client,
    raise_if,
    run_stoppable,
    translate,
    with_retries,
)
from flatprov.images.journal import Journal, journal_path
from flatprov.images.verify import check_sha512

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int], None]  #: bytes done, bytes in total (0 while unknown)

MAX_IMAGE_BYTES = 16 << 30
MAX_RESTARTS = 3  #: because the file changed on the server
_CHUNK_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class Downloaded:
    """A complete file, synced to disk and still under its ``.part`` name.

    Attributes:
        path: the ``.part`` file.
        sha512: of its content, hex.
        size_bytes: its size.
    """

    path: Path
    sha512: str
    size_bytes: int


def download(
    url: str,
    part: Path,
    *,
    sha512: str | None = None,
    max_bytes: int = MAX_IMAGE_BYTES,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    attempts: int = ATTEMPTS,
    backoff_seconds: float = BACKOFF_SECONDS,
) -> Downloaded:
    """Download a file, or continue an earlier download of it.

    Args:
        url: http or https.
        part: where the bytes go; ``PART.json`` beside it remembers which version of the file they are of. The caller
            holds a lock on it.
        sha512: the wanted digest; without it the caller must verify the file itself before it is used.
        max_bytes: refuse more.
        progress: called from this thread, several times a second.
        cancelled: asked all the time; what has arrived stays for the next run.
        timeout_seconds: without a byte.
        attempts: how many in a row may fail without a byte of progress.
        backoff_seconds: the first pause between two attempts.

    Raises:
        ImageError: it cannot be had, or its digest is wrong (then nothing of it is kept); ``code`` says why.
        CancelledError: stopped by the user.
    """
    transfer = _Transfer(url, part, max_bytes, timeout_seconds)
    tick = (lambda: progress(transfer.done, transfer.total)) if progress else None

    def attempt() -> None:
        transfer.before = transfer.done
        run_stoppable(transfer.run, url, cancelled, tick)

    raise_if(cancelled, url)
    for last in (False, True):
        with_retries(attempt, url, cancelled, attempts, backoff_seconds, lambda: transfer.done > transfer.before)
        found = transfer.digest.hexdigest()
        if sha512 is None or found == sha512.lower():
            return Downloaded(part, found, transfer.done)
        discard(part)
        if last or not transfer.resumed:  # else a crash may have damaged what was there: once more from the start
            check_sha512(found, sha512, url)
    raise AssertionError("unreachable: check_sha512 raised")


def discard(part: Path) -> None:
    """Remove a ``.part`` file and what is remembered about it."""
    part.unlink(missing_ok=True)
    journal_path(part).unlink(missing_ok=True)


class _Transfer:
    """The state that lasts over the attempts of one download."""

    def __init__(self, url: str, part: Path, max_bytes: int, timeout_seconds: float) -> None:
        self.url = url
        self.part = part
        self.max_bytes = max_bytes
        self.timeout_seconds = timeout_seconds
        self.done = 0
        self.total = 0
        self.before = 0
        self.resumed = False
        self.restarts = 0
        self.digest = hashlib.sha512()
        self.journal: Journal | None = None

    def run(self, stopped: Cancelled) -> None:
        import httpx

        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                self._begin(file, stopped)
                if stopped():
                    return
                try:
                    if not (self.total and self.done == self.total):
                        self._request(file, stopped)
                except (httpx.HTTPError, TransientError):  # what has arrived stays
                    self._sync(file)
                    raise
                self._sync(file)
                file.flush()
                os.fsync(file.fileno())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._counted(translate(error, self.url)) from None
        except OSError as error:
            raise disk_error(self.url, error, str(self.part.parent)) from None

    def _begin(self, file: IO[bytes], stopped: Cancelled) -> None:
        """Continue this run, or what an earlier one synced, or start over where neither is possible."""
        journal = Journal.read(self.part, self.url)
        size = file.seek(0, os.SEEK_END)
        if journal is None or size < max(self.done, journal.synced_bytes):
            self._restart(file)
            return
        self.journal = journal
        self.total = journal.total_bytes
        if not self.done:
            self.digest = hashlib.sha512()
            file.seek(0)
            left = journal.synced_bytes
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))) and not stopped():
                self.digest.update(chunk)
                self.done += len(chunk)
                left -= len(chunk)
            self.resumed = self.done > 0
        if stopped():
            return
        file.seek(self.done)
        if size > self.done:  # written, but never synced
            file.truncate()

    def _request(self, file: IO[bytes], stopped: Cancelled) -> None:
        headers = {}
        if self.done and self.journal is not None:
            headers = {"Range": f"bytes={self.done}-", "If-Range": self.journal.validator}
        with (
            new_client(self.timeout_seconds) as client,
            client.stream("GET", self.url, headers=headers) as response,
        ):
            self._receive(response, file, stopped, headers.get("If-Range", ""))

    def _restart(
        self, file: IO[bytes], reason: str = "cannot be continued on this server, and it cuts connections"
    ) -> None:
        """Forget what has arrived. A server that makes us do so again and again is given up."""
        self.restarts += 1 if self.done else 0
        if self.restarts > MAX_RESTARTS:
            discard(self.part)
            kind: Kind = "changed" if "changes" in reason else "truncated"
            raise image_error(kind, self.url, reason, "use another mirror, or try later")
        if file.seek(0, os.SEEK_END):
            file.seek(0)
            file.truncate()
        self.digest = hashlib.sha512()
        self.done = self.total = self.before = 0
        self.resumed = False
        self.journal = None

    def _receive(self, response: httpx.Response, file: IO[bytes], stopped: Cancelled, validator: str) -> None:
        check_response(response, self.url)
        if response.status_code == 416:
            self._restart(file, "the server announces more bytes than it has")
            discard(self.part)
            raise TransientError(image_error("truncated", self.url, "the server announces more bytes than it has"))
        if response.status_code == 206:
            span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            same = validator in (response.headers.get("ETag", validator), response.headers.get("Last-Modified", ""))
            if not same or span is None or int(span[1]) != self.done or int(span[3]) != (self.total or int(span[3])):
                self._restart(file, "the server sends other parts than asked for")
                discard(self.part)
                raise TransientError(image_error("protocol", self.url, "the server sent another part than asked for"))
            self.total = int(span[3])
        else:
            if validator and validator in (response.headers.get("ETag"), response.headers.get("Last-Modified")):
                self._restart(file)  # the same file, but the server knows no ranges
            else:
                self._restart(file, "changes on the server again and again")
            self.total = int(response.headers.get("Content-Length") or 0)
            etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
            self.journal = Journal.begin(self.part, self.url, etag, modified, self.total)
        self._check_size(self.total)
        for chunk in response.iter_raw(_CHUNK_BYTES):
            if stopped():
                return
            self._check_size(self.done + len(chunk))
            file.write(chunk)
            self.digest.update(chunk)
            self.done += len(chunk)
            if self.journal is not None:
                self.journal.sync_if_due(file, self.done)

    def _sync(self, file: IO[bytes]) -> None:
        if self.journal is not None:
            self.journal.sync(file, self.done)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            discard(self.part)
            self.journal = None
            raise image_error("too-large", self.url, f"is larger than {self.max_bytes} bytes", "raise the limit")

    def _counted(self, error: Exception) -> Exception:
        """Say how far it came."""
        if isinstance(error, TransientError) and self.done:
            error.error.problem += f" after {self.done} of {self.total or 'unknown'} bytes"
        return error
