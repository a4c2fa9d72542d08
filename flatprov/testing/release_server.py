"""A release server on 127.0.0.1: publishes signed releases, and misbehaves on request."""

from __future__ import annotations

import hashlib
import json
import ssl
import tempfile
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flatprov.flatcar.artifacts import ALIASES, candidate_files, feed_url, release_url, signing_key_url
from flatprov.flatcar.versions import Version
from flatprov.testing.serving import Served, handler_of
from flatprov.testing.signing import Signer, SigningKey

_SOFTWARE = {"ignition": "2.24.0", "kernel": "6.12.102", "containerd": "2.1.5", "docker": "28.0.4", "systemd": "257"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # several connections at once: with the usual 5 some would wait a second


class ReleaseServer:
    """A server with the publisher's paths, to stand wherever ``mirror=`` or ``--mirror`` does.

    ::

        with ReleaseServer() as server:
            server.publish("4593.2.5", {"qemu": disk_image})
            server.files["qemu"].cuts.append(100_000)     # the connection breaks once
            release = fp.Release("flatcar", mirror=server.url, key_file=str(server.key_file),
                                 fingerprint=server.fingerprint)

    Args:
        signer: signs what is published; None for a key of its own.
        tls: serve https, with a certificate of an authority of its own (``ca_file``); needs ``flatprov[testing]``.

    Attributes:
        paths: every file by its path; change an entry's fields to make the server misbehave.
        files: the entry of the last published image of each platform.
        redirects: path to where it redirects.
        requests: what was asked for: method, path, ``Range`` header.
        listing: whether a folder (a path that ends in ``/``) shows the names in it.
    """

    def __init__(self, signer: Signer | None = None, *, tls: bool = False) -> None:
        self.paths: dict[str, Served] = {}
        self.files: dict[str, Served] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.listing = True
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self._signer = signer
        self._tls = tls
        self._feeds: dict[str, dict[str, Any]] = {}
        self._made_folder: tempfile.TemporaryDirectory[str] | None = None
        self._server = _Server(("127.0.0.1", 0), handler_of(self))
        if tls:
            from flatprov.testing.certificates import make_certificates

            self._authority, certificate = make_certificates(self._folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that does not trust us
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.01), daemon=True)

    def __enter__(self) -> ReleaseServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> ReleaseServer:
        """Serve from now on; for those who cannot use ``with``."""
        return self.__enter__()

    def stop(self) -> None:
        """End it; connections that stall end too."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._made_folder is not None:
            self._made_folder.cleanup()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_port}"

    @property
    def signer(self) -> Signer:
        """What signs; made when first used."""
        if self._signer is None:
            self._signer = SigningKey()
        return self._signer

    @property
    def fingerprint(self) -> str:
        """Of the primary key, for ``fingerprint=``."""
        return self.signer.fingerprint

    @property
    def key_file(self) -> Path:
        """The public key as a file, for ``key_file=``; exists as long as the server."""
        path = self._folder / "key.asc"
        path.write_bytes(self.signer.public)
        return path

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, for ``SSL_CERT_FILE``; only with ``tls=True``."""
        if not self._tls:
            raise ValueError("the server was made without tls=True")
        return self._authority

    def serve(self, path: str, data: bytes | Path, **options: Any) -> Served:
        """Serve a file as it is, unsigned.

        Args:
            path: begins with ``/``.
            data: the content.
            options: fields of `Served`.
        """
        self.paths[path] = Served(data, **options)
        return self.paths[path]

    def publish(
        self,
        version: str,
        images: Mapping[str, bytes | Path],
        *,
        channel: str | None = None,
        architecture: str = "amd64",
        release_date: str | None = None,
        software: Mapping[str, str] | None = None,
        aliases: tuple[str, ...] = (),
    ) -> dict[str, str]:
        """Publish a release: its images, their signed digests, the feed that names it, and the public key.

        Args:
            version: ``4593.2.5``. Signatures are made now: a MAJOR whose day (counted from 2013-07-01) is still to
                come is refused by clients as too old a signature.
            images: content by platform (``qemu``, ``metal``) or by file name (``flatcar_production_image.bin.bz2``).
            channel: None for the one that the version's second number stands for.
            architecture: of the images.
            release_date: as in the feed; None for now.
            software: versions of what is in it, over those of a usual release.
            aliases: further names in the feed, such as ``current-2024``.

        Returns:
            The path of each image, by the key it was given under.
        """
        parsed = Version.parse(version)
        channel = channel or parsed.usual_channel
        placed = {}
        for key, data in images.items():
            name = key if key.startswith("flatcar") else candidate_files(key, architecture)[0]
            path = placed[key] = release_url(channel, architecture, version, name, mirror="/").replace("//", "/")
            self.files[ALIASES.get(key, key)] = self.files[key] = self.serve(path, data)
            self.sign(path)
        # no two alike: a feed's aliases are copies of entries, so equal entries could not be told apart
        moment = datetime.now(timezone.utc) + timedelta(seconds=len(self._feeds.get("all", {})))
        date = release_date or f"{moment:%Y-%m-%d %H:%M:%S} +0000"
        self._list(channel, version, architecture, date, {**_SOFTWARE, **(software or {})}, aliases)
        self.serve(_path(signing_key_url(channel, mirror="http://m")), self.signer.public)
        return placed

    def sign(self, path: str) -> None:
        """Make digests and signatures of a served file, as it is now: ``.DIGESTS``, ``.DIGESTS.asc``, ``.sig``."""
        served = self.paths[path]
        content = served.read(0, served.size)
        text = digests_text(path.rpartition("/")[2], content)
        self.serve(f"{path}.DIGESTS", text)
        self.serve(f"{path}.DIGESTS.asc", self.signer.clearsigned(text))
        self.serve(f"{path}.DIGESTS.sig", self.signer.detached(text))
        self.serve(f"{path}.sig", self.signer.detached(content))

    def gets(self, path: str) -> list[str]:
        """The ``Range`` headers of the GETs of a path; ``""`` for each without one."""
        return [span for method, got, span in self.requests if method == "GET" and got == path]

    @property
    def _folder(self) -> Path:
        if self._made_folder is None:
            self._made_folder = tempfile.TemporaryDirectory(prefix="flatprov-release-server-")
        return Path(self._made_folder.name)

    def _list(
        self,
        channel: str,
        version: str,
        architecture: str,
        date: str,
        software: Mapping[str, str],
        aliases: tuple[str, ...],
    ) -> None:
        for name in (channel, "all"):
            feed = self._feeds.setdefault(name, {})
            known = feed.get(version, {}).get("architectures", [])
            feed[version] = {
                "channel": channel,
                "architectures": sorted({*known, architecture}),
                "release_date": date,
                "major_software": {program: [number] for program, number in software.items()},
            }
            listed = [found for key in feed if (found := Version.parse_or_none(key))]
            newest = max((one for one in listed if feed[str(one)]["channel"] == channel), default=None)
            if newest is not None and (name != "all" or channel == "stable"):
                feed["current"] = feed[str(newest)]
            for alias in aliases:
                feed[alias] = feed[version]
                if name != "all":
                    stream = f"lts-{alias.removeprefix('current-')}"
                    self.serve(_path(feed_url(stream, mirror="http://m")), json.dumps(feed).encode())
            self.serve(_path(feed_url(name, mirror="http://m")), json.dumps(feed).encode())


def digests_text(file_name: str, content: bytes) -> bytes:
    """A DIGESTS file as the publisher writes it."""
    made = (("MD5", hashlib.md5), ("SHA1", hashlib.sha1), ("SHA512", hashlib.sha512))
    lines = (
        f"# {title} HASH\n{make(content, usedforsecurity=False).hexdigest()}  {file_name}\n" for title, make in made
    )
    return "".join(lines).encode()


def _path(url: str) -> str:
    return url.removeprefix("http://m")
