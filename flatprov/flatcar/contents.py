"""What a release ships, as far as findings need it: units, files in ``/etc``, and the units that extensions bring.

No release lists its contents in a form that can be read without the image, so these tables were made by hand from the
sources of the distribution (the repositories ``baselayout``, ``init``, ``scripts`` and ``sysext-bakery`` of the
organisation ``flatcar``, state of August 2026) and from systemd's own units. Nothing of it was compared with a real
image: what is in ``UNVERIFIED_FILES`` was only inferred. A unit that is missing here costs a warning that can be
silenced; a file that is missing costs a finding that is not made.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from flatprov.flatcar.versions import Version
from flatprov.ignition.target import Target

if TYPE_CHECKING:
    from flatprov.flatcar.releases import ReleaseInfo  # it loads msgspec, which takes longer than judging a config

#: systemd's own units that people enable, mask or extend.
_SYSTEMD: Final = """
    -.mount basic.target bluetooth.target boot-complete.target console-getty.service container-getty@.service
    cryptsetup.target cryptsetup-pre.target ctrl-alt-del.target dbus.service dbus.socket debug-shell.service
    default.target dev-hugepages.mount dev-mqueue.mount emergency.service emergency.target exit.target
    factory-reset.target final.target first-boot-complete.target getty-pre.target getty.target getty@.service
    graphical.target halt.target initrd.target integritysetup.target kexec.target kmod-static-nodes.service
    ldconfig.service local-fs-pre.target local-fs.target machine.slice machines.target modprobe@.service
    multi-user.target network-online.target network-pre.target network.target nss-lookup.target nss-user-lookup.target
    paths.target poweroff.target printer.target proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount
    quotaon.service reboot.target
    remote-cryptsetup.target remote-fs-pre.target remote-fs.target remote-veritysetup.target
    rescue.service rescue.target rpcbind.target runlevel3.target runlevel5.target serial-getty@.service shutdown.target
    sigpwr.target sleep.target slices.target smartcard.target sockets.target soft-reboot.target sound.target
    ssh-access.target storage-target-mode.target suspend.target swap.target sys-fs-fuse-connections.mount
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sysinit.target system-update.target
    system-systemd\\x2dcryptsetup.slice system-systemd\\x2dveritysetup.slice systemd-ask-password-console.path
    systemd-ask-password-console.service systemd-ask-password-wall.path systemd-ask-password-wall.service
    systemd-backlight@.service systemd-battery-check.service systemd-binfmt.service systemd-bless-boot.service
    systemd-boot-check-no-failures.service systemd-boot-random-seed.service systemd-boot-update.service
    systemd-confext.service systemd-coredump.socket systemd-coredump@.service systemd-creds.socket
    systemd-cryptsetup@.service systemd-exit.service systemd-firstboot.service systemd-fsck-root.service
    systemd-fsck@.service systemd-growfs-root.service systemd-growfs@.service systemd-halt.service
    systemd-hibernate-resume.service systemd-homed.service systemd-hostnamed.service systemd-hostnamed.socket
    systemd-hwdb-update.service systemd-importd.service systemd-initctl.service systemd-initctl.socket
    systemd-journal-catalog-update.service systemd-journal-flush.service systemd-journal-gatewayd.service
    systemd-journal-gatewayd.socket systemd-journal-remote.service systemd-journal-remote.socket
    systemd-journal-upload.service systemd-journald-audit.socket systemd-journald-dev-log.socket
    systemd-journald-varlink@.socket systemd-journald.service systemd-journald.socket systemd-journald@.service
    systemd-journald@.socket systemd-kexec.service systemd-localed.service systemd-logind.service
    systemd-machine-id-commit.service systemd-machined.service systemd-makefs@.service systemd-mkswap@.service
    systemd-modules-load.service systemd-network-generator.service systemd-networkd-persistent-storage.service
    systemd-networkd-wait-online.service systemd-networkd-wait-online@.service systemd-networkd.service
    systemd-networkd.socket systemd-nspawn@.service systemd-nsresourced.service systemd-nsresourced.socket
    systemd-oomd.service systemd-oomd.socket systemd-pcrextend.socket systemd-pcrfs-root.service systemd-pcrfs@.service
    systemd-pcrlock.socket systemd-pcrmachine.service systemd-pcrphase.service systemd-portabled.service
    systemd-poweroff.service systemd-pstore.service systemd-quotacheck.service systemd-random-seed.service
    systemd-reboot.service systemd-remount-fs.service systemd-repart.service systemd-resolved.service
    systemd-rfkill.service systemd-rfkill.socket systemd-soft-reboot.service systemd-storagetm.service
    systemd-suspend.service systemd-sysctl.service systemd-sysext.service systemd-sysext.socket
    systemd-sysupdate-reboot.service systemd-sysupdate-reboot.timer systemd-sysupdate.service systemd-sysupdate.timer
    systemd-sysusers.service systemd-time-wait-sync.service systemd-timedated.service systemd-timesyncd.service
    systemd-tmpfiles-clean.service systemd-tmpfiles-clean.timer systemd-tmpfiles-setup-dev-early.service
    systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup.service systemd-tpm2-setup.service
    systemd-udev-settle.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket
    systemd-udevd.service systemd-update-done.service systemd-update-utmp-runlevel.service systemd-update-utmp.service
    systemd-user-sessions.service systemd-userdbd.service systemd-userdbd.socket systemd-vconsole-setup.service
    systemd-veritysetup@.service systemd-volatile-root.service time-set.target time-sync.target timers.target tmp.mount
    tpm2.target umount.target usb-gadget.target user-runtime-dir@.service user.slice user@.service
    veritysetup-pre.target veritysetup.target
