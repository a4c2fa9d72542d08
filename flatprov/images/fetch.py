"""Small files into memory: feeds, keys, digests, signatures."""

from __future__ import annotations

from flatprov.errors import ImageError
from flatprov.images.failures import image_error
from flatprov.images.http import (
    ATTEMPTS,
    BACKOFF_SECONDS,
    TIMEOUT_SECONDS,
    Cancelled,
    check_response,
    new_client,
    raise_if,
    run_stoppable,
    translate,
    with_retries,
)

MAX_SMALL_BYTES = 32 << 20


def fetch_bytes(
    url: str,
    *,
    max_bytes: int = MAX_SMALL_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
    attempts: int = ATTEMPTS,
    backoff_seconds: float = BACKOFF_SECONDS,
    cancelled: Cancelled | None = None,
) -> bytes:
    """Fetch a small file.

    Args:
        url: http or https.
        max_bytes: refuse more.
        timeout_seconds: without a byte.
        attempts: how many in a row may fail.
        backoff_seconds: the first pause between two attempts.
        cancelled: asked all the time.

    Raises:
        ImageError: it cannot be had; ``code`` says why.
        CancelledError: stopped by the user.
    """

    def attempt() -> bytes:
        return run_stoppable(lambda _stopped: _once(url, max_bytes, timeout_seconds), url, cancelled)

    raise_if(cancelled, url)
    return with_retries(attempt, url, cancelled, attempts, backoff_seconds)


def fetch_or_none(url: str, *, max_bytes: int = MAX_SMALL_BYTES, cancelled: Cancelled | None = None) -> bytes | None:
    """Fetch a small file that may not exist: None for 404, an error for everything else."""
    try:
        return fetch_bytes(url, max_bytes=max_bytes, cancelled=cancelled)
    except ImageError as error:
        if error.code == "image-not-found":
            return None
        raise


def _once(url: str, max_bytes: int, timeout_seconds: float) -> bytes:
    import httpx

    try:
        with new_client(timeout_seconds) as client, client.stream("GET", url) as response:
            check_response(response, url)
            data = bytearray()
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > max_bytes:
                    raise image_error("too-large", url, f"is larger than {max_bytes} bytes", "check the address")
            return bytes(data)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise translate(error, url) from None
