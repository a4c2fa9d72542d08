"""What people who do this ran into, as whole configs: each says what a perfect tool says, and no more."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flatprov.flatcar.contents import target_for
from flatprov.flatcar.releases import ReleaseInfo
from flatprov.ignition import Ignition, dataurl, merge, render
from flatprov.ignition.findings import findings, text_findings
from flatprov.ignition.target import Target

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy somebody@somewhere"
HASH = {"verification": {"hash": "sha512-" + "ab" * 64}}


def inline(text: str, **more: Any) -> dict[str, Any]:
    source, compression = dataurl.encode(text.encode())
    return {"source": source, "compression": compression, **more}


def file(path: str, text: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "contents": inline(text), **more}


def config(version: str = "3.3.0", **sections: Any) -> dict[str, Any]:
    return {"ignition": {"version": version}, **sections}


def found(whole: dict[str, Any], target: Target | None = None) -> set[tuple[str, str, str]]:
    return {(e.code, e.level, e.where().removeprefix("$.")) for e in findings(whole, target=target or target_for())}


def test_a01_homelab_storage_host() -> None:
    whole = config(
        storage={
            "files": [
                file("/etc/flatcar/update.conf", "REBOOT_STRATEGY=reboot\n", mode=0o420, overwrite=True),
                {"path": "/opt/bin/compose", "mode": 0o755, "contents": {"source": "https://example.org/compose"}},
                {"path": "/etc/extensions/python.raw", "contents": {"source": "https://example.org/python.raw"}},
                file("/etc/cifs/login", "username=a\npassword=correcthorsebattery\n", mode=0o600),
            ],
            "links": [{"path": "/var/lib/docker", "target": "/data/docker"}],
            "filesystems": [
                {"device": "/dev/disk/by-label/tank", "format": "btrfs", "path": "/data", "wipeFilesystem": False}
            ],
        },
        systemd={
            "units": [
                {"name": "data-media.automount", "enabled": True,
                 "contents": "[Automount]\nWhere=/data/media\n[Install]\nWantedBy=multi-user.target\n"}
            ]
        },
    )  # fmt: skip
    assert found(whole) == {
        ("mode-owner", "warning", "storage.files.0.mode"),
        ("remote-without-hash", "warning", "storage.files.1.contents.source"),
        ("remote-without-hash", "warning", "storage.files.2.contents.source"),
        ("needs-network", "info", "storage.files.1.contents.source"),
        ("device-not-made", "warning", "storage.filesystems.0.device"),
        ("not-mounted", "info", "storage.filesystems.0.path"),
    }
    odd = next(entry for entry in findings(whole) if entry.code == "mode-owner")
    assert "0420 (r---w----)" in odd.message
    assert "0644" in odd.fix


@pytest.mark.parametrize("filled", [True, False])
def test_a03_two_disk_mirror_without_mdraid(filled: bool) -> None:
    first, second = ("/dev/disk/by-id/ata-A", "/dev/disk/by-id/ata-B") if filled else ("${DISK_A}", "${DISK_B}")
    mount = f"[Mount]\nWhere=/srv/my data\nWhat={first}\nType=btrfs\nOptions=compress=zstd\n"
    whole = config(
        storage={
            "disks": [{"device": first, "wipeTable": True}, {"device": second, "wipeTable": True}],
            "filesystems": [
                {"device": first, "format": "btrfs", "path": "/srv/my data", "wipeFilesystem": True,
                 "options": ["-d", "raid1", second], "mountOptions": ["compress=zstd"]}
            ],
        },
        systemd={"units": [{"name": "srv-my\\x20data.mount", "enabled": True, "contents": mount}]},
    )  # fmt: skip
    if filled:
        assert found(whole) == {("second-device", "info", "storage.filesystems.0.options.2")}
    else:
        places = ("disks.0.device", "disks.1.device", "filesystems.0.device", "filesystems.0.options.2")
        assert found(whole) == {("placeholder", "error", f"storage.{place}") for place in places}


def test_a04_arm64_homelab() -> None:
    whole = config(
        kernelArguments={
            "shouldExist": ["ip=10.0.0.5::10.0.0.1:255.255.255.0::eth0:off", "console=ttyS0", "quiet", "acpi=off"]
        },
        passwd={
            "users": [{"name": "app", "uid": 4000, "noUserGroup": True, "primaryGroup": "app"}],
            "groups": [{"name": "app", "gid": 4000}],
        },
        storage={
            "files": [
                file("/etc/empty", ""),
                {"path": "/opt/extensions/k3s/k3s-v1.33.1+k3s1-arm64.raw",
                 "contents": {"source": "https://example.org/k3s-v1.32.4%2Bk3s1-arm64.raw"}},
                file("/etc/rancher/k3s/token", "K10c0ffee0123::server:0123456789\n"),
            ],
            "links": [
                {"path": "/etc/extensions/k3s.raw", "target": "/opt/extensions/k3s/k3s-v1.33.1+k3s1-arm64.raw"},
                {"path": "/etc/systemd/system/multi-user.target.wants/k3s.service", "target": "/usr/lib/x/k3s.service"},
            ],
        },
    )  # fmt: skip
    assert found(whole, target_for(platform="qemu", architecture="arm64")) == {
        ("kernel-arguments-reboot", "info", "kernelArguments.shouldExist"),
        ("kernel-argument-libvirt", "warning", "kernelArguments.shouldExist.3"),
        ("remote-without-hash", "warning", "storage.files.1.contents.source"),
        ("needs-network", "info", "storage.files.1.contents.source"),
        ("network-after-fetch", "warning", "storage.files.1.contents.source"),
        ("extension-version", "warning", "storage.files.1.path"),
        ("secret-readable", "warning", "storage.files.2"),
    }


def test_a05_swarm_manager() -> None:
    script = "#!/bin/bash\nset -e\n" + "".join(f'echo "step {n} of ${{TOTAL}}"\n' for n in range(300))
    whole = config(
        passwd={"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-rsa <YOUR_PUBLIC_KEY>"]}]},
        storage={"files": [file("/opt/bin/swarm", script, mode=0o755)]},
        systemd={
            "units": [{"name": "update-engine.service", "mask": True}, {"name": "locksmithd.service", "mask": True}]
        },
    )
    assert found(whole) == {
        ("placeholder", "error", "passwd.users.0.sshAuthorizedKeys.0"),
        ("update-engine-masked", "warning", "systemd.units.0"),
    }
    key, masked = findings(whole)
    assert "is no OpenSSH public key line" in key.message
    assert "never marked good" in masked.message
    assert "immutable policy" in masked.fix


def test_a08_pointer_of_a_machine_config_server() -> None:
    authority = "data:text/plain;charset=utf-8;base64,LS0tLS1CRUdJTg=="
    whole = {
        "ignition": {
            "version": "3.2.0",
            "config": {"merge": [{"source": "https://api-int.example.org:22623/config/master"}]},
            "security": {"tls": {"certificateAuthorities": [{"source": authority}]}},
        },
        "passwd": {"users": [{"name": "core", "passwordHash": "12345678", "sshAuthorizedKeys": [KEY]}]},
        "systemd": {"units": [{"name": "a.service", "enabled": True, "contents": "[Service]\nExecStart=/bin/true\n"}]},
    }
    text = json.dumps(whole).replace('"passwd"', '// accounts\n"passwd"')
    (comment,) = text_findings(text)
    assert (comment.code, comment.line, comment.column) == ("json-comment", 1, text.index("// accounts") + 1)
    assert "JSON has no comments" in comment.message
    # That enabling a unit without [Install] does nothing is the validator's own warning.
    assert found(whole) == {
        ("password-hash", "warning", "passwd.users.0.passwordHash"),
        ("needs-network", "info", "ignition.config.merge.0.source"),
    }


def test_a09_bare_metal_mirror() -> None:
    packed = base64.b64encode(dataurl.gzip_bytes(b"hello\n" * 50)).decode()
    disks = [
        {"device": f"/dev/disk/by-id/ata-{name}", "wipeTable": False, "partitions": [{"number": 1, "label": "raid"}]}
        for name in "AB"
    ]
    whole = config(
        storage={
            "disks": disks,
            "raid": [
                {"name": "data", "level": "raid1",
                 "devices": ["/dev/disk/by-id/ata-A-part1", "/dev/disk/by-id/ata-B-part1"]}
            ],
            "filesystems": [{"device": "/dev/md/data", "format": "ext4", "path": "/data", "wipeFilesystem": False}],
            "files": [{"path": "/opt/a", "contents": {"source": f"data:;base64,{packed}", "compression": "gzip"}}],
        },
        systemd={"units": [{"name": "docker.service", "enabled": False}]},
    )  # fmt: skip
    assert found(whole) == {
        ("label-twice", "warning", "storage.disks.1.partitions.0.label"),
        ("not-mounted", "info", "storage.filesystems.0.path"),
    }
    assert render(Ignition.from_json(whole)) == whole
    cut = json.loads(json.dumps(whole).replace(packed, packed[:20]))
    assert ("inline-gzip", "error", "storage.files.0.contents.compression") in found(cut)


def test_a11_production_node_template() -> None:
    conf = "GROUP=stable\nSERVER=https://public.update.flatcar-linux.net/v1/update/\nREBOOT_STRATEGY=off\n"
    unit = "[Service]\nEnvironmentFile=/run/metadata/flatcar\nExecStart=/usr/bin/kubelet --node-ip=${COREOS_GCE_IP}\n"
    whole = config(
        networkd={"units": []},
        storage={
            "files": [
                file("/etc/flatcar/update.conf", conf, mode=0o644, overwrite=True, filesystem="root"),
                file("/etc/kubernetes/bootstrap/token.csv", "07401b2f8a1c4d5e,kubelet,10001\n", mode=0o644),
                file("/etc/resolv.conf", "nameserver 10.0.0.1\n", overwrite=True),
            ]
        },
        systemd={"units": [{"name": "kubelet.service", "enable": True, "contents": unit}]},
    )
    assert found(whole) == {
        ("old-key", "error", "networkd"),
        ("old-key", "error", "storage.files.0.filesystem"),
        ("old-key", "error", "systemd.units.0.enable"),
        ("secret-readable", "warning", "storage.files.1"),
        ("update-policy-half", "warning", "storage.files.0"),
        ("os-file", "warning", "storage.files.2.path"),
    }
    half = next(entry for entry in findings(whole) if entry.code == "update-policy-half")
    assert "still downloaded" in half.message


def test_b03_network_only_in_the_config_that_fetches() -> None:
    whole = config(
        kernelArguments={"shouldExist": ["vlan=eth0.100:eth0"]},
        storage={"files": [{"path": "/opt/a", "contents": {"source": "https://example.org/a", **HASH}}]},
    )
    late = next(entry for entry in findings(whole) if entry.code == "network-after-fetch")
    assert late.where() == "$.storage.files.0.contents.source"
    for way in ("platform's settings", "image's kernel arguments", "inline"):
        assert way in late.fix
    early = target_for(platform="vmware")
    given = Target(platform=early.platform, units=early.units, boot_arguments=("vlan=eth0.100:eth0",))
    assert "network-after-fetch" not in {entry.code for entry in findings(whole, target=given)}


def release(version: str) -> ReleaseInfo:
    return ReleaseInfo(
        version=version, channel="stable", architecture="amd64", architectures=("amd64",), release_date="",
        ignition="2.24.0", kernel="", containerd="", docker="", systemd="", max_ignition_spec="3.5.0",
    )  # fmt: skip


@pytest.mark.parametrize(("version", "exists"), [("4593.2.5", True), ("3602.2.0", True), ("3374.2.5", False)])
def test_b05_file_that_exists_in_the_release(version: str, exists: bool) -> None:
    target = target_for(release(version), "qemu")
    plain, forced = (
        file("/etc/nsswitch.conf", "x\n"),
        file("/etc/selinux/config", "SELINUX=permissive\n", overwrite=True),
    )
    appended = {"path": "/etc/hosts", "append": [inline("10.0.0.1 a\n")]}
    report = findings(config(storage={"files": [plain, forced, appended]}), target=target)
    assert [entry.where() for entry in report if entry.code == "file-exists"] == exists * ["$.storage.files.0.path"]
    if exists:
        entry = report.errors[0]
        assert f"Flatcar {version}" in entry.message
        assert "overwrite" in entry.fix
        assert "drop-in" in entry.fix


def test_b05_base_with_contents_and_overlay_with_append_keeps_both() -> None:
    base = config(storage={"files": [file("/etc/own.conf", "a\n")]})
    overlay = config(storage={"files": [{"path": "/etc/own.conf", "append": [inline("b\n"), inline("c\n")]}]})
    merged = merge(base, overlay)
    assert merged["storage"]["files"] == [
        {"path": "/etc/own.conf", "contents": inline("a\n"), "append": [inline("b\n"), inline("c\n")]}
    ]
    assert not findings(merged, target=target_for())


def test_b07_a_unit_that_exists_nowhere() -> None:
    units = [{"name": "dokcer.service", "enabled": True}, {"name": "docker.service", "enabled": True}]
    (entry,) = findings(config(systemd={"units": units}), target=target_for())
    assert (entry.code, entry.where()) == ("unit-not-found", "$.systemd.units.0.name")
    assert "dokcer.service" in entry.message
    assert entry.fix == "did you mean docker.service?"


def test_b08_exactly_the_directories_to_add() -> None:
    owner = {"user": {"name": "core"}, "group": {"name": "core"}}
    unit = file("/home/core/.config/systemd/user/app.service", "[Service]\nExecStart=/bin/true\n", **owner)
    whole = config(storage={"files": [unit], "directories": [{"path": "/home/core/.config", **owner}]})
    (entry,) = findings(whole)
    added = json.loads("[" + entry.fix.removeprefix("add to storage.directories: ") + "]")
    assert [one["path"] for one in added] == ["/home/core/.config/systemd", "/home/core/.config/systemd/user"]
    whole["storage"]["directories"] += added
    assert not findings(whole)
    Ignition.from_json(whole)


def test_h06_bond_and_the_default_time_limits() -> None:
    pointer: dict[str, Any] = {"ignition": {"version": "3.3.0", "config": {"replace": {"source": "https://h/a"}}}}
    bonded = Target(platform="metal", boot_arguments=("bond=bond0:eth0,eth1:mode=802.3ad", "ip=bond0:dhcp"))
    slow = next(entry for entry in findings(pointer, target=bonded) if entry.code == "slow-link")
    assert "over a minute" in slow.fix
    pointer["ignition"]["timeouts"] = {"httpTotal": 300}
    assert {entry.code for entry in findings(pointer, target=bonded)} == {"needs-network"}
