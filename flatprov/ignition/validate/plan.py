"""The table of the specs, prepared for one spec version: what the walks need of each object, at hand.

The order is that of Ignition's own types, because a report has it: by name, but the properties that files, directories
and links have in common come first. The names of those types stand in the messages about values of a wrong type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from flatprov.ignition.gotext import fold
from flatprov.ignition.schema import REFERENCE, RESOURCE, ROOT, Field, Kind, Shape, item_key
from flatprov.ignition.validate import disks, luks, resources, storage, systemd
from flatprov.ignition.validate.findings import Rule

_SCALARS: Final = {Kind.STRING: ("string", str), Kind.INTEGER: ("int", int), Kind.BOOLEAN: ("bool", bool)}
_STRINGS: Final = {
    "groups": "Group", "sshAuthorizedKeys": "SSHAuthorizedKey", "mountOptions": "MountOption", "devices": "Device",
    "openOptions": "OpenOption", "noProxy": "NoProxyItem", "shouldExist": "KernelArgument",
    "shouldNotExist": "KernelArgument",
}  # fmt: skip
_OPTIONS: Final = {"raid": "RaidOption", "filesystem": "FilesystemOption", "luks": "LuksOption"}
_OBJECTS: Final = {
    "user": "PasswdUser", "group": "PasswdGroup", "config": "IgnitionConfig", "kernelArguments": "KernelArguments",
    "tls": "TLS", "header": "HTTPHeader",
}  # fmt: skip
_NODES: Final = ("file", "directory", "link")
_NODE_FIELDS: Final = ("path", "overwrite", "user", "group")
#: Texts and numbers that Ignition's types cannot hold as absent, by object; ``""`` stands for all objects.
_PLAIN: Final = {
    "version": "", "name": "user group raid luks unit dropin header", "path": "file directory link",
    "device": "disk filesystem", "number": "partition", "url": "tang",
}  # fmt: skip
RULES: Final[dict[str, Rule]] = {**resources.RULES, **storage.RULES, **disks.RULES, **luks.RULES, **systemd.RULES}


@dataclass(frozen=True, eq=False)
class Member:
    """One property.

    Attributes:
        go_type: the name of its Go type, of a list's item without the brackets.
        list_type: the name of the list's type, or ``""`` where it is no list.
        embedded: the Go type in the object's type that holds it, as a prefix of its name in messages, or ``""``.
        python: what ``json`` makes of it.
        item: what ``json`` makes of an item of it, for lists.
        plain: whether ``null`` leaves its old value alone.
    """

    name: str
    kind: Kind
    go_type: str
    list_type: str
    embedded: str
    python: type
    item: type | None
    plain: bool
    plan: Plan | None


@dataclass(eq=False)
class Plan:
    """One kind of object in one spec version.

    Attributes:
        go_type: the name of its Go type.
        rule: what is checked of it.
        members: its properties.
        folded: the same by what Go takes for the same name.
        checks: for each property the type of its value, of an item of it, and the plan of an object in it.
        children: the properties with objects in them, in the order of a report, and whether they are lists.
        unique: the lists whose items may not repeat, together with those that share their keys.
    """

    shape: Shape
    go_type: str
    rule: Rule | None = None
    members: dict[str, Member] = field(default_factory=dict)
    folded: dict[str, Member] = field(default_factory=dict)
    checks: dict[str, tuple[type, type | None, Plan | None]] = field(default_factory=dict)
    children: tuple[tuple[str, bool, Plan], ...] = ()
    unique: tuple[tuple[tuple[str, Callable[[Any], str] | None], ...], ...] = ()


@cache
def plan_of(spec: str) -> Plan:
    """Give the plan of a whole config of one spec version: ``3.4.0``."""
    return _plan(ROOT, "Config", spec)


@cache
def stub() -> Plan:
    """Give the plan of what Ignition decodes first, to know the version."""
    version = Member("Version", Kind.STRING, "string", "", "", str, None, True, None)
    inner = Plan(Shape("stub", ()), "", None, {"Version": version}, {"version": version})
    name = "struct { Version string }"
    ignition = Member("Ignition", Kind.OBJECT, name, "", "", dict, None, True, inner)
    return Plan(Shape("stub", ()), "versionStub", None, {"Ignition": ignition}, {"ignition": ignition})


def _plan(shape: Shape, go_type: str, spec: str) -> Plan:
    plan = Plan(shape, go_type, RULES.get(go_type))
    known = [item for item in shape.fields if item.since <= spec]
    for item in sorted(known, key=lambda item: (item.name not in _NODE_FIELDS or shape.name not in _NODES, item.name)):
        member = _member(shape, item, spec)
        plan.members[item.name] = plan.folded[fold(item.name)] = member
        plan.checks[item.name] = (member.python, member.item, member.plan)
    plan.children = tuple(
        (name, member.kind is Kind.OBJECTS, member.plan) for name, member in plan.members.items() if member.plan
    )
    plan.unique = tuple(_unique(plan))
    return plan


def _unique(plan: Plan) -> list[tuple[tuple[str, Callable[[Any], str] | None], ...]]:
    groups: dict[tuple[str, ...], list[tuple[str, Callable[[Any], str] | None]]] = {}
    for name, member in plan.members.items():
        if member.list_type and not plan.shape.by_name[name].repeats:
            space = next((space for space in plan.shape.spaces if name in space), (name,))
            groups.setdefault(space, []).append((name, _key_of(member)))
    return [tuple(group) for group in groups.values()]


def _key_of(member: Member) -> Callable[[Any], str] | None:
    shape = member.plan.shape if member.plan else None
    if shape is None:
        return None
    if shape.key == "number":
        return lambda item: item_key(shape, item or {})
    name = shape.key
    return lambda item: (item or {}).get(name) or ""


def _member(shape: Shape, item: Field, spec: str) -> Member:
    embedded = ""
    if shape.name in _NODES:
        embedded = "Node." if item.name in _NODE_FIELDS else f"{shape.name.capitalize()}Embedded1."
    plan = _plan(item.shape, _object_type(shape, item, spec), spec) if item.shape else None
    is_list = item.kind in (Kind.STRINGS, Kind.OBJECTS)
    python: type
    if plan:
        go_type, python = f"types.{plan.go_type}", dict
    elif item.kind is Kind.STRINGS:
        go_type, python = f"types.{_STRINGS.get(item.name) or _OPTIONS[shape.name]}", str
    else:
        go_type, python = _SCALARS[item.kind]
    list_type = "types.HTTPHeaders" if item.name == "httpHeaders" else f"[]{go_type}" if is_list else ""
    return Member(
        item.name, item.kind, go_type, list_type, embedded, list if is_list else python, python if is_list else None,
        _is_plain(shape, item, spec), plan,
    )  # fmt: skip


def _object_type(parent: Shape, item: Field, spec: str) -> str:
    shape = item.shape
    if shape in (RESOURCE, REFERENCE):
        if spec >= "3.1.0":
            return "Resource"
        return "FileContents" if shape is RESOURCE else "CaReference" if parent.name == "tls" else "ConfigReference"
    if shape is None or shape.name == "owner":
        return f"Node{item.name.capitalize()}"
    if shape.name == "custom":
        return "Custom" if spec < "3.3.0" else "ClevisCustom"
    return _OBJECTS.get(shape.name) or shape.name[:1].upper() + shape.name[1:]


def _is_plain(shape: Shape, item: Field, spec: str) -> bool:
    if item.kind is Kind.OBJECT:
        return not (spec < "3.3.0" and item.name in ("clevis", "custom"))
    if item.name in _PLAIN and (not _PLAIN[item.name] or shape.name in _PLAIN[item.name].split()):
        return True
    older = {"level": "3.3.0", "target": "3.3.0", "pin": "3.3.0", "config": "3.3.0"}
    if item.kind is Kind.STRING and spec < older.get(item.name, ""):
        return True
    return item.name == "source" and shape is REFERENCE and spec < "3.1.0"
