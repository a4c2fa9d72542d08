"""Clocks of the host and of its guests, beside the one of this machine.

Certificates and tokens are made here and are valid from now on: a node whose clock is behind refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping

from flatprov.platforms.finding import Finding
from flatprov.platforms.libvirt import facts
from flatprov.platforms.libvirt.checks import outcome

TOLERATED_SECONDS = 30.0  #: etcd warns from one second on, certificates and tokens bear minutes
_NTP = "run `timedatectl set-ntp true` there (systemd-timesyncd or chrony)"


def host(subject: str, now: float, *, same_machine: bool, newest_change: float) -> Finding:
    """The host's clock, as far as it shows.

    libvirt has no call for it. What a daemon on another machine does tell is when its files were changed: one that was
    changed in our future proves that its clock is ahead. One that is behind cannot be seen.

    Args:
        subject: the host.
        now: this machine's clock, Unix time.
        same_machine: the daemon runs on this machine.
        newest_change: when the newest file of its pools was changed, by the host's clock; 0 for none.
    """
    check = "the host's clock is right"
    if same_machine:
        return outcome.ok(check, subject, f"it is the clock of this machine, {facts.at(now)}")
    ahead = newest_change - now
    if ahead > TOLERATED_SECONDS:
        text = f"it is {ahead:.0f} s ahead of this machine's or more: a file there is of {facts.at(newest_change)}"
        return outcome.warning(check, subject, text, _NTP)
    text = "libvirt does not tell the time of another machine; nothing there is dated in the future"
    return outcome.unknown(check, subject, text, f"run `date -u` there; here it is {facts.at(now)}")


def guests(subject: str, differences: Mapping[str, float]) -> Finding:
    """Clocks of running nodes, by the guest agent.

    Args:
        subject: the host.
        differences: by node: its clock minus this machine's, in seconds.
    """
    check = "the nodes' clocks are right"
    wrong = {name: value for name, value in differences.items() if abs(value) > TOLERATED_SECONDS}
    if wrong:
        text = ", ".join(f"{name} is {abs(value):.0f} s {_way(value)}" for name, value in sorted(wrong.items()))
        fix = "check that systemd-timesyncd in the node reaches a time server, and the host's clock"
        return outcome.warning(check, subject, text, fix)
    if not differences:
        return outcome.unknown(check, subject, "no running node with a guest agent was there to be asked")
    worst = max(abs(value) for value in differences.values())
    return outcome.ok(check, subject, f"{len(differences)} asked, at most {worst:.1f} s off")


def _way(value: float) -> str:
    return "ahead" if value > 0 else "behind"
