"""What a cluster's list of nodes says about the machines that should be in it. The list is data: nobody is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def node_problems(wanted: Collection[str], seen: Mapping[str, bool]) -> tuple[str, ...]:
    """Compare the nodes that should be there with those that are, one sentence for each problem.

    Args:
        wanted: the names of the cluster's machines.
        seen: the names the API lists, and whether each is Ready.

    Returns:
        Nothing where all are there and Ready. A node that is nobody's is named only where one is missing: others may
        add nodes of their own.
    """
    missing = sorted(set(wanted) - set(seen))
    found = [f"node {name} has not joined" for name in missing]
    strangers = sorted(set(seen) - set(wanted))
    for name in strangers:
        if name.partition(".")[0].startswith("localhost"):
            found.append(
                f"a machine registered as {name}: its kubelet started before it had its host name; "
                "delete that Node and rebuild the machine that has not joined"
            )
        elif missing:
            found.append(f"a machine registered as {name}, which is the name of none of this cluster's machines")
    found += [f"node {name} is not Ready" for name in sorted(set(wanted) & set(seen)) if not seen[name]]
    return tuple(found)
