"""The rules for encrypted devices."""

from __future__ import annotations

from typing import Any, Final

from flatprov.ignition.gotext import length
from flatprov.ignition.validate import syntax, urls
from flatprov.ignition.validate.findings import Findings, Path, Rule
from flatprov.ignition.validate.numbers import has_huge_number
from flatprov.ignition.validate.paths import problem
from flatprov.ignition.validate.scanning import view

_PINS: Final = ("tpm2", "tang", "sss")


def _luks(value: dict[str, Any], path: Path, found: Findings) -> None:
    if "/" in (value.get("name") or ""):
        found.error((*path, "name"), "device names cannot contain slashes")
    if length(value.get("label") or "") > 47:
        found.error((*path, "label"), "luks device labels cannot be longer than 47 characters")
    device = value.get("device")
    found.error((*path, "device"), problem(device) if device else "disk device is required")
    clevis = value.get("clevis") or {}
    others = bool(clevis.get("tang") or clevis.get("tpm2") or clevis.get("threshold"))
    pin = _has_custom(clevis, found.spec)
    if pin and others:
        found.error((*path, "clevis"), "cannot use custom clevis config with tpm2, tang, or threshold")
    source = (value.get("keyFile") or {}).get("source")
    if source and urls.problem(source, found.spec, oem=found.oem):
        found.error((*path, "keys"), "invalid key-file source")
    if found.spec >= "3.5.0" and (value.get("cex") or {}).get("enabled"):
        if pin or others:
            found.error((*path, "cex"), "cannot use cex with clevis")
        if source:
            found.error((*path, "cex"), "cannot use key file with cex")


def _has_custom(clevis: dict[str, Any], spec: str) -> bool:
    custom = clevis.get("custom")
    if spec < "3.3.0":
        return custom is not None
    return bool((custom or {}).get("pin"))


def _custom(value: dict[str, Any], path: Path, found: Findings) -> None:
    pin, config = value.get("pin") or "", value.get("config") or ""
    old = found.spec < "3.3.0"
    if not pin and not config and (old or not value.get("needsNetwork")):
        return
    any_pin = found.ignition >= (2, 26) and found.spec >= "3.6.0"
    if not pin and not old:
        found.error((*path, "pin"), "missing required custom clevis pin")
    elif pin not in _PINS and not any_pin:
        found.error((*path, "pin"), "unsupported clevis pin")
    if not config:
        found.error((*path, "config"), "missing required custom clevis config")


def _tang(value: dict[str, Any], path: Path, found: Findings) -> None:
    url = urls.parse(value.get("url") or "")
    if not urls.is_http(url):
        found.error((*path, "url"), urls.INVALID if url is None else urls.BAD_SCHEME)
    if not value.get("thumbprint"):
        found.error((*path, "thumbprint"), "thumbprint is required")
    advertisement = value.get("advertisement")
    if advertisement and found.spec >= "3.4.0":
        text = view(advertisement)
        if syntax.problem(text) or has_huge_number(text):
            found.error((*path, "advertisement"), "advertisement is not valid JSON")


RULES: Final[dict[str, Rule]] = {"Luks": _luks, "Custom": _custom, "ClevisCustom": _custom, "Tang": _tang}
