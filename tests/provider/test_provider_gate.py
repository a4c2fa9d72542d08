"""The rolling gate: the canary goes alone, then so many at once, and none after the first that fails."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flatprov.errors import BootError, CancelledError, DeadlineError, FlatprovError, PlatformError
from flatprov.provider.gate import Gate, Gates
from flatprov.testing import operation


class Pool:
    """Nodes that pass a gate; it knows how many were inside."""

    def __init__(self, limit: int, failing: str = "") -> None:
        self.gate, self.failing = Gate(limit), failing
        self.lock = threading.Lock()
        self.inside, self.seen, self.done = 0, [], []

    def rebuild(self, node: str) -> str:
        try:
            with self.gate.turn(operation(node), node):
                with self.lock:
                    self.inside += 1
                    self.seen.append(self.inside)
                    alone = not self.done
                time.sleep(0.02)
                with self.lock:
                    self.inside -= 1
                    assert not alone or self.inside == 0  # nobody beside the canary
                if node == self.failing:
                    raise BootError(node, "it did not come back")
                self.done.append(node)
        except FlatprovError as error:
            return str(error)
        return ""

    def roll(self, count: int) -> list[str]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(self.rebuild, [f"web-{index}" for index in range(count)]))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_than_the_limit_at_once_and_one_alone_first(limit: int) -> None:
    pool = Pool(limit)
    assert pool.roll(10) == [""] * 10
    assert max(pool.seen) == limit
    assert pool.seen[:2] in ([1, 1], [1, 2])


def test_after_the_first_failure_the_rest_is_untouched() -> None:
    pool = Pool(2)
    pool.rebuild("web-x")
    pool.failing = "web-0"
    answers = [pool.rebuild("web-0"), *(pool.rebuild(f"web-{index}") for index in (1, 2))]
    assert answers[0] == "web-0: it did not come back"
    assert answers[1] == (
        "web-1: not started, because web-0 did not come back healthy; this node is untouched. "
        "Mend web-0 and run `pulumi up` again"
    )
    assert pool.done == ["web-x"]


def test_waiting_for_a_turn_ends_on_cancel_and_in_time() -> None:
    gate, cancelled = Gate(1), threading.Event()
    with gate.turn(operation(), "web-0"):
        with pytest.raises(DeadlineError), gate.turn(operation(limit_seconds=0.05), "web-1"):
            pass
        cancelled.set()
        with pytest.raises(CancelledError), gate.turn(operation(cancelled=cancelled), "web-2"):
            pass
    with gate.turn(operation(), "web-3"):  # those that only waited have not closed it
        pass


def test_pools_have_gates_of_their_own_and_the_first_limit_holds() -> None:
    gates = Gates()
    assert gates.of("proj/dev/web", 2) is gates.of("proj/dev/web", 9)
    assert gates.of("proj/dev/web", 2) is not gates.of("proj/dev/db", 2)
    with pytest.raises(PlatformError), gates.of("a", 0).turn(operation(), "x"):
        raise PlatformError("x", "no")
