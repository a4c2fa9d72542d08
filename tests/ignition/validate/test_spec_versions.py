"""Which spec a config needs, and what is said where a release cannot read it."""

from __future__ import annotations

from typing import Any

import pytest

from flatprov.errors import ConfigError
from flatprov.flatcar.releases import max_ignition_spec
from flatprov.flatcar.versions import Version
from flatprov.ignition.schema import VERSIONS
from flatprov.ignition.target import Target
from flatprov.ignition.validate import validate
from flatprov.ignition.versions import (
    FLATCAR_SINCE,
    IGNITION_SINCE,
    check_target,
    flatcar_since,
    lowest_version,
    needs,
    newest_spec,
    newest_spec_of_flatcar,
)

STABLE = Target(release="4593.2.5", ignition="2.24.0")
LTS = Target(release="4081.3.10", ignition="2.19.0")
OLD = Target(release="3510.3.8", ignition="2.14.0")


def config(version: str = "", **sections: Any) -> dict[str, Any]:
    return {"ignition": {"version": version} if version else {}, **sections}


def file(**fields: Any) -> dict[str, Any]:
    return {"storage": {"files": [{"path": "/a"}, {"path": "/b", **fields}]}}


def luks(**fields: Any) -> dict[str, Any]:
    return {"storage": {"luks": [{"name": "a", "device": "/dev/a", **fields}]}}


@pytest.mark.parametrize(
    ("sections", "path", "spec"),
    [
        (
            file(contents={"source": "https://a", "httpHeaders": [{"name": "a"}]}),
            "storage.files[1].contents.httpHeaders",
            "3.1.0",
        ),
        (
            file(contents={"source": "data:,", "verification": {"hash": "sha256-0"}}),
            "storage.files[1].contents.verification.hash",
            "3.1.0",
        ),
        (file(contents={"source": "GS://b/o"}), "storage.files[1].contents.source", "3.2.0"),
        (luks(), "storage.luks", "3.2.0"),
        ({"passwd": {"users": [{"name": "a", "shouldExist": False}]}}, "passwd.users[0].shouldExist", "3.2.0"),
        (
            {"storage": {"disks": [{"device": "/d", "partitions": [{"resize": False}]}]}},
            "storage.disks[0].partitions[0].resize",
            "3.2.0",
        ),
        ({"kernelArguments": {"shouldExist": ["a"]}}, "kernelArguments", "3.3.0"),
        ({"storage": {"filesystems": [{"device": "/d", "format": "none"}]}}, "storage.filesystems[0].format", "3.3.0"),
        (file(append=[{"source": "arn:aws:s3:::b/k"}]), "storage.files[1].append[0].source", "3.4.0"),
        (file(mode=0o4755), "storage.files[1].mode", "3.6.0"),
    ],
)
def test_needs(sections: dict[str, Any], path: str, spec: str) -> None:
    found = needs(config(**sections))
    assert (path, spec) in [(need.path, need.spec) for need in found]
    assert max(need.spec for need in found) == spec
    assert all(need.feature and need.path for need in found)
    assert lowest_version(config(**sections)) == max("3.3.0", spec)


@pytest.mark.parametrize("inner", ["discard", "openOptions", "cex", "clevis"])
def test_needs_of_encrypted_devices(inner: str) -> None:
    values: dict[str, Any] = {
        "discard": True,
        "openOptions": ["a"],
        "cex": {"enabled": True},
        "clevis": {"custom": {"pin": "x", "config": "y"}},
    }
    spec = {"discard": "3.4.0", "openOptions": "3.4.0", "cex": "3.5.0", "clevis": "3.6.0"}[inner]
    found = needs(config(**luks(**{inner: values[inner]})))
    assert max(found, key=lambda need: need.spec).spec == spec
    assert any(need.path.startswith(f"storage.luks[0].{inner}") for need in found)


def test_a_plain_config_needs_nothing() -> None:
    plain = config(**file(mode=0o644, contents={"source": "https://a", "compression": "gzip"}))
    assert needs(plain) == []
    check_target(plain, OLD)


