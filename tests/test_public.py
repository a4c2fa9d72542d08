"""The public face: complete, lazy, light, described, and all of it in the wheel."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import flatprov
import flatprov.testing

ROOT = Path(__file__).resolve().parents[1]


def test_all_is_sorted_and_every_name_loads() -> None:
    assert flatprov.__all__ == sorted(flatprov.__all__)
    assert set(dir(flatprov)) == set(flatprov.__all__)
    for name in flatprov.__all__:
        assert getattr(flatprov, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'flatprov' has no attribute 'Nodepool'"):
        _ = flatprov.Nodepool
    with pytest.raises(AttributeError, match=r"module 'flatprov\.testing' has no attribute 'nothing'"):
        _ = flatprov.testing.nothing


def type_checked(module) -> set[str]:
    """The names that a type checker sees."""
    tree = ast.parse(Path(module.__file__).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        alias.asname or alias.name
        for block in blocks
        for node in block.body
        if (isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("flatprov"))
        or (isinstance(node, ast.ImportFrom) and node.module == "flatprov")
        for alias in node.names
    }


@pytest.mark.parametrize("name", ["flatprov", "flatprov.testing", "flatprov.platforms.libvirt"])
def test_type_checkers_and_all_agree(name: str) -> None:
    module = importlib.import_module(name)
    assert type_checked(module) == set(module.__all__)
    for public in module.__all__:
        assert getattr(module, public) is not None


@pytest.mark.parametrize("module", ["flatprov", "flatprov.testing", "flatprov.platforms.libvirt"])
def test_public_names_are_described(module: str) -> None:
    found = importlib.import_module(module)
    for name in found.__all__:
        assert inspect.getdoc(getattr(found, name)), name


def public_callables() -> list[tuple[str, object]]:
    return [
        (f"{name}.{member}", found)
        for name in flatprov.__all__
        if inspect.isclass(kind := getattr(flatprov, name))
        for member, found in vars(kind).items()
        if not member.startswith("_") and (inspect.isfunction(found) or isinstance(found, (property, classmethod)))
    ]


def test_public_methods_are_described() -> None:
    undescribed = [name for name, found in public_callables() if not inspect.getdoc(found)]
    assert undescribed == []


@pytest.mark.parametrize("line", ["import flatprov", "import flatprov.errors", "import flatprov.testing"])
def test_an_import_is_light(line: str) -> None:
    code = f"import sys; before = set(sys.modules); {line}; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("pulumi", "grpc", "google", "libvirt", "httpx", "jinja2", "msgspec", "asyncio", "pysequoia", "xml")
    assert [name for name in loaded if name.split(".")[0] in heavy] == []


def test_pure_names_need_no_pulumi() -> None:
    code = (
        "import sys, flatprov as fp\n"
        "fp.Ignition(users=[fp.User('core')], units=[fp.Unit('a.service', enabled=True)]); fp.Updates.immutable()\n"
        "assert 'pulumi' not in sys.modules and 'grpc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What the wheel holds, built by the uv that made .venv, from its cache: it has built the project then already."""
    own = Path(os.environ.get("FLATPROV_CACHE", Path.home() / ".cache" / "flatprov")) / "uv" / "bin" / "uv"
    uv = shutil.which("uv") or (str(own) if own.exists() else None)
    if uv is None:
        pytest.fail("uv is missing; run tests/lab/bootstrap.sh", pytrace=False)
    folder = tmp_path_factory.mktemp("wheel")
    words = [uv, "build", "--offline", "--wheel", "--out-dir", str(folder), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"the wheel was not built; run tests/lab/bootstrap.sh\n{done.stderr}", pytrace=False)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_code_types_templates_and_entry_points(wheel: set[str]) -> None:
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "flatprov").rglob("*.py")}
    templates = {f"flatprov/{path.relative_to(ROOT)}" for path in (ROOT / "templates").rglob("*") if path.is_file()}
    assert templates
    assert {*code, *templates, "flatprov/py.typed"} <= wheel
    assert {name.rpartition("/")[2] for name in wheel if ".dist-info/" in name} >= {"entry_points.txt", "LICENSE"}
    assert [name for name in wheel if not name.startswith("flatprov")] == []
