"""No false alarm: what people write and means what it says has no error and no warning."""

from __future__ import annotations

import json
from typing import Any

import ignition_oracle
import pytest
from findings_cases import config, table

from flatprov.flatcar.contents import target_for
from flatprov.flatcar.report import report_fragment
from flatprov.flatcar.updates import Updates
from flatprov.ignition import Ignition, User, dumps, merge, render
from flatprov.ignition.findings import findings
from flatprov.ignition.report import Report

CLEAN = table("clean/configs")
PLATFORMS = ("", "qemu", "aws", "azure", "gcp", "vmware", "hyperv", "metal")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy somebody@somewhere"


def alarms(report: Report) -> list[str]:
    return [str(entry) for entry in report if entry.level != "info"]


def test_there_are_many_of_them() -> None:
    assert len({case["about"] for case in CLEAN}) == len(CLEAN) >= 40


@pytest.mark.parametrize("case", [pytest.param(case, id=case["about"]) for case in CLEAN])
def test_a_clean_config_is_quiet_everywhere(case: dict[str, Any]) -> None:
    found = config(case)
    for target in (None, *(target_for(platform=platform, architecture="amd64") for platform in PLATFORMS)):
        assert alarms(findings(found, target=target)) == []


@pytest.mark.oracle
def test_clean_configs_are_valid() -> None:
    for case in CLEAN:
        assert ignition_oracle.errors(dumps(config(case))) == [], case["about"]


@pytest.mark.parametrize(
    "updates",
    [
        Updates.immutable(),
        Updates.disabled(),
        Updates.manual(),
        Updates.manual(group="lts-2024", server="https://updates.example.org/v1/update/"),
        Updates.automatic(),
        Updates.automatic(group="beta", window_start="Thu 23:00", window_length="1h30m"),
    ],
    ids=lambda one: repr(one.settings),
)
def test_our_own_parts_are_quiet(updates: Updates) -> None:
    whole = merge(updates.fragment(), render(Ignition(users=[User("core", ssh_keys=[KEY])])))
    for platform in PLATFORMS:
        assert alarms(findings(whole, target=target_for(platform=platform))) == []
        assert (
            alarms(findings(merge(whole, report_fragment(["app.service"])), target=target_for(platform=platform))) == []
        )


def test_what_is_quiet_stays_quiet_through_our_own_model() -> None:
    """Loaded and rendered again, a clean config is as clean: nothing of ours adds what a finding is about."""
    for case in CLEAN:
        rendered = render(Ignition.from_json(json.loads(json.dumps(config(case)))))
        assert alarms(findings(rendered, target=target_for())) == [], case["about"]
