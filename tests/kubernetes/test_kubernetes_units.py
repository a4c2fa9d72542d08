"""Units and scripts as rendered, judged by systemd, shellcheck and bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from kubernetes_cluster import ROOT, all_roles, files, kubernetes, text

from flatprov.kubernetes import Extension
from flatprov.kubernetes.base import script
from flatprov.kubernetes.layout import LAYOUT, UNIT
from flatprov.kubernetes.texts import render_text

TEMPLATES = sorted((ROOT / "templates" / "kubernetes").iterdir())


@pytest.mark.oracle
@pytest.mark.parametrize("number", range(3))
def test_systemd_takes_the_units(number: int, tmp_path: Path) -> None:
    """Beside stand-ins for what the extension and the operating system bring; a drop-in is read as on the machine."""
    if not shutil.which("systemd-analyze"):
        pytest.fail("systemd-analyze is missing; run tests/lab/bootstrap.sh", pytrace=False)
    settings = kubernetes(extension=Extension("sha256-" + "0" * 64, patches=True), image_mirror="http://10.17.3.1:5000")
    config = all_roles(settings)[number].common
    theirs = {
        "containerd.service": "[Service]\nType=notify\nExecStart=/bin/true\n",
        "kubelet.service": "[Service]\nExecStart=/bin/true\n",
        "systemd-sysupdate.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    }
    (tmp_path / "node.env").touch()
    for one in config["systemd"]["units"]:
        name = one["name"]
        if one.get("contents"):
            (tmp_path / name).write_text(one["contents"].replace(LAYOUT.node, str(tmp_path / "node.env")))
        elif name in theirs:
            (tmp_path / name).write_text(theirs[name])
        for drop_in in one.get("dropins", ()):
            (tmp_path / f"{name}.d").mkdir()
            # the program is there on the machine and not here
            contents = drop_in["contents"].replace("/usr/lib/systemd/systemd-sysupdate", "/bin/true")
            (tmp_path / f"{name}.d" / drop_in["name"]).write_text(contents)
    units = [str(path) for path in tmp_path.glob("*.service")]
    assert {Path(one).name for one in units} == {UNIT, *theirs}
    env = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"}
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "flatprov" in line]
    assert (done.returncode, ours) == (0, [])
    # and it would have said so: the same with a word that is none
    (tmp_path / UNIT).write_text((tmp_path / UNIT).read_text().replace("RestartSec=", "RestartSecs="))
    assert "RestartSecs" in subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stderr


@pytest.mark.oracle
def test_shellcheck_takes_the_rendered_script(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.fail("shellcheck is missing; run tests/lab/bootstrap.sh", pytrace=False)
    file = tmp_path / "script"
    file.write_text(text(all_roles(kubernetes())[0].common, LAYOUT.script))
    done = subprocess.run(["shellcheck", str(file)], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    assert subprocess.run(["bash", "-n", str(file)], capture_output=True).returncode == 0


def test_nothing_of_a_template_is_left() -> None:
    for role in all_roles(kubernetes(extension=Extension("sha256-" + "0" * 64, patches=True))):
        for path, file in files(role.common).items():
            if "verification" not in file["contents"]:
                assert "{{" not in text(role.common, path)
        assert not [one for one in role.common["systemd"]["units"] if "{{" in str(one)]


@pytest.mark.parametrize("template", [path.name for path in TEMPLATES if "{{" in path.read_text()])
def test_a_value_that_nobody_gives_is_an_error(template: str) -> None:
    with pytest.raises(UndefinedError):
        render_text(template.removesuffix(".j2"))


def test_every_template_is_used() -> None:
    source = "".join(path.read_text() for path in (ROOT / "flatprov" / "kubernetes").glob("*.py"))
    assert [path.name for path in TEMPLATES if f'"{path.name.removesuffix(".j2")}"' not in source] == []


def test_the_script_is_the_same_for_all_roles() -> None:
    assert {text(role.common, LAYOUT.script) for role in all_roles(kubernetes())} == {script()}
