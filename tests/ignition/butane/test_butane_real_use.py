"""Configs of the kinds that people really run: what loading them must say and keep. The files are our own."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from flatprov.errors import ConfigError
from flatprov.ignition import Ignition, dataurl, render
from flatprov.ignition.butane import translate

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4K6dbLQvGjXfbhaVVVoE1v7+fM4HiyzPQ3FOCbQ0ZL me@example"


def contents(node: dict[str, Any]) -> bytes:
    return dataurl.decode(node["contents"]["source"], node["contents"]["compression"])


NAS = f"""\
variant: flatcar
version: 1.0.0
passwd:
  users:
    - name: core
      ssh_authorized_keys:
        - {KEY}
storage:
  filesystems:
    - device: /dev/disk/by-label/tank
      format: btrfs
      path: /srv/tank
      wipe_filesystem: false
      with_mount_unit: true
      mount_options: [noatime]
  links:
    - path: /var/lib/docker
      target: /srv/tank/docker
      overwrite: true
  files:
    - path: /etc/flatcar/update.conf
      mode: 0420
      overwrite: true
      contents:
        local: update.conf
    - path: /etc/samba/credentials
      mode: 0600
      contents:
        local: secrets/samba
    - path: /etc/wireguard/wg0.conf
      mode: 0600
      contents:
        local: secrets/wg0.conf
    - path: /etc/compose/docker-compose.yaml
      contents:
        local: compose.yaml
    - path: /etc/hostname
      contents:
        local: hostname
    - path: /etc/systemd/network/10-lan.network
      contents:
        local: lan.network
    - path: /opt/bin/tool
      mode: 0755
      contents:
        source: https://downloads.example.com/tool
systemd:
  units:
    - name: srv-media.mount
      contents: |
        [Mount]
        What=//files.example.com/media
        Where=/srv/media
        Type=cifs
        Options=credentials=/etc/samba/credentials
    - name: srv-media.automount
      enabled: true
      contents: |
        [Automount]
        Where=/srv/media
        [Install]
        WantedBy=multi-user.target
"""
NAS_FILES = ("update.conf", "secrets/samba", "secrets/wg0.conf", "compose.yaml", "hostname", "lan.network")


@pytest.fixture
def nas_files(tmp_path: Path) -> Path:
    for name in NAS_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}\n")
    return tmp_path


def test_a_nas_with_local_files(nas_files: Path) -> None:
    loaded = Ignition.from_butane(NAS, files_dir=nas_files)
    config = render(loaded)
    assert [contents(one) for one in config["storage"]["files"][:6]] == [
        f"text of {name}\n".encode() for name in NAS_FILES
    ]
    assert config["storage"]["files"][0]["mode"] == 0o420
    assert config["storage"]["filesystems"][0]["wipeFilesystem"] is False
    names = [unit["name"] for unit in config["systemd"]["units"]]
    assert names == ["srv-tank.mount", "srv-media.mount", "srv-media.automount"]
    assert "text of secrets/samba" not in repr(loaded)


@pytest.mark.parametrize("name", NAS_FILES)
def test_a_missing_local_file_is_named_with_its_line(name: str, nas_files: Path) -> None:
    (nas_files / name).unlink()
    with pytest.raises(ConfigError) as caught:
        Ignition.from_butane(NAS, files_dir=nas_files)
    number = NAS_FILES.index(name)
    line = NAS.splitlines().index(f"        local: {name}") + 1
    assert caught.value.path == f"storage.files[{number}].contents.local"
    assert f"line {line} col 16: open {name}: no such file or directory" in str(caught.value)


MIRROR = """\
variant: flatcar
version: 1.1.0
storage:
  disks:
    - device: /dev/disk/by-id/ata-one
      wipe_table: true
    - device: /dev/disk/by-id/ata-two
      wipe_table: true
  filesystems:
    - device: /dev/disk/by-id/ata-one
      path: /var/srv/data-pool
      label: pool
      format: btrfs
      wipe_filesystem: true
      options: [-d, raid1, -m, raid1, /dev/disk/by-id/ata-two]
      mount_options: ["compress=zstd:3", "noatime"]
      with_mount_unit: true
