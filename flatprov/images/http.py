"""The HTTP side of every transfer: one client, clear errors, retries with jitter, an end when the user stops.

Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY``). Certificates are those of the system, of
``SSL_CERT_FILE`` / ``SSL_CERT_DIR``, and of ``REQUESTS_CA_BUNDLE`` / ``CURL_CA_BUNDLE`` where set.
"""

from __future__ import annotations

import functools
import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from flatprov.errors import CancelledError, ImageError
from flatprov.images.failures import Kind, image_error, shown

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Cancelled = Callable[[], bool]

TIMEOUT_SECONDS = 30.0  #: without a byte
CONNECT_TIMEOUT_SECONDS = 10.0
ATTEMPTS = 5  #: in a row without progress
BACKOFF_SECONDS = 0.5  #: doubles with each attempt, up to ten seconds
MAX_REDIRECTS = 10
MAX_WAIT_SECONDS = 30.0  #: for a server that asks for a pause
_POLL_SECONDS = 0.05
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class TransientError(Exception):
    """Worth another attempt; carries the error to raise when there is none left."""

    def __init__(self, error: ImageError, wait_seconds: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_seconds = wait_seconds


def new_client(timeout_seconds: float = TIMEOUT_SECONDS) -> httpx.Client:
    """A client that honours the environment's proxies and certificates, and follows redirects."""
    import httpx

    from flatprov import __version__

    return httpx.Client(
        verify=trusted_certificates(),
        timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_TIMEOUT_SECONDS)),
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        headers={"User-Agent": f"flatprov/{__version__}", "Accept-Encoding": "identity"},
    )


def trusted_certificates() -> ssl.SSLContext:
    """The system's certificates and those the environment names.

    Raises:
        ImageError: a named file cannot be read.
    """
    return _certificates(tuple(os.environ.get(name, "") for name in _CERTIFICATE_VARIABLES))


