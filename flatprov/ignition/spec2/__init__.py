"""Configs of the specs 1 and 2, which Flatcar still boots: translated to spec 3.1 as its Ignition does it."""

from __future__ import annotations

from flatprov.ignition.spec2.upgrading import upgrade

__all__ = ["upgrade"]
