"""Bootstrap tokens: how a machine proves once that it may join."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from flatprov.errors import ConfigError

_ALPHABET = string.ascii_lowercase + string.digits
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
#: How long a token lives; kubeadm's own default.
LIFE: Final = timedelta(hours=24)
#: What is left of a token's life when the last machine of a run may still come.
_MARGIN: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class BootstrapToken:
    """A bootstrap token.

    Attributes:
        id: its public half.
        secret: the other one.
        expires: when it ends, with a time zone; it ends later where the init node starts later.
        life: how long it lives from when the init node makes it known.
    """

    id: str
    secret: str = field(repr=False)
    expires: datetime
    life: timedelta = LIFE

    def __post_init__(self) -> None:
        if not _TOKEN.match(self.text):
            raise ConfigError("bootstrap token", "it is malformed", "its form is abcdef.0123456789abcdef", path="token")
        if self.expires.tzinfo is None:
            raise ConfigError("bootstrap token", "its end has no time zone", "give one in UTC", path="token")

    @property
    def ttl(self) -> str:
        """Its life as Kubernetes writes durations."""
        minutes, seconds = divmod(int(self.life.total_seconds()), 60)
        return f"{minutes // 60}h{minutes % 60}m{seconds}s"

    @property
    def text(self) -> str:
        """Both halves; secret."""
        return f"{self.id}.{self.secret}"

    @classmethod
    def parse(cls, text: str, expires: datetime) -> BootstrapToken:
        """Read a token that somebody else made.

        Raises:
            ConfigError: it is malformed. The message does not contain it.
        """
        public, _, secret = text.partition(".")
        return cls(id=public, secret=secret, expires=expires)

    def expired(self, now: datetime) -> bool:
        """Tell whether it has ended."""
        return now >= self.expires


def new_token(now: datetime, *, create_timeout: timedelta, life: timedelta = LIFE) -> BootstrapToken:
    """Make a token that outlives the slowest machine of this run.

    Args:
        now: the time, with a time zone.
        create_timeout: how long making the last machine may take.
        life: how long it lives otherwise.
    """
    public, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(size)) for size in (6, 16))
    life = max(life, create_timeout + _MARGIN)
    return BootstrapToken(id=public, secret=secret, expires=now + life, life=life)


def check_usable(token: BootstrapToken, now: datetime, subject: str) -> None:
    """Refuse a token with which nobody can join any more.

    Raises:
        ConfigError: it has expired; the message says when.
    """
    if token.expired(now):
        ended = token.expires.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        raise ConfigError(
            subject,
            f"its bootstrap token expired at {ended}: a machine that uses it waits in vain",
            "make a new one for the nodes that have not joined (kubeadm token create, or the next up)",
            path="token",
        )


def needs_new_token(
    token: BootstrapToken, now: datetime, *, create_timeout: timedelta, waiting: Collection[str]
) -> bool:
    """Tell whether nodes that have not joined need another token; joined ones never do.

    Args:
        token: the present one.
        now: the time.
        create_timeout: how long making the last machine may take.
        waiting: nodes that have not joined.
    """
    return bool(waiting) and token.expires < now + create_timeout


def token_secret(token: BootstrapToken) -> dict[str, Any]:
    """The Secret that makes a token known to a running cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{token.id}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": token.id,
            "token-secret": token.secret,
            "expiration": token.expires.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": GROUP,
        },
    }