@functools.lru_cache(maxsize=4)
def _certificates(_variables: tuple[str, ...]) -> ssl.SSLContext:
    """Loading them takes tens of milliseconds: done once for one state of the environment."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not any(
        os.path.exists(path or "") for path in (paths.cafile, paths.capath)
    ):  # a Python built for another system
        import certifi

        context.load_verify_locations(certifi.where())
    for variable in _CERTIFICATE_VARIABLES[2:]:
        if bundle := os.environ.get(variable):
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError):
                raise image_error("tls", variable, f"{bundle} holds no certificates", "correct or unset it") from None
    return context


def check_response(response: httpx.Response, url: str) -> None:
    """Turn a status or a redirect into an error.

    Raises:
        ImageError: 404, another 4xx, a redirect from https to http, or an unexpected status.
        TransientError: 5xx, 408, 429.
    """
    status = response.status_code
    if url.startswith("https:") and any(str(hop.url).startswith("http:") for hop in [*response.history, response]):
        raise image_error("redirects", url, "redirects from https to http", "use another mirror")
    if status in (200, 206, 416):
        return
    if status in (404, 410):
        raise image_error("not-found", url, f"does not exist (HTTP {status})", "check version, platform and mirror")
    if status >= 500 or status in (408, 429):
        raise TransientError(
            image_error("server-failed", url, f"the server failed (HTTP {status})", "try later or use another mirror"),
            retry_after_seconds(response.headers.get("Retry-After", "")),
        )
    raise image_error("refused", url, f"the server refused it (HTTP {status})", "check the address, login and proxy")


def retry_after_seconds(value: str) -> float:
    """How long a server wants us to wait: seconds or a date (RFC 9110, 10.2.3); at most half a minute, 0 if unclear."""
    if value.isdecimal() and value.isascii():
        return min(float(value), MAX_WAIT_SECONDS)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    left = (date - datetime.now(date.tzinfo)).total_seconds()
    return min(max(left, 0.0), MAX_WAIT_SECONDS)


def translate(error: Exception, url: str) -> Exception:
    """Turn an error of httpx into ours: final (ImageError), or worth another attempt (TransientError)."""
    import httpx

    reason = str(error) or type(error).__name__
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            if isinstance(cause, ssl.SSLCertVerificationError):
                fix = "check the clock; for a private CA set SSL_CERT_FILE to its certificate"
                return image_error("tls", url, f"the server's certificate is not trusted: {cause.verify_message}", fix)
            return image_error("tls", url, f"no secure connection: {cause.reason or reason}", "check proxy and address")
    if isinstance(error, httpx.TooManyRedirects):
        return image_error("redirects", url, f"redirects more than {MAX_REDIRECTS} times", "check the address")
    kind: Kind
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        kind, problem = "stalled", "the server stopped sending"
    elif isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        kind, problem = "truncated", f"the connection ended early: {reason}"
    elif isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return image_error("protocol", url, "is not an http or https address", "correct it")
    else:
        kind, problem = "unreachable", f"no connection: {reason}"
    return TransientError(image_error(kind, url, problem, "check network and proxy, or use a mirror"))


def with_retries(
    attempt: Callable[[], T],
    url: str,
    cancelled: Cancelled | None = None,
    attempts: int = ATTEMPTS,
    backoff_seconds: float = BACKOFF_SECONDS,
    progressed: Callable[[], bool] = lambda: False,
) -> T:
    """Run an attempt until it works, fails for good, or has failed too often in a row.

    Args:
        attempt: raises TransientError where another one may help.
        url: for messages.
        cancelled: asked while waiting.
        attempts: how many in a row may fail.
        backoff_seconds: the first pause; doubles, with jitter.
        progressed: whether the last attempt got somewhere; then counting starts again.
    """
    failed = 0
    while True:
        try:
            return attempt()
        except TransientError as transient:
            failed = 1 if progressed() else failed + 1
            if failed >= attempts:
                raise transient.error from None
            longest = min(backoff_seconds * 2 ** (failed - 1), 10.0)
            pause = max(transient.wait_seconds, random.uniform(longest / 2, longest))  # noqa: S311 - jitter
        end = time.monotonic() + pause
        while (left := end - time.monotonic()) > 0:
            raise_if(cancelled, url)
            time.sleep(min(left, _POLL_SECONDS))


def raise_if(cancelled: Cancelled | None, subject: str) -> None:
    """End a transfer that the user stopped.

    Raises:
        CancelledError: they did.
    """
    if cancelled is not None and cancelled():
        raise CancelledError(shown(subject), "the download was stopped", "run again: it continues where it was")


def run_stoppable(
    work: Callable[[Cancelled], T], subject: str, cancelled: Cancelled | None, tick: Callable[[], None] | None = None
) -> T:
    """Run blocking network work in a thread, so that a stop takes effect while a server is silent.

    Args:
        work: gets a function that says whether to stop; must ask it before each write.
        subject: for messages.
        cancelled: asked all the time from the caller's thread.
        tick: called all the time from the caller's thread (progress).
    """
    if cancelled is None and tick is None:
        return work(lambda: False)
    stop = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(stop.is_set))
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="flatprov-transfer", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            raise_if(cancelled, subject)
            if tick is not None:
                tick()
            thread.join(_POLL_SECONDS)
    finally:
        stop.set()
    if errors:
        raise errors[0]
    if tick is not None:
        tick()
    return results[0]


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def exists(url: str, cancelled: Cancelled | None = None) -> bool:
    """Whether the server has a file (HEAD).

    Raises:
        ImageError: no answer.
    """
    import httpx

    def attempt() -> bool:
        try:
            with new_client() as client:
                response = client.head(url)
                if response.status_code in (404, 410):
                    return False
                check_response(response, url)
                return True
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise translate(error, url) from None

    return with_retries(lambda: run_stoppable(lambda _stopped: attempt(), url, cancelled), url, cancelled)
