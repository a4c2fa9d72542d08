from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from release_server import ReleaseServer
from signers import Signer, make_signer, revoke_subkey, stop_agent

from flatprov.flatcar.releases import ReleaseInfo
from flatprov.images import http
from flatprov.images.store import Store


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with ReleaseServer() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def _no_proxy_and_quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("FLATPROV_MIRROR", raising=False)
    monkeypatch.setattr(http.random, "uniform", lambda _low, _high: 0.01)


@pytest.fixture(scope="session")
def key_folder() -> Iterator[Path]:
    """A short path: the socket of gpg's agent lies in it."""
    with tempfile.TemporaryDirectory(prefix="fp") as folder:
        yield Path(folder)
        for home in Path(folder).iterdir():
            stop_agent(home)


@pytest.fixture(scope="session")
def vendor(key_folder: Path) -> Signer:
    """Sub-keys: 1 expired in 2022, 2 revoked, 3 valid."""
    subkeys = (("20210101", "1y"), ("20220101", "9y"), ("20250101", "9y"))
    return make_signer(key_folder / "v", "vendor", subkeys)


@pytest.fixture(scope="session")
def vendor_before_revocation(vendor: Signer) -> bytes:
    return vendor.public


@pytest.fixture(scope="session")
def revoked_signature(vendor: Signer, vendor_before_revocation: bytes) -> bytes:
    """Made by sub-key 2 before it was revoked."""
    signature = vendor.detached(b"image", "20230101", 1)
    revoke_subkey(vendor, 2)
    return signature


@pytest.fixture(scope="session")
def company(key_folder: Path) -> Signer:
    return make_signer(key_folder / "c", "company")


@pytest.fixture
def info() -> ReleaseInfo:
    return ReleaseInfo(
        version="4593.2.5",
        channel="stable",
        architecture="amd64",
        architectures=("amd64", "arm64"),
        release_date="2026-08-13 15:48:35 +0000",
        ignition="2.24.0",
        kernel="6.12.102",
        containerd="2.1.5",
        docker="28.0.4",
        systemd="257",
        max_ignition_spec="3.5.0",
    )
