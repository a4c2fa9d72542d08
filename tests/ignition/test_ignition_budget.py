"""Each carrier gets the first form that fits, of the same meaning; what fits nowhere is refused with all that helps."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from ignition_models import CONFIGS
from ignition_oracle import errors

from flatprov.errors import BudgetError, ConfigError
from flatprov.ignition import File, Ignition, Proxy, Remote, Timeouts, Unit, diff, render
from flatprov.ignition.budget import Fitted, Forms, find, fit, largest, line, sizes
from flatprov.ignition.carriers import CARRIERS, Carrier

BOUNDED = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
RAW = [carrier for carrier in CARRIERS.values() if carrier.limit and not carrier.encoding and not carrier.smallest]


def sized(count: int, letters: str = "a") -> dict[str, Any]:
    """A config of so many bytes as plain JSON; of one letter it compresses well, of many not at all."""
    text = "".join(random.Random(count).choices(letters, k=count))
    empty = len(Forms(render(Ignition(files=[File("/a", "", compression="")]))).plain)
    return render(Ignition(files=[File("/a", text[: count - empty], compression="")]))


def content(fitted: Fitted) -> dict[str, Any]:
    """What the machine makes of it."""
    data = gzip.decompress(base64.b64decode(fitted.data)) if fitted.encoding == "gzip+base64" else fitted.data
    config: dict[str, Any] = json.loads(data)
    replaced = (config["ignition"].get("config") or {}).get("replace")
    if fitted.form != "gzip":
        return config
    assert replaced["compression"] == "gzip"
    inner: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(replaced["source"].partition(",")[2])))
    return inner


@pytest.mark.parametrize("carrier", RAW, ids=lambda carrier: carrier.name)
def test_the_limit_is_exact(carrier: Carrier) -> None:
    assert carrier.limit
    most = carrier.limit // 4 * 3 if carrier.counts_base64 else carrier.limit
    exact = fit(sized(most), carrier)
    assert (exact.form, len(exact.data)) == ("plain", most)
    above = fit(sized(most + 1), carrier)
    assert above.form == "gzip"
    assert above.sizes["plain"] > carrier.limit >= above.size == above.sizes["gzip"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [("aws", 16_384), ("azure", 65_535), ("gcp", 262_144), ("vmware", 65_536), ("openstack", 65_535), ("qemu", None)],
)
def test_the_published_limits(name: str, limit: int | None) -> None:
    assert find(name).limit == limit


@BOUNDED
@given(CONFIGS)
def test_every_form_means_the_same(config: Ignition) -> None:
    rendered = render(config)
    forms = Forms(rendered)
    for name in ("qemu", "hyperv", "vmware"):
        fitted = fit(forms, name)
        assert diff(content(fitted), rendered) == []
        assert fitted.encoding == find(name).encoding
    wrapped = Fitted(form="gzip", data=forms.wrapped, encoding="", size=0, sizes={})
    assert diff(content(wrapped), rendered) == []


def test_files_compress_together() -> None:
    """Each file compressed by itself and then as base64 would leave nothing to gain."""
    text = "".join(random.Random(1).choices("abcdefghij \n", k=2000))
    config = render(Ignition(files=[File(f"/etc/{number}", f"{number}{text}") for number in range(40)]))
    assert sizes(config).gzip < sizes(config).plain / 10


def test_what_vmware_gets_it_unpacks_itself() -> None:
    config = sized(100_000)
    fitted = fit(config, "vmware")
    assert (fitted.form, fitted.encoding) == ("plain", "gzip+base64")
    assert fitted.size == len(fitted.data) == sizes(config).packed


@pytest.mark.parametrize("extra", [0, 1, 899, 900])
def test_key_value_parts_are_ascii_and_join_again(extra: int) -> None:
    carrier = find("hyperv")
    config = render(Ignition(files=[File("/etc/motd", Remote("https://h/é", headers={"A": "x" * extra}))]))
    fitted = fit(config, carrier)
    parts = fitted.parts(carrier)
    assert b"".join(parts) == fitted.data
    assert fitted.data.isascii()
    assert {len(part) for part in parts[:-1]} <= {900}
    assert 0 < len(parts[-1]) <= 900
    assert diff(content(fitted), config) == []


def test_the_smallest_form_goes_where_each_part_costs() -> None:
    assert fit(sized(3000), "hyperv").form == "gzip"
    assert fit(render(Ignition()), "hyperv").form == "plain"


def test_what_fits_nowhere_goes_to_a_remote_object_with_its_hash() -> None:
    given: list[bytes] = []

    def place(data: bytes) -> str:
        given.append(data)
        return "https://store.example/config"

    big = Ignition(
        files=[File("/big", random.Random(1).randbytes(90_000))],
        proxy=Proxy(https_proxy="https://proxy:3128"),
        timeouts=Timeouts(http_total=9),
        version="3.4.0",
    )
    config = render(big)
    fitted = fit(config, "aws", remote=place)
    assert (fitted.form, given, fitted.stored) == ("remote", [Forms(config).plain], Forms(config).plain)
    ignition = json.loads(fitted.data)["ignition"]
    assert ignition == {
        "version": "3.4.0",
        "proxy": {"httpsProxy": "https://proxy:3128"},
        "timeouts": {"httpTotal": 9},
        "config": {
            "replace": {
                "source": "https://store.example/config",
                "verification": {"hash": "sha512-" + hashlib.sha512(given[0]).hexdigest()},
            }
        },
    }
    packed = fit(config, "vmware", remote=place)
    assert content(packed)["ignition"] == ignition
    assert packed.size == len(packed.data) < 65_536


def test_nothing_is_placed_where_the_config_fits() -> None:
    def place(data: bytes) -> str:
        raise AssertionError("the config fits")

    assert fit(sized(16_385), "aws", remote=place).form == "gzip"
    assert fit(sized(1 << 21), "qemu", remote=place).form == "plain"


def test_too_large_names_sizes_and_the_five_largest() -> None:
    noise = random.Random(2)
    files = [File(f"/f/{number}", noise.randbytes(1000 * number)) for number in range(1, 8)]
    units = [Unit("big.service", contents="[Service]\n" + "#" + "x" * 1000 + "\n")]
    config = render(Ignition(files=[*files, File("/r", Remote("https://h/a"))], units=units))
    with pytest.raises(BudgetError) as caught:
        fit(config, "aws")
    error, found = caught.value, sizes(config)
    assert [name for name, _ in error.largest] == ["/f/7", "/f/6", "/f/5", "/f/4", "/f/3"]
    assert error.largest == tuple(largest(config))
    assert (error.sizes, error.limit) == ({"plain": found.plain, "gzip": found.gzip}, 16_384)
    said = str(error)
    for part in (
        f"{found.plain:,} bytes plain",
        f"{found.gzip:,} bytes in the gzip wrapper",
        "16,384",
        "/f/3",
        "Remote",
    ):
        assert part in said


def test_a_line_for_each_carrier() -> None:
    config = sized(16_385)
    assert line(config, "aws").startswith("aws: fits in the gzip wrapper: plain 16,385, in the gzip wrapper ")
    assert "limit 16,384" in line(config, "aws")
    assert line(config, "azure") == "azure: fits plain: plain 16,385 bytes (Azure user data, limit 65,535)"
    assert "too large" in line(sized(200_000, "abcdefghijklmnopqrstuvwxyz0123456789"), "azure")
    assert "slow" in line(sized(2 << 20), "qemu")
    assert "slow" not in line(sized(1 << 20), "qemu")


def test_an_unknown_carrier_is_named() -> None:
    with pytest.raises(ConfigError, match="Use one of qemu, aws"):
        fit(render(Ignition()), "ec2")


@pytest.mark.oracle
@pytest.mark.parametrize("name", CARRIERS)
def test_the_real_validator_accepts_every_form(name: str) -> None:
    config = sized(20_000)
    fitted = fit(config, name) if name != "virtualbox" else fit(sized(800), name)
    data = gzip.decompress(base64.b64decode(fitted.data)) if fitted.encoding == "gzip+base64" else fitted.data
    assert errors(data.decode()) == []
    assert errors(Forms(config).pointer("https://h/a").decode()) == []