"""


def test_a_btrfs_mirror_over_two_disks() -> None:
    config, report = translate(MIRROR)
    assert str(report) == ""
    unit = config["systemd"]["units"][0]
    assert unit["name"] == r"var-srv-data\x2dpool.mount"
    assert unit["enabled"] is True
    assert "\nOptions=compress=zstd:3,noatime\n" in unit["contents"]
    assert "\nRequires=systemd-fsck@dev-disk-by\\x2did-ata\\x2done.service\n" in unit["contents"]
    filesystem = config["storage"]["filesystems"][0]
    assert filesystem["options"] == ["-d", "raid1", "-m", "raid1", "/dev/disk/by-id/ata-two"]
    assert filesystem["mountOptions"] == ["compress=zstd:3", "noatime"]


HOMELAB = """\
variant: flatcar
version: 1.1.0
kernel_arguments:
  should_exist: [ip=10.0.0.5::10.0.0.1:255.255.255.0:n1:eth0:off, console=ttyAMA0, console=tty0, acpi=off]
passwd:
  users:
    - {name: app, uid: 1500, no_user_group: true, primary_group: app, system: false}
  groups:
    - {name: app, gid: 1500}
storage:
  files:
    - path: /etc/extensions/empty.conf
      contents: {inline: ""}
    - path: /opt/extensions/k3s-v1.30.2+k3s1-arm64.raw
      mode: 0644
      contents: {local: k3s.raw}
    - path: /opt/extensions/k3s-v1.31.0+k3s1-arm64.raw
      contents: {source: "https://extensions.example.com/k3s-v1.30.2+k3s1-arm64.raw"}
  links:
    - path: /etc/systemd/system/multi-user.target.wants/k3s.service
      target: /usr/lib/systemd/system/k3s.service
"""


def test_an_arm64_homelab_with_an_image_inside(tmp_path: Path) -> None:
    image = random.Random(5).randbytes(3_000_000)
    (tmp_path / "k3s.raw").write_bytes(image)
    config, report = translate(HOMELAB, files={"k3s.raw": image})
    assert str(report) == ""
    files = config["storage"]["files"]
    assert files[0]["contents"] == {"source": "data:,", "compression": ""}
    assert contents(files[1]) == image
    assert files[1]["contents"]["compression"] == ""  # random bytes do not compress
    assert files[2]["path"].endswith("k3s-v1.31.0+k3s1-arm64.raw")
    assert config["passwd"]["users"][0] == {
        "name": "app", "uid": 1500, "noUserGroup": True, "primaryGroup": "app", "system": False
    }  # fmt: skip
    loaded = Ignition.from_butane(HOMELAB, files_dir=tmp_path)
    assert contents(render(loaded)["storage"]["files"][1]) == image


def test_a_manager_with_a_long_script_and_a_place_holder() -> None:
    script = "#!/bin/bash\n" + "".join(f'log "step {step} of the set-up"\nrun_step {step}\n' for step in range(260))
    indented = "".join(f"          {line}\n" for line in script.splitlines())
    text = (
        "variant: flatcar\nversion: 1.0.0\npasswd:\n  users:\n    - name: core\n      ssh_authorized_keys:\n"
        "        - YOUR_SSH_KEY_HERE\nstorage:\n  files:\n    - path: /opt/setup.sh\n      mode: 0755\n"
        f"      contents:\n        inline: |\n{indented}"
        "systemd:\n  units:\n    - name: update-engine.service\n      mask: true\n"
    )
    config, report = translate(text)
    assert str(report) == ""
    assert len(script) > 10_000
    assert contents(config["storage"]["files"][0]) == script.encode()
    assert config["storage"]["files"][0]["contents"]["compression"] == "gzip"
    assert config["passwd"]["users"][0]["sshAuthorizedKeys"] == ["YOUR_SSH_KEY_HERE"]


LEFTOVERS = """\
variant: flatcar
version: 1.0.0
update:
  group: stable
