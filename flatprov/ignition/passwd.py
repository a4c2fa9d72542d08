"""Users and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from flatprov.ignition.checks import LoadedText, Part, key_problem, plain_texts
from flatprov.ignition.schema import GROUP, USER

if TYPE_CHECKING:
    from pulumi import Input


@dataclass(frozen=True)
class User(Part, shape=USER, place="users"):
    """A user to create, or to change: ``core`` exists on every Flatcar machine.

    Args:
        name: the login name.
        ssh_keys: public keys, each a line as in ``authorized_keys``.
        password_hash: as in ``/etc/shadow``; never the password itself.
        groups: supplementary groups, which must exist.
        uid: the number; chosen by the system when left out.
        gecos: the full name, or another comment on the account.
        home_dir: the home directory; ``/home/NAME`` when left out.
        primary_group: name of the primary group, which must exist; a group of the user's name when left out.
        shell: the login shell; ``/bin/bash`` on Flatcar when left out.
        no_create_home: True makes no home directory.
        no_log_init: True leaves the user out of lastlog and faillog, which are large where numbers are.
        no_user_group: True makes no group of the user's name.
        system: True makes a system account: a low number, no home directory, no expiry.
        should_exist: False removes the user.

    Raises:
        ConfigError: the name is empty, or a key is no complete OpenSSH public key.
    """

    name: Input[str]
    _: KW_ONLY
    ssh_keys: Input[Sequence[Input[str]]] = ()
    password_hash: Input[str] | None = field(default=None, repr=False)
    groups: Input[Sequence[Input[str]]] = ()
    uid: Input[int] | None = None
    gecos: Input[str] | None = None
    home_dir: Input[str] | None = None
    primary_group: Input[str] | None = None
    shell: Input[str] | None = None
    no_create_home: Input[bool] | None = None
    no_log_init: Input[bool] | None = None
    no_user_group: Input[bool] | None = None
    system: Input[bool] | None = None
    should_exist: Input[bool] | None = None

    def _check(self) -> None:
        if self.name == "":
            raise self.fail("name", "is empty", "name the user")
        for number, key in plain_texts(self.ssh_keys):
            problem = "" if isinstance(key, LoadedText) else key_problem(key)
            if problem:
                fix = "give the text of the .pub file, such as 'ssh-ed25519 AAAA... name'"
                raise self.fail(f"ssh_keys[{number}]", problem, fix)


@dataclass(frozen=True)
class Group(Part, shape=GROUP, place="groups"):
    """A group to create, or to change.

    Args:
        name: its name.
        gid: the number; chosen by the system when left out.
        password_hash: as in ``/etc/gshadow``.
        system: True makes a system group, with a low number.
        should_exist: False removes the group.

    Raises:
        ConfigError: the name is empty.
    """

    name: Input[str]
    _: KW_ONLY
    gid: Input[int] | None = None
    password_hash: Input[str] | None = field(default=None, repr=False)
    system: Input[bool] | None = None
    should_exist: Input[bool] | None = None

    def _check(self) -> None:
        if self.name == "":
            raise self.fail("name", "is empty", "name the group")