"""
#: Units of Flatcar and of the programs in it, those of the OEM extensions included.
_FLATCAR: Final = """
    addon-config@.service addon-run@.service audit-rules.service auditd.service boot.automount boot.mount
    clean-ca-certificates.service containerd.service coreos-metadata-sshkeys@.service coreos-metadata.service
    docker.service docker.socket enable-oem-cloudinit.service ensure-sysext.service etcd-member.service
    extend-filesystems.service flannel-docker-opts.service flanneld.service flatcar-openstack-hostname.service
    flatcar-setup-environment.service flatcar-tmpfiles.service fstrim.service fstrim.timer
    google-guest-agent.service gssproxy.service ignition-delete-config.service ip6tables-restore.service
    ip6tables-store.service iptables-restore.service iptables-store.service ipvsadm-restore.service
    ipvsadm-store.service iscsi-init.service iscsi.service iscsid-initiatorname.service iscsid.service iscsid.socket
    iscsiuio.service iscsiuio.socket issuegen.service locksmithd.service logrotate.service logrotate.timer
    lvm2-lvmpolld.service lvm2-lvmpolld.socket lvm2-monitor.service mdadm.service mdadm-last-resort@.service
    mdadm-last-resort@.timer mdmon@.service mdmonitor.service mdmonitor-oneshot.service mdmonitor-oneshot.timer
    media-configdrive.mount media-configvirtfs.mount media.mount motdgen.path motdgen.service multipathd.service
    multipathd.socket nfs-blkmap.service nfs-client.target nfs-idmapd.service nfs-mountd.service nfs-server.service
    nfs-utils.service nftables-load.service nftables-restore.service nftables-store.service ntpd.service
    ntpdate.service nvidia.service nvmefc-boot-connections.service nvmf-autoconnect.service oem-cloudinit.service
    oem-gce.service oem.mount packet-phone-home.service polkit.service proc-fs-nfsd.mount qemu-guest-agent.service
    realmd.service remount-root.service remount-usr.service rpc-gssd.service rpc-statd-notify.service
    rpc-statd.service rpc-svcgssd.service rpcbind.service rpcbind.socket selinux-policy.service setup-nsswitch.service
    setup-oem.service sntp.service ssh-key-proc-cmdline.service sshd-keygen.service sshd.service sshd.socket
    sshd@.service sshkeys.service sssd.service system-cloudinit@.service system-config.target
    target.service tcsd.service update-ca-certificates.service update-engine-stub.service update-engine-stub.timer
    update-engine.service update-ssh-keys-after-ignition.service user-cloudinit@.path user-cloudinit@.service
    user-config.target user-configdrive.path user-configdrive.service user-configvirtfs.service
    usr-share-oem.mount var-lib-nfs-rpc_pipefs.mount virtfs@.service vmtoolsd.service waagent.service
    wpa_supplicant.service wpa_supplicant@.service xenserver-pv-version.service hv_fcopy_uio_daemon.service
    hv_kvp_daemon.service hv_vss_daemon.service amazon-ssm-agent.service nvme-connect.target
