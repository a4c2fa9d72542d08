"""Update policies as Ignition."""

from __future__ import annotations

from typing import Any

import pytest

from flatprov.errors import ConfigError
from flatprov.flatcar.updates import Updates
from flatprov.ignition import dataurl


def text(config: dict[str, Any]) -> str:
    (file,) = config["storage"]["files"]
    assert (file["path"], file["mode"], file["overwrite"]) == ("/etc/flatcar/update.conf", 0o644, True)
    contents = file["contents"]
    return dataurl.decode(contents["source"], contents["compression"]).decode()


@pytest.mark.parametrize(
    ("policy", "lines", "masked"),
    [
        (Updates.immutable(), ["SERVER=disabled", "REBOOT_STRATEGY=off"], ["locksmithd.service"]),
        (Updates.disabled(), ["SERVER=disabled"], []),
        (Updates.manual(group="beta"), ["GROUP=beta", "REBOOT_STRATEGY=off"], ["locksmithd.service"]),
        (Updates.automatic(), ["REBOOT_STRATEGY=reboot"], []),
        (
            Updates.automatic(group="lts-2024", window_start="Thu 23:00", window_length="1h30m"),
            [
                "GROUP=lts-2024",
                "REBOOT_STRATEGY=reboot",
                'LOCKSMITHD_REBOOT_WINDOW_START="Thu 23:00"',
                "LOCKSMITHD_REBOOT_WINDOW_LENGTH=1h30m",
            ],
            [],
        ),
        (
            Updates.automatic(server="https://updates.example/v1/update/", window_start="4:00", window_length="24h"),
            [
                "SERVER=https://updates.example/v1/update/",
                "REBOOT_STRATEGY=reboot",
                "LOCKSMITHD_REBOOT_WINDOW_START=4:00",
                "LOCKSMITHD_REBOOT_WINDOW_LENGTH=24h",
            ],
            [],
        ),
    ],
)
def test_policy(policy: Updates, lines: list[str], masked: list[str]) -> None:
    config = policy.fragment()
    assert config["ignition"] == {"version": "3.3.0"}
    assert text(config).splitlines() == lines
    units = config.get("systemd", {}).get("units", [])
    assert units == [{"name": name, "mask": True} for name in masked]
    assert "update-engine.service" not in str(config)
    assert policy.fragment() == config


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"window_start": "24:00", "window_length": "1h"}, "updates.window_start"),
        ({"window_start": "Thursday 23:00", "window_length": "1h"}, "updates.window_start"),
        ({"window_start": "Thu 23:00\nSERVER=x", "window_length": "1h"}, "updates.window_start"),
        ({"window_start": "23:00\n", "window_length": "1h"}, "updates.window_start"),
        ({"window_length": "1h"}, "updates.window_start"),
        ({"window_start": "23:00"}, "updates.window_length"),
        ({"window_start": "23:00", "window_length": "90"}, "updates.window_length"),
        ({"window_start": "23:00", "window_length": "0m"}, "updates.window_length"),
        ({"window_start": "23:00", "window_length": "25h"}, "updates.window_length"),
        ({"window_start": "23:00", "window_length": "1m1h"}, "updates.window_length"),
        ({"window_start": "23:00", "window_length": "1h\n"}, "updates.window_length"),
        ({"group": "a b"}, "updates.group"),
        ({"group": "stable\nSERVER=http://x/"}, "updates.group"),
        ({"server": "disabled"}, "updates.server"),
        ({"server": "http://h/\nGROUP=x"}, "updates.server"),
    ],
)
def test_wrong_values_are_named(arguments: dict[str, str], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Updates.automatic(**arguments)
    assert caught.value.path == path
    assert caught.value.fix
