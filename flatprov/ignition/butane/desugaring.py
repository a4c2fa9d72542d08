"""Turn sugar into what Ignition knows: inline and local contents, trees, local keys and local units."""

from __future__ import annotations

import re
from posixpath import join, normpath
from typing import Any

from flatprov.ignition.butane.decoding import Decoder, Path
from flatprov.ignition.butane.files import NO_FOLDER, Found, LocalError, LocalFiles
from flatprov.ignition.butane.origins import Origins
from flatprov.ignition.dataurl import encode
from flatprov.ignition.report import Entry


class Desugarer:
    """Works on one decoded config, which it changes.

    Args:
        decoder: what was noted while decoding.
        files: where local files come from, or None where there are none.
        spec: the spec version that is made.
        compress: let inline contents be compressed where that is shorter.
        ignition_version: whose rules configs to merge are checked by.
    """

    def __init__(
        self, decoder: Decoder, files: LocalFiles | None, *, spec: str, compress: bool, ignition_version: str | None
    ) -> None:
        self.problems: list[Entry] = []
        self.origins = Origins()
        self._noted = decoder.noted
        self._files = files
        self._spec = spec
        self._compress = compress
        self._ignition_version = ignition_version

    def run(self, config: dict[str, Any]) -> None:
        """Desugar everything but mount units."""
        for found, path in self._noted["resource"]:
            self._resource(found, path)
        for found, path in self._noted["user"]:
            self._keys(found, path)
        for kind in ("unit", "dropin"):
            for found, path in self._noted[kind]:
                self._contents(found, path)
        trees = (config.get("storage") or {}).pop("trees", ())
        nodes = _Nodes(config) if trees else None
        for number, tree in enumerate(trees):
            if nodes is not None and not self._tree(nodes, tree, ("storage", "trees", number)):
                break

    def _read(self, name: str, path: Path) -> bytes | None:
        try:
            if self._files is None:
                raise LocalError(NO_FOLDER)
            return self._files.read(name)
        except LocalError as error:
            self._fail(path, error)
            return None

    def _fail(self, path: Path, error: LocalError) -> None:
        self.problems.append(Entry("error", path, str(error)))

    def _resource(self, found: dict[str, Any], path: Path) -> None:
        for name in ("inline", "local"):
            given = found.pop(name, None)
            if given is None:
                continue
            data = self._read(given, (*path, name)) if name == "local" else given
            if data is None:
                continue
            if path[:2] == ("ignition", "config") and not found.get("compression"):
                self._reference(data, (*path, name))
            self._inline(found, data.encode() if isinstance(data, str) else data, _json(path), (*path, name))

    def _reference(self, data: str | bytes, path: Path) -> None:
        from flatprov.ignition.butane.references import check_reference

        self.problems += check_reference(data, path, self._spec, self._ignition_version)

    def _inline(self, found: dict[str, Any], data: bytes, place: Path, source: Path) -> None:
        self.origins.add((*place, "source"), source, whole=True)
        given = found.get("compression")
        if not given:
            self.origins.add((*place, "compression"), source, whole=True)
            given = None if self._compress else ""
        found["source"], found["compression"] = encode(data, given)

    def _keys(self, found: dict[str, Any], path: Path) -> None:
        names = found.pop("ssh_authorized_keys_local", ())
        where = (*path, "ssh_authorized_keys_local")
        if not names:
            return
        if self._files is None:
            self._fail(where, LocalError(NO_FOLDER))
            return
        keys = found.setdefault("sshAuthorizedKeys", [])
        for number, name in enumerate(names):
            data = self._read(name, (*where, number))
            try:
                lines = re.split(r"\r?\n", (data or b"").decode())
            except UnicodeDecodeError:
                self._fail((*where, number), LocalError(f"read {name}: is no UTF-8 text"))
                continue
            for line in filter(None, lines):
                self.origins.add((*path, "sshAuthorizedKeys", len(keys)), (*where, number), whole=True)
                keys.append(line)
        if not keys:
            del found["sshAuthorizedKeys"]

    def _contents(self, found: dict[str, Any], path: Path) -> None:
        name = found.pop("contents_local", None)
        if not name:
            return
        where = (*path, "contents_local")
        data = self._read(name, where)
        if data is None:
            return
        try:
            found["contents"] = data.decode()
        except UnicodeDecodeError:
            self._fail(where, LocalError(f"read {name}: is no UTF-8 text"))
        self.origins.add((*path, "contents"), where, whole=True)

    def _tree(self, nodes: _Nodes, tree: dict[str, Any], where: Path) -> bool:
        if self._files is None:
            self._fail(where, LocalError(NO_FOLDER))
            return False
        try:
            for found in self._files.walk(tree["local"]):
                self._node(nodes, join(tree.get("path") or "/", found.path), found, where)
        except LocalError as error:
            self._fail(where, error)
        return True

    def _node(self, nodes: _Nodes, path: str, found: Found, where: Path) -> None:
        path = normpath(path)
        kind = {"file": "files", "link": "links"}.get(found.kind)
        if kind is None:
            self._fail(where, LocalError("trees may only contain files, directories, and symlinks"))
            return
        place, node = nodes.get(kind, path)
        holds = node and (node.get("target") or (node.get("contents") or {}).get("source"))
        if holds or (node is None and nodes.exists(path)):
            self._fail(where, LocalError("matching filesystem node has existing contents or different type"))
            return
        if node is None:
            place, node = nodes.add(kind, path)
            self.origins.add(place, where, whole=True)
        if kind == "links":
            node["target"] = found.target
            self.origins.add((*place, "target"), where, whole=True)
            return
        data = self._read(found.source, where)
        if data is not None:
            self._inline(node.setdefault("contents", {}), data, (*place, "contents"), where)
        if "mode" not in node:
            node["mode"] = 0o755 if found.executable else 0o644
            self.origins.add((*place, "mode"), where, whole=True)


class _Nodes:
    """The files, directories and links of a config, by path."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._storage = config.setdefault("storage", {})
        self._places: dict[str, dict[str, int]] = {
            kind: {node.get("path", ""): number for number, node in enumerate(self._storage.get(kind, ()))}
            for kind in ("files", "directories", "links")
        }

    def exists(self, path: str) -> bool:
        return any(path in places for places in self._places.values())

    def get(self, kind: str, path: str) -> tuple[Path, dict[str, Any] | None]:
        number = self._places[kind].get(path)
        return ("storage", kind, number or 0), None if number is None else self._storage[kind][number]

    def add(self, kind: str, path: str) -> tuple[Path, dict[str, Any]]:
        nodes = self._storage.setdefault(kind, [])
        node: dict[str, Any] = {"path": path}
        self._places[kind][path] = len(nodes)
        nodes.append(node)
        return ("storage", kind, len(nodes) - 1), node


def _json(path: Path) -> Path:
    """Spell the path of a resource as the JSON does."""
    names = {"key_file": "keyFile", "certificate_authorities": "certificateAuthorities"}
    return tuple(names.get(step, step) if isinstance(step, str) else step for step in path)