@pytest.mark.parametrize(
    ("sections", "target", "path", "words"),
    [
        (
            luks(discard=True),
            OLD,
            "storage.luks[0].discard",
            (
                "discard on encrypted devices needs spec 3.4.0",
                "Flatcar 3510.3.8 (Ignition 2.14.0)",
                "Flatcar 3535 (Ignition 2.15) on",
            ),
        ),
        (
            luks(cex={"enabled": True}),
            LTS,
            "storage.luks[0].cex",
            ("needs spec 3.5.0", "4081.3.10", "Flatcar 4152 (Ignition 2.20) on"),
        ),
        (
            file(mode=0o1777),
            STABLE,
            "storage.files[1].mode",
            ("sticky bit needs spec 3.6.0", "4593.2.5", "Flatcar 4799 (Ignition 2.26) on"),
        ),
        (
            luks(cex={"enabled": True}),
            Target(release="4081.3.10"),
            "storage.luks[0].cex",
            ("needs spec 3.5.0", "Flatcar 4081.3.10"),
        ),
        (
            luks(cex={"enabled": True}),
            Target(ignition="2.19.0"),
            "storage.luks[0].cex",
            ("needs spec 3.5.0", "Ignition 2.19.0 reads"),
        ),
    ],
)
def test_a_feature_too_new(sections: dict[str, Any], target: Target, path: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_target(config(**sections), target)
    assert caught.value.path == path
    assert str(caught.value).startswith(path)
    for word in words:
        assert word in str(caught.value)


def test_a_stated_version_too_new() -> None:
    with pytest.raises(ConfigError) as caught:
        check_target(config("3.5.0"), LTS)
    assert caught.value.path == "ignition.version"
    assert "write 3.4.0: nothing in the config needs more" in str(caught.value).lower()
    check_target(config("3.4.0"), LTS)
    check_target(config("3.5.0"), Target())  # nothing is known of it


def test_a_stated_version_counts_where_older_ones_ignore_a_value() -> None:
    check_target(config("3.3.0", **file(mode=0o4755)), OLD)


@pytest.mark.parametrize(
    ("version", "release", "refused"),
    [
        ("3.4.0", "4593.2.5", False),
        ("3.5.0", "4593.2.5", True),
        ("3.5.0", "4756.0.0", True),
        ("3.5.0", "4757.1.0", False),
        ("3.0.0", "3510.3.8", False),
    ],
)
def test_oem_urls(version: str, release: str, refused: bool) -> None:
    oem = config(version, **file(contents={"source": "OEM:///a"}))
    if not refused:
        check_target(oem, Target(release=release))
        return
    with pytest.raises(ConfigError, match="4757") as caught:
        check_target(oem, Target(release=release))
    assert caught.value.path == "storage.files[1].contents.source"


@pytest.mark.parametrize(
    ("ignition", "spec"),
    [
        ("2.14.0", "3.3.0"),
        ("2.15.0", "3.4.0"),
        ("2.19.0", "3.4.0"),
        ("2.20.0", "3.5.0"),
        ("2.24.0", "3.5.0"),
        ("2.25.1", "3.5.0"),
        ("2.26.0", "3.6.0"),
    ],
)
def test_what_an_ignition_reads(ignition: str, spec: str) -> None:
    read = [one for one in VERSIONS if not validate(config(one), ignition_version=ignition)]
    assert read[-1] == spec == newest_spec((2, int(ignition.split(".")[1])))
    assert read == list(VERSIONS[: VERSIONS.index(spec) + 1])


def test_the_tables_agree_with_each_other() -> None:
    assert tuple(IGNITION_SINCE) == VERSIONS
    assert list(IGNITION_SINCE.values()) == sorted(IGNITION_SINCE.values())
    assert list(FLATCAR_SINCE) == sorted(FLATCAR_SINCE, reverse=True)
    for spec in VERSIONS:
        major = flatcar_since(spec)
        assert newest_spec_of_flatcar(major) >= spec
        assert max_ignition_spec(Version(major, 0, 0), "") >= spec
        assert newest_spec_of_flatcar(major - 1) < spec or spec <= "3.3.0"
    assert max_ignition_spec(Version(3184, 0, 0), "") == newest_spec_of_flatcar(3184) == ""
