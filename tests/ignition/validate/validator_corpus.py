"""Configs to compare on: every feature in every spec, and what becomes of them when one thing is changed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, TypeAlias

from validator_oracle import rows

from flatprov.ignition.schema import ROOT, VERSIONS, Shape

Path: TypeAlias = tuple[str | int, ...]
SPECS = (*VERSIONS[:-1], "3.6.0-experimental")
UNIT = "[Unit]\nDescription=a\n\n[Install]\nWantedBy=multi-user.target\n"
DATA = {"source": "data:,hello%0A", "compression": "", "verification": {"hash": "sha512-" + "0a" * 64}}
REMOTE = {
    "source": "https://host.example/a?b=c#d", "compression": "gzip", "verification": {"hash": "sha512-" + "0b" * 64},
    "httpHeaders": [{"name": "A", "value": "b"}, {"name": "C"}],
}  # fmt: skip

#: A valid config with every property there is.
COMPLETE: dict[str, Any] = {
    "ignition": {
        "version": "",
        "config": {"merge": [REMOTE, {"source": "tftp://h/a"}], "replace": DATA},
        "proxy": {"httpProxy": "http://p:3128", "httpsProxy": "https://p", "noProxy": ["a", "b"]},
        "security": {"tls": {"certificateAuthorities": [REMOTE, {"source": "data:,x"}]}},
        "timeouts": {"httpResponseHeaders": 20, "httpTotal": 0},
    },
    "kernelArguments": {"shouldExist": ["a=b", "c"], "shouldNotExist": ["d"]},
    "passwd": {
        "users": [
            {
                "name": "core", "gecos": "é", "groups": ["sudo", "docker"], "homeDir": "/home/core",
                "noCreateHome": False, "noLogInit": True, "noUserGroup": False, "passwordHash": "$6$a", "uid": 500,
                "primaryGroup": "core", "shell": "/bin/bash", "shouldExist": True, "system": False,
                "sshAuthorizedKeys": ["ssh-ed25519 a", "ssh-ed25519 b"],
            },
            {"name": "gone", "shouldExist": False},
        ],
        "groups": [{"name": "g", "gid": 7, "passwordHash": "", "shouldExist": True, "system": True}],
    },
    "storage": {
        "disks": [
            {
                "device": "/dev/vda", "wipeTable": False,
                "partitions": [
                    {
                        "number": 1, "label": "root", "sizeMiB": 10, "startMiB": 1, "guid": "", "resize": False,
                        "typeGuid": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "wipePartitionEntry": True,
                        "shouldExist": True,
                    },
                    {"number": 2, "label": "data", "sizeMiB": 0, "startMiB": 11},
                ],
            },
            {"device": "/dev/vdb", "wipeTable": True},
        ],
        "raid": [
            {
                "name": "md", "level": "raid1", "devices": ["/dev/vdc", "/dev/vdd"], "spares": 0,
                "options": ["-c", "-c"],
            }
        ],
        "filesystems": [
            {
                "device": "/dev/md/md", "format": "ext4", "path": "/var", "label": "var", "uuid": "u",
                "wipeFilesystem": True, "options": ["-L"], "mountOptions": ["ro"],
            },
            {"device": "/dev/vdb", "format": "xfs", "wipeFilesystem": True},
            {"device": "/dev/swap", "format": "swap"},
        ],
        "luks": [
            {
                "name": "l", "device": "/dev/vde", "label": "l", "uuid": "u", "keyFile": DATA, "options": ["a"],
                "wipeVolume": True, "discard": True, "openOptions": ["--a"],
                "clevis": {
                    "tpm2": True, "threshold": 2,
                    "tang": [{"url": "http://t", "thumbprint": "x", "advertisement": '{"a": [1]}'}],
                },
            },
            {
                "name": "m", "device": "/dev/vdf",
                "clevis": {"custom": {"pin": "sss", "config": "{}", "needsNetwork": True}},
            },
            {"name": "n", "device": "/dev/vdg", "cex": {"enabled": True}},
        ],
        "directories": [{"path": "/d", "mode": 493, "overwrite": True, "user": {"id": 0}, "group": {"name": "g"}}],
        "files": [
            {
                "path": "/f", "mode": 420, "overwrite": True, "user": {"name": "core"}, "group": {"id": 500},
                "contents": DATA, "append": [REMOTE, DATA],
            },
            {"path": "/d/g", "contents": REMOTE},
        ],
        "links": [
            {"path": "/l", "target": "/f", "hard": False, "overwrite": False, "user": {"id": 1}, "group": {"id": 1}},
            {"path": "/m", "target": "f", "hard": True},
        ],
    },
    "systemd": {
        "units": [
            {
                "name": "a.service", "contents": UNIT, "enabled": True, "mask": False,
                "dropins": [{"name": "a.conf", "contents": "[Unit]\nA=b\n"}, {"name": "b.conf"}],
            },
            {"name": "b@.service", "contents": UNIT},
            {"name": "b@x.service", "enabled": True},
            {"name": "c.timer", "mask": True},
        ]
    },
}  # fmt: skip


class Pairs(list[tuple[str, Any]]):
    """An object in which a name may stand twice."""


def write(value: Any, *, layout: int = 0) -> str:
    """Write JSON in one of four layouts."""
    comma, colon, inside = ((",", ":", ""), (", ", ": ", ""), (",\n ", " :\t", "\n"), (" ,", ": ", " "))[layout % 4]
    if isinstance(value, (dict, Pairs)):
        pairs = value.items() if isinstance(value, dict) else value
        members = [f"{write(name, layout=layout)}{colon}{write(one, layout=layout)}" for name, one in pairs]
        return f"{{{inside}{comma.join(members)}{inside}}}"
    if isinstance(value, list):
        return f"[{inside}{comma.join(write(one, layout=layout) for one in value)}{inside}]"
    return json.dumps(value, ensure_ascii=layout % 2 == 0)


def complete(spec: str) -> dict[str, Any]:
    """Give the complete config of one spec."""
    config: dict[str, Any] = _known(ROOT, COMPLETE, spec[:5])
    config["ignition"]["version"] = spec
    return config


def _known(shape: Shape | None, value: Any, spec: str) -> Any:
    if isinstance(value, list):
        return [_known(shape, one, spec) for one in value]
    if shape is None or not isinstance(value, dict):
        return copy.deepcopy(value)
    return {
        name: _known(shape.by_name[name].shape, one, spec)
        for name, one in value.items()
        if shape.by_name[name].since <= spec
    }


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the path of everything in a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield from paths(one, (*path, step))


VALUES: tuple[Any, ...] = (
    None, "", "x", "/", "/a/", "\u00e4" * 20, "http://a", "a\nb", 0, 1, -1, 4096, 1 << 63, 1.5, True, False, [], ["x"],
    [None], {}, {"x": 1}, [{}],
)  # fmt: skip
#: How the thing at a path is changed: to one of the values above, or in one of these ways.
WAYS = ("delete", "case", "neighbour", "twice", "again", "grow")


def changed(config: dict[str, Any], path: Path, way: Any) -> Any:
    """Give a copy in which the thing at a path, which is not the root, is changed."""
    found: Any = copy.deepcopy(config)
    above = found
    for step in path[:-1]:
        above = above[step]
    last: Any = path[-1]
    if way == "delete":
        del above[last]
    elif way == "grow":
        value = above[last]
        above[last] = value * 2 if isinstance(value, (str, list)) else [value]
    elif isinstance(above, list):
        if way in ("case", "neighbour", "twice", "again"):
            above.insert(0 if way == "case" else len(above), copy.deepcopy(above[last]))
        else:
            above[last] = way
    elif way == "case":
        above[last.upper()] = above.pop(last)
    elif way == "neighbour":
        above[f"{last}s"] = {"a": 1}
    elif way in ("twice", "again"):
        pairs = Pairs(above.items())
        extra = copy.deepcopy(above[last]) if way == "twice" else type(above[last])()
        pairs.append((last, extra))
        return _put(found, path[:-1], pairs)
    else:
        above[last] = way
    return found


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    step: Any = path[0]
    value[step] = _put(value[step], path[1:], new)
    return value


def mutations() -> Iterator[str]:
    """Give the complete configs, and each change of each thing in them, every change in one or two of the specs."""
    count = 0
    for spec in SPECS:
        for layout in range(4):
            yield write(complete(spec), layout=layout)
    everything = [(spec, complete(spec)) for spec in SPECS]
    for path in paths(everything[-1][1]):
        for way in (*VALUES, *WAYS) if path else ():
            count += 1
            for number in (
                {count % len(SPECS), (count * 5 + 3) % len(SPECS)} if count % 3 == 0 else {count % len(SPECS)}
            ):
                spec, config = everything[number]
                if path in set(paths(config)):
                    yield write(changed(config, path, way), layout=count)


def table_texts() -> Iterator[str]:
    """Give the configs of the tables, each in its own spec and in another one."""
    for number, (_, row) in enumerate(rows()):
        if row.get("ignition", "2.24.0") != "2.24.0":
            continue
        if "text" in row:
            yield row["text"]
            continue
        config = copy.deepcopy(row["config"])
        yield write(config, layout=number)
        config["ignition"]["version"] = SPECS[number % len(SPECS)]
        yield write(config, layout=number + 1)


_BYTES = b'{}[],:"\\0123456789.eE+-tfnaxNI \n\x00\x1f\x7f\xc3\xa9\xff/u'


def damaged(count: int, seed: int) -> Iterator[bytes]:
    """Give texts in which a few bytes are changed."""
    chance = random.Random(seed)
    texts = [write(complete(spec), layout=number).encode() for number, spec in enumerate(SPECS)]
    short = (
        b'{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/a","x":[1.5e3,-2,true,false,null,"\\u00e9"]}]}}'
    )
    for number in range(count):
        data = bytearray(short if number % 2 else chance.choice(texts))
        for _ in range(chance.choice((1, 1, 2, 3))):
            if not data:
                break
            place = chance.randrange(len(data))
            kind = chance.randrange(8)
            if kind < 3:
                data[place] = chance.choice(_BYTES)
            elif kind < 5:
                del data[place]
            elif kind < 7:
                data.insert(place, chance.choice(_BYTES))
            else:
                del data[place + 1 :]
        yield bytes(data)


def combined(count: int, seed: int) -> Iterator[str]:
    """Give configs with several changes at once."""
    chance = random.Random(seed)
    for number in range(count):
        config: Any = complete(chance.choice(SPECS))
        for _ in range(chance.randrange(2, 6)):
            path = chance.choice(list(paths(config))[1:])
            config = changed(config, path, chance.choice((*VALUES, "delete", "case", "neighbour", "grow")))
        yield write(config, layout=number)


_PIECES = (
    "[Unit]\n", "[Install]\n", "[X]", "\n", "\r\n", "# ", "#", "A=", "A", "B=c\n", "\\\n", " ", "   \n", ";", "[", "]",
    "\u00a0", "\u00e4",
)  # fmt: skip
_LENGTHS = (1, 40, 1000, 2040, 2046, 2047, 2048, 2049, 2100, 4090, 4096, 4097, 6000)


def unit_texts(count: int, seed: int) -> Iterator[str]:
    """Give configs whose units are odd, many of them with lines that are too long or nearly so."""
    chance = random.Random(seed)
    for number in range(count):
        text = "[Unit]\n" if number % 2 else ""
        for _ in range(chance.randrange(1, 12)):
            if chance.random() < 0.6:
                text += chance.choice(_PIECES)
            else:
                one = chance.choice("bb\u00e4\u20ac ")
                line = one * (chance.choice(_LENGTHS) // len(one.encode()))
                text += chance.choice(("{}", "{}\n", "#{}\n", "A={}\n", "A={}\\\n", "[{}]\n")).format(line)
        unit = {"name": "a.service", "contents": text, "enabled": True}
        yield write({"ignition": {"version": "3.4.0"}, "systemd": {"units": [unit]}}, layout=number)


def nested() -> Iterator[str]:
    """Give texts that are nested as deeply as the real tool reads, and a little more."""
    for depth in (5000, 9999, 10_000, 10_001):
        yield f'{{"ignition":{{"version":"3.4.0"}},"a":{"[" * depth}{"]" * depth}}}'
        yield f'{{"ignition":{{"version":"3.4.0"}},"a":{"[" * depth}1 2'
        yield '{"a":' * depth


def corpus() -> list[str | bytes]:
    """Give all of them."""
    return [*nested(), *mutations(), *table_texts(), *damaged(400, 1), *combined(250, 2), *unit_texts(250, 3)]