"""
#: Every unit that findings take as shipped.
UNITS: Final = frozenset(_SYSTEMD.split()) | frozenset(_FLATCAR.split())

_BAKERY: Final = {
    "bird": "bird.service",
    "chrony": "chronyd.service",
    "cilium": "cilium.service",
    "coder": "coder.service coder-workspace-proxy.service",
    "consul": "consul.service",
    "containerd": "containerd.service",
    "crio": "crio.service crio-wipe.service",
    "dataplaneapi": "dataplaneapi.service",
    "docker": "docker.service docker.socket containerd.service",
    "docker-buildx": "",
    "docker_compose": "",
    "docker-compose": "",
    "falco": "falco-modern-bpf.service falcoctl-artifact-follow.service",
    "haproxy": "haproxy.service",
    "ig": "",
    "k3s": "k3s.service k3s-agent.service",
    "keepalived": "keepalived.service",
    "kubernetes": "kubelet.service",
    "nebula": "nebula.service",
    "nerdctl": "",
    "nomad": "nomad.service",
    "nvidia-runtime": "nvidia-persistenced.service nvidia-cdi-refresh.service nvidia-cdi-refresh.path",
    "ollama": "ollama.service",
    "rke2": "rke2-server.service rke2-agent.service",
    "scx": "scx.service",
    "tailscale": "tailscaled.service",
    "vault": "vault.service",
    "wasmcloud": "wasmcloud.service nats.service",
    "wasmedge": "",
    "wasmtime": "",
}
_RELEASE: Final = {
    "docker-flatcar": "docker.service docker.socket",
    "containerd-flatcar": "containerd.service",
    "podman": "podman.service podman.socket podman-auto-update.service podman-auto-update.timer podman-restart.service "
    "podman-clean-transient.service podman-kube@.service netavark-dhcp-proxy.service netavark-dhcp-proxy.socket",
    "python": "",
    "zfs": "zfs-import-cache.service zfs-import-scan.service zfs-import.service zfs-import.target zfs-load-key.service "
    "zfs-mount.service zfs-scrub-monthly@.timer zfs-scrub-weekly@.timer zfs-scrub@.service zfs-share.service "
    "zfs-trim-monthly@.timer zfs-trim-weekly@.timer zfs-trim@.service zfs-volume-wait.service zfs-volumes.target "
    "zfs-zed.service zfs.target",
    "incus": "incus.service incus.socket incus-user.service incus-user.socket incus-startup.service lxcfs.service "
    "lxc.service lxc-net.service lxc@.service lxc-monitord.service",
    "nvidia-drivers-535": "nvidia.service nvidia-persistenced.service",
    "nvidia-drivers-535-open": "nvidia.service nvidia-persistenced.service",
    "nvidia-drivers-550": "nvidia.service nvidia-persistenced.service",
    "nvidia-drivers-550-open": "nvidia.service nvidia-persistenced.service",
    "nvidia-drivers-570": "nvidia.service nvidia-persistenced.service",
    "nvidia-drivers-570-open": "nvidia.service nvidia-persistenced.service",
    "overlaybd": "overlaybd-snapshotter.service overlaybd-tcmu.service",
}
#: The first major version that has an extension of the release.
RELEASE_EXTENSIONS: Final = MappingProxyType(
    {"docker-flatcar": 3794, "containerd-flatcar": 3794, "zfs": 3913, "podman": 3941, "python": 4012, "incus": 4285}
    | {"overlaybd": 4426, **dict.fromkeys((name for name in _RELEASE if name.startswith("nvidia-")), 4344)}
)
#: The units that each known extension brings; an extension without units is known too.
EXTENSION_UNITS: Final = MappingProxyType(
    {name: frozenset(units.split()) for name, units in (_BAKERY | _RELEASE).items()}
)

_FILES: Final = """
    /etc/audit/auditd.conf /etc/audit/rules.d/00-clear.rules /etc/audit/rules.d/80-selinux.rules
    /etc/audit/rules.d/99-default.rules /etc/bash/bash_logout /etc/bash/bashrc /etc/coreos /etc/group /etc/gshadow
    /etc/hosts /etc/inputrc /etc/issue /etc/lsb-release /etc/mtab /etc/nsswitch.conf /etc/ntp.conf
    /etc/os-release /etc/passwd /etc/profile /etc/profile.d/flatcar-profile.sh /etc/resolv.conf /etc/selinux/config
    /etc/selinux/semanage.conf /etc/shadow /etc/shells /etc/ssh/ssh_config.d/50-flatcar-ssh.conf
    /etc/ssh/sshd_config.d/50-flatcar-sshd.conf /etc/sudo.conf /etc/vim/vimrc
