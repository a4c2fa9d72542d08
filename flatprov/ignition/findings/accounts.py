"""Users whose keys or password hashes let nobody in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from flatprov.ignition.checks import key_problem
from flatprov.ignition.findings.codes import entry
from flatprov.ignition.findings.placeholders import whole_value
from flatprov.ignition.findings.view import View, inner, texts
from flatprov.ignition.report import Entry

_LOCKED: Final = frozenset({"", "*", "!", "!!", "!*", "x"})
_B64: Final = "[./0-9A-Za-z]"
#: Every form that libxcrypt reads, with its exact lengths: a hash that was cut never matches a password.
_CRYPT: Final = re.compile(
    rf"""!{{0,2}}(?:
      \$y\$ {_B64}+ \$ {_B64}{{1,86}} \$ {_B64}{{43}}            # yescrypt
    | \$gy\$ {_B64}+ \$ {_B64}{{1,86}} \$ {_B64}{{43}}           # gost-yescrypt
    | \$7\$ {_B64}{{11,97}} \$ {_B64}{{43}}                      # scrypt
    | \$2[abxy]\$ [0-9]{{2}} \$ {_B64}{{53}}                     # bcrypt
    | \$6\$ (?:rounds=[0-9]+\$)? [^$:\s]{{0,16}} \$ {_B64}{{86}} # sha512crypt
    | \$5\$ (?:rounds=[0-9]+\$)? [^$:\s]{{0,16}} \$ {_B64}{{43}} # sha256crypt
    | \$1\$ [^$:\s]{{0,8}} \$ {_B64}{{22}}                       # md5crypt
    | \$sha1\$ [0-9]+ \$ {_B64}{{1,64}} \$ {_B64}{{28}}
    | (?=\S*[A-Za-z]) {_B64}{{13}}                               # traditional DES; digits alone are no such hash
    | _ {_B64}{{19}}                                             # BSDi
    )\Z""",
    re.X,
)
_HASH_FIX: Final = "make one with: openssl passwd -6, or mkpasswd --method=yescrypt"


def find(view: View) -> Iterator[Entry]:
    """Find keys that are no keys and hashes that are no hashes."""
    for path, user in view.users:
        for place, key in texts(user, path, "sshAuthorizedKeys"):
            problem = key_problem(key)
            if not problem:
                continue
            if found := whole_value(key):
                message = f"is no OpenSSH public key line: the place-holder {found[:60]} was left in"
                yield entry("placeholder", place, message, "put the text of the .pub file in its place")
            else:
                fix = "give the text of the .pub file, such as 'ssh-ed25519 AAAA... name'"
                yield entry("ssh-key", place, problem, fix)
    for path, account in (*view.users, *view.groups):
        value = account.get("passwordHash")
        if not isinstance(value, str) or value in _LOCKED or _CRYPT.match(value):
            continue
        place = (*path, "passwordHash")
        if found := whole_value(value):
            yield entry("placeholder", place, f"the place-holder {found[:60]} was left in the hash", _HASH_FIX)
        elif value.startswith("$"):
            yield entry("password-hash", place, "is cut short or altered: no password will match it", _HASH_FIX)
        else:
            yield entry("password-hash", place, "is no crypt string: no password will match it", _HASH_FIX)


def find_missing(view: View) -> Iterator[Entry]:
    """Find groups and owners that neither the config nor the release has: the first boot fails there.

    Nothing is said where the release's accounts are not known, or parts of the config are fetched.
    """
    if not view.target.groups or view.fetches_config:
        return
    existing = [user for _, user in view.users if user.get("shouldExist") is not False]
    users = {str(user.get("name")) for user in existing} | view.target.users
    groups = {str(user.get("name")) for user in existing if user.get("noUserGroup") is not True} | view.target.groups
    groups |= {str(group.get("name")) for _, group in view.groups if group.get("shouldExist") is not False}
    for path, user in view.users:
        wanted = texts(user, path, "groups")
        primary = user.get("primaryGroup")
        if isinstance(primary, str) and primary:
            wanted.append(((*path, "primaryGroup"), primary))
        for place, name in wanted:
            if name and name not in groups and not name.isdigit() and not whole_value(name):
                message = f"neither the config nor the release makes the group {name[:60]}: the first boot fails"
                yield entry("group-missing", place, message, _account_fix(name, groups, "passwd.groups"))
    for path, node in (*view.files, *view.directories, *view.links):
        for kind, known in (("user", users), ("group", groups)):
            owner = inner(node, kind).get("name") if kind in node else None
            if isinstance(owner, str) and owner and owner not in known and not whole_value(owner):
                message = f"neither the config nor the release makes the {kind} {owner[:60]}: the first boot fails"
                yield entry(
                    "owner-missing", (*path, kind, "name"), message, _account_fix(owner, known, f"passwd.{kind}s")
                )


def _account_fix(name: str, known: set[str] | frozenset[str], section: str) -> str:
    near = get_close_matches(name[:60], sorted(known), n=1, cutoff=0.75)
    return f"did you mean {near[0]}? Otherwise add it to {section}" if near else f"add it to {section}"
