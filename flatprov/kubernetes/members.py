"""Which etcd member may go without the cluster losing its quorum. Counting only; nothing is asked or done here."""

from __future__ import annotations

from collections.abc import Collection

from flatprov.errors import ConfigError

CONTROL_PLANE_COUNTS = (1, 3, 5)


def check_count(count: int, subject: str) -> None:
    """Refuse a number of control planes that is not 1, 3 or 5.

    Raises:
        ConfigError: it is not; an even number bears no more losses than the odd one below it.
    """
    if type(count) is int and count in CONTROL_PLANE_COUNTS:  # True is an int too
        return
    even = type(count) is int and count > 0 and count % 2 == 0
    why = f", and {count} bear no more losses than {count - 1}" if even else ""
    raise ConfigError(
        subject, f"a control plane has 1, 3 or 5 nodes{why}", "set count to one of these", path="control_plane.count"
    )


def quorum(members: int) -> int:
    """How many of so many members have to answer."""
    return members // 2 + 1


def check_removal(member: str, voting: Collection[str], healthy: Collection[str]) -> None:
    """Refuse to take a member out where those left would have no quorum.

    Args:
        member: the one to take out.
        voting: all voting members, it included.
        healthy: those that answer.

    Raises:
        ConfigError: it is the last one, or too few of the others answer.
    """
    if member not in voting:
        return  # a learner counts for nothing
    everyone = set(voting)
    left = everyone - {member}
    answering = left & set(healthy)
    missing = ", ".join(sorted(everyone - set(healthy) - {member})) or member
    if not left:
        raise ConfigError(
            member, "it is the only etcd member: without it the cluster is lost", "add another control plane first"
        )
    # Taking one out is itself a decision of the present members; those left decide from then on.
    if len(everyone & set(healthy)) < quorum(len(everyone)):
        raise ConfigError(
            member,
            f"etcd has no quorum: {len(everyone & set(healthy))} of {len(everyone)} members answer",
            f"bring back {missing}, or restore a snapshot",
        )
    if len(answering) < quorum(len(left)):
        raise ConfigError(
            member,
            f"without it etcd has no quorum: {len(answering)} of {len(left)} other members answer",
            f"bring back {missing} first",
        )