"""
_UNVERIFIED_FILES: Final = "/etc/login.defs /etc/motd /etc/ssh/ssh_config /etc/ssh/sshd_config /etc/ssl/openssl.cnf"
#: Files and links in /etc that baselayout, systemd and the distribution's own files make, from their sources.
FILES: Final = frozenset(_FILES.split())
#: Files that the programs in the image install, as one has to infer, and the link that the login message may be.
UNVERIFIED_FILES: Final = frozenset(_UNVERIFIED_FILES.split())
_ACCOUNTS: Final = """
    root bin daemon adm lp news uucp man netperf messagebus syslog ntp sshd tcpdump dhcp etcd docker tlsdate polkitd tss
    systemd-journal-remote systemd-network systemd-resolve systemd-bus-proxy portage core nobody systemd-coredump
    systemd-oom systemd-timesync
"""
#: Every user of the base system; the last three of each list are systemd's newer ones and were not compared.
USERS: Final = frozenset(f"{_ACCOUNTS} sync shutdown halt operator".split())
#: Every group of the base system.
GROUPS: Final = frozenset(
    f"""
    {_ACCOUNTS} sys tty disk mem kmem wheel floppy console audio cdrom tape video input lock render kvm cdrw usb users
    sudo systemd-journal dialout sgx utmp nogroup
    """.split()
)
#: From this major version on /etc is an overlay, and its lower layer is there before Ignition runs.
OVERLAY_MAJOR: Final = 3535


def target_for(release: ReleaseInfo | None = None, platform: str = "", *, architecture: str = "") -> Target:
    """Give what configs for a release and a platform are checked against.

    Args:
        release: the release; None stands for any newer one.
        platform: as in ``Target``; empty where it is not known.
        architecture: of the machine where no release says it.
    """
    version = Version.parse_or_none(release.version) if release else None
    major = version.major if version else None
    return Target(
        release=release.version if release else "",
        ignition=release.ignition if release else "",
        architecture=release.architecture if release else architecture,
        platform=platform,
        units=UNITS,
        files=FILES if major is None or major >= OVERLAY_MAJOR else frozenset(),
        unverified_files=UNVERIFIED_FILES if major is None or major >= OVERLAY_MAJOR else frozenset(),
        users=USERS,
        groups=GROUPS,
        release_extensions=frozenset(n for n, first in RELEASE_EXTENSIONS.items() if major is None or major >= first),
        extension_units=EXTENSION_UNITS,
    )