passwd:
  users:
    - name: core
      create: {uid: 500}
storage:
  files:
    - path: /etc/kubernetes/bootstrap-token
      filesystem: root
      mode: 0644
      contents:
        remote: {url: https://example.com/token}
  filesystems:
    - name: data
      mount: {device: /dev/vdb, format: ext4}
  disks:
    - device: /dev/vdb
      partitions: [{number: 1, size: 2048}]
systemd:
  units:
    - name: kubelet.service
      enable: true
      contents: |
        [Service]
        ExecStart=/usr/bin/kubelet --node=${NODE} --v={{level}} $EXTRA
        [Install]
        WantedBy=multi-user.target
networkd:
  units: []
"""


def test_keys_left_over_from_a_container_linux_config() -> None:
    with pytest.raises(ConfigError) as caught:
        Ignition.from_butane(LEFTOVERS)
    lines = str(caught.value).splitlines()
    wanted = {
        "$.update, line 3 col 1": "/etc/flatcar/update.conf",
        "$.passwd.users.0.create, line 8 col 7": "move what is in it up",
        "$.storage.files.0.filesystem, line 12 col 7": "path from the root",
        "$.storage.files.0.contents.remote, line 15 col 9": "call it source",
        "$.storage.filesystems.0.name, line 17 col 7": "known by its path",
        "$.storage.filesystems.0.device, line 17 col 7": "path not specified",
        "$.storage.filesystems.0.mount, line 18 col 7": "wipe_filesystem",
        "$.storage.disks.0.partitions.0.size, line 21 col 32": "size_mib",
        "$.systemd.units.0.enable, line 25 col 7": "rite enabled",
        "$.networkd, line 31 col 1": "/etc/systemd/network",
    }
    assert caught.value.path == "update"
    for place, todo in wanted.items():
        line = next(line for line in lines if place in line)
        assert ("unused key" in line) == (place.split(",")[0] != "$.storage.filesystems.0.device")
        assert todo.lower() in line.lower(), line
    assert len(lines) == len(wanted)
    config, _ = translate(LEFTOVERS.replace("- name: data", "- device: /dev/vdb"))
    assert "--node=${NODE} --v={{level}} $EXTRA" in config["systemd"]["units"][0]["contents"]


def test_json_spelling_is_put_right() -> None:
    text = "variant: flatcar\nversion: 1.0.0\npasswd: {users: [{name: a, sshAuthorizedKeys: [], passwordHash: x}]}\n"
    entries = [str(entry) for entry in translate(text)[1].errors]
    assert "Write ssh_authorized_keys" in entries[0]
    assert "Write password_hash" in entries[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("variant: flatcar\nversion: 1.0.0\nstorage: {}\n", "from_butane"),
        ("# a comment first\nvariant: flatcar\nversion: 1.0.0\n", "from_butane"),
        ("passwd:\n  users: []\n", "from_butane"),
        ("etcd:\n  version: 3.0.15\nstorage: {}\n", "etcd-member.service"),
        ("update:\n  group: alpha\n", "/etc/flatcar/update.conf"),
        ("locksmith:\n  reboot_strategy: off\n", "/etc/flatcar/update.conf"),
        ("#cloud-config\nusers: []\n", "cloud-config"),
        ("#!/bin/sh\n", "script"),
    ],
)
def test_yaml_given_to_the_json_loader(text: str, says: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ConfigError) as caught:
            Ignition.from_json(given)
        assert says in str(caught.value)


def test_old_configs_are_named_by_both_loaders() -> None:
    text = "etcd:\n  name: a\nupdate:\n  group: beta\n"
    for load in (Ignition.from_json, Ignition.from_butane):
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert "Container Linux Config (section etcd, update)" in str(caught.value)
        assert "etcd-member.service" in str(caught.value)
