"""Versions, skew, the plan of an upgrade, and quorum."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_cluster import CASES

from flatprov.errors import ConfigError
from flatprov.kubernetes.members import check_count, check_removal, quorum
from flatprov.kubernetes.upgrades import Action, plan_upgrade
from flatprov.kubernetes.versions import KubernetesVersion, check_skew

PLANS = json.loads((CASES / "upgrades.json").read_text())
VERSIONS = st.builds(KubernetesVersion, st.just(1), st.integers(22, 36), st.integers(0, 20))


@pytest.mark.parametrize("title", PLANS)
def test_plans(title: str) -> None:
    case = PLANS[title]
    planes, workers = (
        {name: KubernetesVersion.parse(text) for name, text in case[kind].items()}
        for kind in ("control_planes", "workers")
    )
    target = KubernetesVersion.parse(case["target"])
    if "error" not in case:
        assert [str(step) for step in plan_upgrade(planes, workers, target)] == case["steps"]
        return
    with pytest.raises(ConfigError) as caught:
        plan_upgrade(planes, workers, target)
    assert case["error"] in str(caught.value)
    assert case.get("fix", "") in caught.value.fix
    assert caught.value.fix


@given(st.lists(VERSIONS, min_size=1, max_size=5), st.lists(VERSIONS, max_size=5), VERSIONS)
@settings(max_examples=300, deadline=None)
def test_no_step_of_a_plan_breaks_the_skew(
    planes: list[KubernetesVersion], workers: list[KubernetesVersion], target: KubernetesVersion
) -> None:
    """Whatever is planned is followed step by step: each kubelet fits each API server at any time."""
    servers = {f"cp-{number}": version for number, version in enumerate(planes)}
    kubelets = {f"w-{number}": version for number, version in enumerate(workers)}
    try:
        steps = plan_upgrade(servers, kubelets, target)
    except ConfigError:
        return
    cluster = None
    for step in steps:
        if step.action is Action.SET_CLUSTER_VERSION:
            cluster = step.version
        elif step.action is Action.REPLACE_CONTROL_PLANE:
            assert cluster == step.version  # what a joining kubeadm starts
            servers[step.node] = step.version
        elif step.action is Action.REPLACE_WORKER:
            kubelets[step.node] = step.version
        for name, version in kubelets.items():
            check_skew(max(servers.values()), version, name)
        assert max(servers.values()).minor - min(servers.values()).minor <= 1
    assert set(servers.values()) == {target}
    assert set(kubelets.values()) <= {target}
    assert plan_upgrade(servers, kubelets, target) == ()


@pytest.mark.parametrize("text", ["1.36.3", "v1.36.3"])
def test_a_version_is_read_in_both_spellings(text: str) -> None:
    assert str(KubernetesVersion.parse(text)) == "v1.36.3"


@given(VERSIONS, VERSIONS)
@settings(max_examples=200, deadline=None)
def test_versions_are_ordered_as_numbers(one: KubernetesVersion, other: KubernetesVersion) -> None:
    assert KubernetesVersion.parse(str(one)) == one
    key = [[int(part) for part in str(version)[1:].split(".")] for version in (one, other)]
    assert (one < other) == (key[0] < key[1])


@pytest.mark.parametrize(
    ("server", "kubelet", "fits"),
    [
        ("1.36.3", "1.36.9", True),
        ("1.36.3", "1.33.0", True),
        ("1.36.3", "1.32.9", False),
        ("1.36.3", "1.37.0", False),
        ("1.28.0", "1.25.0", True),
        ("1.28.0", "1.24.0", False),
        ("1.27.0", "1.25.0", True),
        ("1.27.0", "1.24.0", False),
    ],
)
def test_skew(server: str, kubelet: str, fits: bool) -> None:
    one, other = (KubernetesVersion(*map(int, text.split("."))) for text in (server, kubelet))
    if fits:
        check_skew(one, other, "w-0")
    else:
        with pytest.raises(ConfigError, match="w-0"):
            check_skew(one, other, "w-0")


@pytest.mark.parametrize("count", [True, 0, 2, 4, 6, 7, -1, 1.0, "3"])
def test_counts_that_are_none(count: int) -> None:
    with pytest.raises(ConfigError):
        check_count(count, "demo")


def test_a_member_goes_only_where_quorum_stays() -> None:
    """All sets of up to five members and who of them answers."""
    for size in range(1, 6):
        members = [f"cp-{number}" for number in range(size)]
        for healthy in itertools.chain.from_iterable(
            itertools.combinations(members, number) for number in range(size + 1)
        ):
            for member in members:
                left = size - 1
                answering = len(set(healthy) - {member})
                before = len(healthy) > size / 2
                after = left > 0 and answering > left / 2
                if before and after:
                    check_removal(member, members, healthy)
                    continue
                with pytest.raises(ConfigError, match=member):
                    check_removal(member, members, healthy)


def test_a_learner_may_always_go() -> None:
    check_removal("cp-3", ["cp-0"], [])


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_quorum(members: int, needed: int) -> None:
    assert quorum(members) == needed
