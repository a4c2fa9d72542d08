"""The config as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from flatprov.errors import ConfigError
from flatprov.ignition.checks import Part
from flatprov.ignition.contents import check_contents
from flatprov.ignition.disks import Disk, Filesystem, Raid
from flatprov.ignition.loading import load
from flatprov.ignition.luks import Luks
from flatprov.ignition.nodes import Directory, File, Link
from flatprov.ignition.parsing import parse
from flatprov.ignition.passwd import Group, User
from flatprov.ignition.rendering import render
from flatprov.ignition.root import KernelArguments, Proxy, Timeouts
from flatprov.ignition.schema import IGNITION, VERSIONS
from flatprov.ignition.systemd import Unit
from flatprov.ignition.transport import dumps

if TYPE_CHECKING:
    from flatprov.ignition.contents import Contents

_ITEMS = {
    "users": User, "groups": Group, "files": File, "directories": Directory, "links": Link, "units": Unit,
    "disks": Disk, "raid": Raid, "filesystems": Filesystem, "luks": Luks,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ignition(Part, shape=IGNITION, place="ignition"):
    r"""What a machine shall be at its first boot.

    ::

        Ignition(users=[User("core", ssh_keys=[key])],
                 files=[File("/etc/motd", "hello\n", overwrite=True)],
                 units=[Unit("app.service", contents=text)])

    ``a + b`` merges ``b`` onto ``a`` by Ignition's own rules. The sum holds both as ``layers`` and merges them when
    it is rendered, because only then all keys are known.

    Args:
        users: users to create or change.
        groups: groups to create or change.
        files: files to write.
        directories: directories to make.
        links: symbolic and hard links to make.
        units: systemd units to write, enable or mask.
        disks: disks to partition.
        raid: RAID arrays to build.
        filesystems: filesystems to make.
        luks: devices to encrypt.
        kernel_arguments: arguments the kernel shall have or not have.
        merge: configs to fetch and merge onto this one, in this order.
        replace: a config to fetch and use instead of this one.
        proxy: HTTP proxies for fetching.
        certificate_authorities: PEM certificates to trust while fetching, inline or to fetch.
        timeouts: limits for fetching.
        version: the lowest spec version to render; a higher one is taken where a property needs it.
        layers: configs that this one is merged onto, lowest first.
        silence: codes of findings that are meant to be so, such as ``"remote-without-hash"``.

    Raises:
        ConfigError: a plain value is of a wrong type or an obvious mistake; ``path`` names it.
    """

    users: Sequence[User] = ()
    groups: Sequence[Group] = ()
    files: Sequence[File] = ()
    directories: Sequence[Directory] = ()
    links: Sequence[Link] = ()
    units: Sequence[Unit] = ()
    disks: Sequence[Disk] = ()
    raid: Sequence[Raid] = ()
    filesystems: Sequence[Filesystem] = ()
    luks: Sequence[Luks] = ()
    kernel_arguments: KernelArguments | None = None
    merge: Sequence[Contents] = field(default=(), repr=False)
    replace: Contents | None = field(default=None, repr=False)
    proxy: Proxy | None = None
    certificate_authorities: Sequence[Contents] = ()
    timeouts: Timeouts | None = None
    version: str | None = None
    layers: Sequence[Ignition] = ()
    silence: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.version is not None and self.version not in VERSIONS:
            raise ConfigError(
                "version", "is no stable spec version", f"write one of {', '.join(VERSIONS)}", path="version"
            )
        for attribute, kind in (*_ITEMS.items(), ("layers", Ignition)):
            self._items(attribute, kind)
        for attribute, one in (("kernel_arguments", KernelArguments), ("proxy", Proxy), ("timeouts", Timeouts)):
            value = getattr(self, attribute)
            if isinstance(value, (str, bytes, int, float, list, tuple, dict)):
                raise self.fail(attribute, f"must be {one.__name__}(...)", "construct the class")
        for attribute in ("merge", "certificate_authorities"):
            self._items(attribute, None)
        self._codes()
        check_contents(self, "replace", self.replace)

    def _items(self, attribute: str, kind: type | None) -> None:
        value = getattr(self, attribute)
        if isinstance(value, (str, bytes, int, float, dict, set, Part)):
            raise self.fail(attribute, "must be a list", f"write {attribute}=[...]")
        for number, one in enumerate(value if isinstance(value, (list, tuple)) else ()):
            if kind is None:
                check_contents(self, f"{attribute}[{number}]", one)
            elif one is None or isinstance(one, (str, bytes, int, float, list, tuple, dict)):
                fix = f"construct {kind.__name__}(...)"
                raise self.fail(f"{attribute}[{number}]", f"must be a {kind.__name__}", fix)
            elif isinstance(one, Part) and not isinstance(one, kind):
                fix = f"move it to the list for {type(one).__name__}"
                raise self.fail(f"{attribute}[{number}]", f"is a {type(one).__name__}, not a {kind.__name__}", fix)

    def _codes(self) -> None:
        if isinstance(self.silence, (str, bytes, int, float, dict)):
            raise self.fail("silence", "must be a list", 'write silence=["remote-without-hash"]')
        if isinstance(self.silence, (list, tuple, set, frozenset)) and self.silence:
            from flatprov.ignition.findings.codes import checked  # late: few configs silence anything

            checked(self.silence)

    def fail(self, attribute: str, problem: str, fix: str) -> ConfigError:
        """Make the error for a property of the config."""
        return ConfigError(attribute, problem, fix, path=attribute)

    def __add__(self, other: Ignition) -> Ignition:
        """Merge ``other`` onto this config."""
        if not isinstance(other, Ignition):
            return NotImplemented
        # Only a sum that is nothing but layers can take one more: merging is not associative.
        below = self.layers if self == Ignition(layers=self.layers) and isinstance(self.layers, tuple) else (self,)
        return Ignition(layers=(*below, other))

    def silenced(self) -> frozenset[str]:
        """Give the codes that this config and its layers silence."""
        return frozenset(self.silence).union(*(layer.silenced() for layer in self.layers))

    def to_json(self) -> str:
        """Render to compact JSON.

        Raises:
            ConfigError: a value is still an unresolved output.
        """
        return dumps(render(self))

    @classmethod
    def from_json(cls, config: str | bytes | Mapping[str, Any]) -> Ignition:
        """Load an Ignition config of any stable spec 3.x; every property is kept.

        Raises:
            ConfigError: it is no JSON (with line and column), no Ignition 3 config (with what it looks like), or
                has a property that is unknown or of a wrong type (with its path).
        """
        return cls(**load(parse(config)))

    @classmethod
    def from_butane(
        cls,
        config: str | bytes,
        *,
        files_dir: str | PathLike[str] | None = None,
        strict: bool = False,
        silence: Sequence[str] = (),
    ) -> Ignition:
        """Load Butane YAML of the variant flatcar, version 1.0.0 or 1.1.0, with all its sugar.

        ``flatprov.ignition.butane.translate`` gives the warnings too.

        Args:
            config: the YAML.
            files_dir: the folder that ``local`` files and trees come from; None refuses them.
            strict: take warnings for errors.
            silence: codes of findings that are meant to be so, such as ``unknown-key``.

        Raises:
            ConfigError: ``path`` is the YAML path of the first error; the text has all of them with line and column.
        """
        from flatprov.ignition.butane.loading import load_butane

        found = load_butane(config, files_dir=files_dir, strict=strict, silence=silence)
        return cls(**load(found), silence=silence)
