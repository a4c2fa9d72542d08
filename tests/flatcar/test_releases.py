"""Release feeds: a table, the publisher's own feeds, and the names of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatprov.errors import ImageError
from flatprov.flatcar.artifacts import ARTIFACTS, candidate_files, feed_url, release_url, signing_key_url
from flatprov.flatcar.releases import parse_feed, resolve
from flatprov.flatcar.versions import Version, nearest

TABLE = json.loads((Path(__file__).parents[1] / "cases" / "flatcar" / "releases" / "resolve.json").read_text())
DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_resolve(case: dict[str, object]) -> None:
    feeds = [parse_feed(json.dumps(TABLE["feed"]))]
    arguments: dict[str, str] = case["in"]  # type: ignore[assignment]
    if "error" in case:
        with pytest.raises(ImageError) as error:
            resolve(feeds, **arguments)
        for part in case["error"]:  # type: ignore[attr-defined]
            assert part in str(error.value)
        return
    info = resolve(feeds, **arguments)
    for name, value in case["out"].items():  # type: ignore[attr-defined]
        found = getattr(info, name)
        assert (list(found) if isinstance(found, tuple) else found) == value, name


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"1.2.3": 5}', b'{"1.2.3": {"architectures": 7}}'])
def test_what_is_no_feed(data: bytes) -> None:
    with pytest.raises(ImageError, match="release feed: cannot be read"):
        parse_feed(data)


def test_several_feeds_are_one() -> None:
    one, two = ({"1.2.3": {"channel": "stable"}}, {"1.1.0": {"channel": "beta"}, "odd key": {}, "current": {}})
    feeds = [parse_feed(json.dumps(feed)) for feed in (one, two)]
    assert resolve(feeds, "beta").version == "1.1.0"
    assert resolve(feeds).version == "1.2.3"


numbers = st.integers(0, 99999)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1))
def test_versions_are_ordered_as_numbers(triples: list[tuple[int, int, int]]) -> None:
    texts = [".".join(map(str, triple)) for triple in triples]
    assert [str(v) for v in sorted(map(Version.parse, texts))] == [".".join(map(str, t)) for t in sorted(triples)]
    near = nearest(Version(*triples[0]), map(Version.parse, texts))
    assert Version(*triples[0]) in near
    assert near == sorted(near)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", " 1.2.3", "1.2.3\n", "current", "1.2.٣"]
)
def test_what_is_no_version(text: str) -> None:
    assert Version.parse_or_none(text) is None


def test_addresses() -> None:
    name = candidate_files("libvirt")[0]
    assert name == "flatcar_production_qemu_uefi_image.img"
    server = "https://stable.release.flatcar-linux.net/amd64-usr/4593.2.5/" + name
    assert release_url("stable", "amd64", "4593.2.5", name) == server
    assert release_url("lts-2024", "arm64", "4081.3.10", "f").startswith(
        "https://lts.release.flatcar-linux.net/arm64-usr/"
    )
    assert release_url("beta", "amd64", "1.1.0", "f", "http://m/{channel}/") == "http://m/beta/amd64-usr/1.1.0/f"
    assert feed_url("lts-2024") == "https://www.flatcar.org/releases-json/releases-lts-2024.json"
    assert feed_url("stable", "http://m") == "http://m/releases-json/releases-stable.json"
    assert signing_key_url(mirror="http://m").startswith("http://m/security/")
    assert signing_key_url() == ("https://www.flatcar.org/security/image-signing-key/Flatcar_Image_Signing_Key.asc")


def test_files_per_platform() -> None:
    for platform, artifact in ARTIFACTS.items():
        for architecture in artifact.architectures:
            names = candidate_files(platform, architecture)
            assert names
            assert len(set(names)) == len(names)
    assert all("qemu_image" not in name for name in candidate_files("libvirt", "arm64"))
    with pytest.raises(ImageError, match="libvirt"):
        candidate_files("xen")
    with pytest.raises(ImageError, match="no image for arm64"):
        candidate_files("vmware", "arm64")


def test_the_publishers_feeds() -> None:
    paths = sorted(DATA.glob("releases*.json"))
    if not paths:
        pytest.skip("the publisher's feeds are not beside this repository (../shared/data)")
    feeds = {path.stem: parse_feed(path.read_bytes()) for path in paths}
    for path in paths:
        keys = [key for key in json.loads(path.read_bytes()) if not key.startswith("current")]
        assert [str(v) for v in sorted(feeds[path.stem].releases)] == sorted(keys, key=Version.parse)
    everything = [feeds["releases"]]
    assert resolve(everything).version == resolve([feeds["releases-stable"]]).version == "4593.2.5"
    assert (
        resolve(everything, "lts").version == resolve([feeds["releases-lts-2024"]], "lts-2024").version == "4081.3.10"
    )
    expected = {"stable": "3.5.0", "beta": "3.5.0", "alpha": "3.5.0", "lts-2024": "3.4.0", "lts-2023": "3.3.0"}
    for channel, spec in expected.items():
        assert resolve(everything, channel).max_ignition_spec == spec
    for version, entry in feeds["releases"].releases.items():
        info = resolve(everything, entry.channel, str(version))
        assert info.version == str(version)
        assert (info.max_ignition_spec == "") == info.ignition.startswith("0."), version
