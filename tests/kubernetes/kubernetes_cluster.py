"""Clusters to render in tests, and the real programs that judge them."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flatprov.ignition import dataurl
from flatprov.kubernetes import ControlPlane, Extension, Kubernetes, Pool
from flatprov.kubernetes.encryption import new_keys
from flatprov.kubernetes.endpoints import Endpoint
from flatprov.kubernetes.pki import new_pki
from flatprov.kubernetes.roles import Role, control_plane_role, init_role, worker_role
from flatprov.kubernetes.tokens import new_token
from flatprov.kubernetes.trust import Algorithm, ControlPlaneTrust, Join, Pki

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases" / "kubernetes"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)
EXTENSION = Extension("sha512-" + "ab" * 64)
ENDPOINT = Endpoint("10.17.3.10")
STAGE = "/etc/flatprov/kubernetes/stage"
CONFIG = "/etc/flatprov/kubernetes/kubeadm.yml"


@cache
def _pki(algorithm: Algorithm) -> Pki:
    return new_pki(NOW, algorithm=algorithm)


def pki(algorithm: Algorithm = "ECDSA-P256") -> Pki:
    return _pki(algorithm)  # the cache would tell a default from the same value given


def trust(algorithm: Algorithm = "ECDSA-P256") -> ControlPlaneTrust:
    return _trust(algorithm)


@cache
def _trust(algorithm: Algorithm) -> ControlPlaneTrust:
    token = new_token(NOW, create_timeout=timedelta(minutes=30))
    join = Join(endpoint=ENDPOINT, ca_hashes=(pki(algorithm).ca_hash,), token=token)
    return ControlPlaneTrust(pki=pki(algorithm), join=join, encryption=new_keys())


def kubernetes(version: str = "1.36.3", **settings: Any) -> Kubernetes:
    return Kubernetes(version, **{"extension": EXTENSION, **settings})


def token_text() -> str:
    token = trust().join.token
    assert token is not None
    return token.text


def all_roles(settings: Kubernetes, control_plane: ControlPlane | None = None, pool: Pool | None = None) -> list[Role]:
    """One role of each kind."""
    found, plane = trust(settings.algorithm), control_plane or ControlPlane(count=3)
    return [
        init_role("demo", settings, ENDPOINT, found, plane),
        control_plane_role(settings, found, plane),
        worker_role(settings, found.join, pool or Pool()),
    ]


def files(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["path"]: file for file in config["storage"]["files"]}


def text(config: dict[str, Any], path: str) -> str:
    contents = files(config)[path]["contents"]
    return dataurl.decode(contents["source"], contents.get("compression")).decode()


def unit(config: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in config["systemd"]["units"] if one["name"] == name]
    return found


def kubeadm_documents(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The documents of a node's kubeadm.yml by kind."""
    parts = [json.loads(part) for part in text(config, CONFIG).split("---\n") if part.strip()]
    return {part["kind"]: part for part in parts}


def kubeadm_says(config_text: str, folder: Path) -> str:
    """What the real kubeadm says about a config file: ``""`` when it takes it."""
    program = ROOT / "tests" / "lab" / "out" / "bin" / "kubeadm"
    if not program.exists():
        pytest.fail("kubeadm is missing; run tests/lab/build.sh kubeadm", pytrace=False)
    file = folder / "kubeadm.yml"
    file.write_text(config_text)
    command = [str(program), "config", "validate", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stderr
