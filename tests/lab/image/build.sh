#!/bin/bash
# image/build.sh FOLDER : build FOLDER/standin.qcow2, a disk that behaves like Flatcar towards a provisioning tool.
#
# Made of Debian packages plus Ignition built from source (ignition/build.sh).  Needs root on Debian or Ubuntu
# (mount namespace, chroot); no loop devices, no KVM, no vfat or nbd in the host kernel.
# Debian's mirrors, security suite and proxy are taken from this machine's apt configuration, on Ubuntu from mmdebstrap's.
#
#   SUITE=trixie             Debian release inside the image (systemd 257 and kernel 6.12 as in Flatcar 4593);
#                            bookworm (systemd 252, kernel 6.1) boots in three quarters of the time
#   FLATCAR_VERSION=4593.2.5 what the image claims in os-release
#   KUBE=0                   1: add containerd and runc, containerd.service enabled (128 MB unpacked, 50 MB in the qcow2)
#   ROOT_MB=256              size of the ROOT file system; it grows to the disk at boot
#   KEEP_RAW=                also write standin.raw
#   PACKAGES_CACHE=FOLDER    where the unpacked packages are kept for seven days (default: beside the image)
#   REFRESH=                 fetch the packages again all the same
#   KARGS=                   kernel arguments in place of the time-saving ones
#   QCOW2_COMPRESS=zstd      cluster compression
set -euo pipefail
die() { echo "image: $*" >&2; exit 1; }
self=$(readlink -f "$0")
[ "$(id -u)" = 0 ] || die "run as root (chroot and mounts are needed)"
[ -n "${IN_NS:-}" ] || IN_NS=1 exec unshare -m --propagation private "$self" "$@"   # mounts below die with the script
here=$(dirname "$self")
out=$(mkdir -p "${1:?usage: image/build.sh FOLDER}" && cd "$1" && pwd)
suite=${SUITE:-trixie}
flatcar=${FLATCAR_VERSION:-4593.2.5}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600}
for tool in mmdebstrap:mmdebstrap mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools sfdisk:fdisk qemu-img:qemu-utils \
            grub-mkimage:grub-common python3:python3 apt-get:apt; do
    command -v "${tool%:*}" >/dev/null || die "'${tool%:*}' is missing; apt-get install ${tool#*:}"
done
for dir in i386-pc:grub-pc-bin x86_64-efi:grub-efi-amd64-bin; do
    [ -d "/usr/lib/grub/${dir%:*}" ] || die "GRUB modules are missing; apt-get install ${dir#*:}"
done
work=$(mktemp -d "$out/work.XXXXXX")
rootfs=$work/rootfs
trap 'umount -l "$rootfs/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
started=$EPOCHREALTIME
step() { awk -v a="$started" -v b="$EPOCHREALTIME" -v m="$*" 'BEGIN { printf "%7.1fs  %s\n", b - a, m }'; }

# --- Debian packages ---------------------------------------------------------------------------------
# Every Debian source this machine's apt knows, with the suite names moved to $suite.
about() { sed -n "s/^$2=\"\?\([^\"]*\)\"\?\$/\1/p" "$1"; }    # FILE NAME: a value of an os-release file
host_suite=$(about /etc/os-release VERSION_CODENAME)
# shellcheck disable=SC2016  # apt expands these
mapfile -t sources < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    awk -v from="$host_suite" -v to="$suite" '$3 == "main" && index($2, from) == 1 {
        $2 = to substr($2, length(from) + 1); print "deb", $1, $2, $3 }' | sort -u)
# on Ubuntu there is none: without a source mmdebstrap takes the mirror it was built with
[ ${#sources[@]} -gt 0 ] || [ "$(about /etc/os-release ID)" != debian ] ||
    die "apt knows no Debian source for '$host_suite': run apt-get update, and look at /etc/apt/sources.list"
proxy=(); for scheme in http https; do
    url=$(apt-config dump --format '%v%n' "Acquire::$scheme::Proxy"); [ -z "$url" ] || proxy+=("--aptopt=Acquire::$scheme::Proxy \"$url\"")
done

pkgs=systemd-sysv,udev,dbus,systemd-resolved,systemd-timesyncd,openssh-server,sudo,iproute2,kmod,procps,less
pkgs+=,linux-image-cloud-amd64,dracut,dracut-network,e2fsprogs,gdisk,fdisk,dosfstools,ca-certificates,curl,qemu-guest-agent
pkgs+=,zstd        # for the initramfs: without it dracut quietly takes gzip, larger and ten seconds slower to pack; boots take the same
[ "${KUBE:-0}" = 0 ] || pkgs+=,containerd,runc
packages=${PACKAGES_CACHE:-$out/cache}
cache=$packages/$suite-$(echo "$pkgs" | sha256sum | cut -c1-12).tar
if [ -z "${REFRESH:-}" ] && [ -n "$(find "$cache" -mtime -7 2>/dev/null)" ]; then
    mkdir "$rootfs"; tar -C "$rootfs" --numeric-owner --xattrs -xf "$cache"
else
    step "mmdebstrap $suite from ${#sources[@]} sources"
    # INITRD=No: skip the initramfs that the kernel package would build; we build ours below
    INITRD=No mmdebstrap --mode=root --variant=essential --format=directory --quiet \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' "${proxy[@]}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/zoneinfo/right/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
        --include="$pkgs" "$suite" "$rootfs" "${sources[@]}" || die "mmdebstrap failed (see above); does the mirror carry '$suite'?"
    rm -rf "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/cache/apt/*
    # Compressed kernel modules cost boot time under emulation; the qcow2 is compressed anyway.
    find "$rootfs/usr/lib/modules" -name '*.ko.xz' -print0 | xargs -0r -P "$(nproc)" -n 200 unxz
    chroot "$rootfs" depmod "$(ls "$rootfs/usr/lib/modules")"
    mkdir -p "$packages"
    tar -C "$rootfs" --numeric-owner --xattrs --exclude=./proc/* -cf "$cache.$$" . && mv "$cache.$$" "$cache"
fi
step "packages unpacked: $(du -sm --exclude=proc "$rootfs" | cut -f1) MB"

# --- what makes it look like Flatcar -----------------------------------------------------------------
kver=$(ls "$rootfs/usr/lib/modules")
cp -r --no-preserve=ownership "$here/root/." "$rootfs/"
groups=sudo,docker,wheel,adm,systemd-journal
chroot "$rootfs" groupadd -g 500 core
chroot "$rootfs" groupadd -g 233 docker
chroot "$rootfs" groupadd -g 10 wheel 2>/dev/null || chroot "$rootfs" groupadd -r wheel
chroot "$rootfs" useradd -u 500 -K UID_MIN=500 -g core -G "$groups" -m -s /bin/bash core
chroot "$rootfs" passwd -l root >/dev/null
rm -f "$rootfs"/etc/ssh/ssh_host_* "$rootfs/etc/hostname" "$rootfs/etc/machine-id" "$rootfs/var/lib/dbus/machine-id"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$rootfs/etc/resolv.conf"
# Ignition enables units through presets, which systemd applies when /etc/machine-id is absent
find "$rootfs/etc/systemd/system" -mindepth 1 -delete
rm -f "$rootfs"/usr/lib/systemd/system/sysinit.target.wants/systemd-firstboot.service   # it would ask on the console
rm -f "$rootfs"/usr/lib/systemd/system/{ssh.service,ssh.socket,ssh@.service,sshd.service}  # replaced by sshd.socket
# What Debian starts and Flatcar does not have, or what is of no use without a display, TPM, swap or serial login
( cd "$rootfs/usr/lib/systemd"
  rm -rf system-generators/systemd-{sysv,rc-local,hibernate-resume,bless-boot,cryptsetup,integritysetup,veritysetup,import,run,ssh,tpm2,factory-reset}-generator \
        system-generators/{ssh,sshd}-*generator user-environment-generators/* \
        system/{apt-daily,dpkg-db-backup,e2scrub,fstrim,man-db,rc-local,rc,rcS,sudo}[.-@_]* system/*.target.wants/{systemd-pstore,sys-kernel-debug,sys-kernel-tracing,sys-fs-fuse-connections}.* \
        system/systemd-pstore.service system/sys-kernel-debug.mount system/sys-kernel-tracing.mount \
        system/sysinit.target.wants/{systemd-hibernate-clear,systemd-tpm2*,systemd-pcr*,systemd-boot*,sys-fs-fuse-connections,proc-sys-fs-binfmt_misc}* \
        system/systemd-logind.service.wants/* )
sed -i '/modprobe@drm/d' "$rootfs/usr/lib/systemd/system/systemd-logind.service"
printf '\\S (\\l)\n\n' > "$rootfs/etc/issue"; cp "$rootfs/etc/issue" "$rootfs/etc/issue.net"
# The image is complete: nothing to rebuild at first boot (linker cache, journal catalog, users, hwdb)
for folder in etc var; do
    printf '# made by image/build.sh\nTIMESTAMP_NSEC=%s000000000\n' "$SOURCE_DATE_EPOCH" > "$rootfs/$folder/.updated"
done
mkdir -p "$rootfs"/opt/bin "$rootfs"/etc/extensions "$rootfs"/usr/lib/standin
ignition=$("$here/../build.sh" --ignition-folder)     # by now a build beside this one is mostly done
step "Ignition: $ignition"
cp "$ignition/ignition" "$rootfs/usr/lib/standin/ignition"
debian=$(about "$rootfs/usr/lib/os-release" PRETTY_NAME)
cat > "$rootfs/usr/lib/os-release" <<R
NAME="Flatcar stand-in"
ID=flatcar
ID_LIKE=coreos
VERSION=$flatcar
VERSION_ID=$flatcar
SYSEXT_LEVEL=1.0
PRETTY_NAME="Flatcar stand-in for $flatcar (made of $debian)"
FLATCAR_BOARD=amd64-usr
VARIANT_ID=standin
R
mkdir -p "$rootfs"/usr/share/flatcar "$rootfs"/etc/flatcar
printf 'FLATCAR_RELEASE_VERSION=%s\nFLATCAR_RELEASE_BOARD=amd64-usr\nFLATCAR_RELEASE_APPID={e96281a6-d1af-4bde-9a0a-97b76e56dc57}\n' \
    "$flatcar" > "$rootfs/usr/share/flatcar/release"
printf 'SERVER=disabled\nGROUP=stable\n' > "$rootfs/usr/share/flatcar/update.conf"
printf 'GROUP=stable\n' > "$rootfs/etc/flatcar/update.conf"

# --- initramfs ---------------------------------------------------------------------------------------
modules=$rootfs/usr/lib/dracut/modules.d
rm -rf "$modules/30ignition" "$modules"/*/30ignition
cp -r "$ignition/dracut" "$modules/30ignition"
cp "$ignition/ignition" "$modules/30ignition/ignition"
sed -i 's/echo qemu systemd url-lib network/echo qemu systemd/' "$modules/30ignition/module-setup.sh"   # as Flatcar does
cp -r "$here/dracut/35standin" "$modules/"
mv "$modules/35standin/ignition-kargs-helper" "$modules/30ignition/ignition-kargs-helper.sh"   # upstream's only says "not supported"
for module in "$modules"/*kernel-network-modules; do   # a stub: every NIC driver there is would triple the initramfs
    printf 'installkernel() { instmods virtio_net af_packet; }\n' > "$module/module-setup.sh"
done
omit="dracut-systemd rootfs-block usrmount ifcfg network-manager network-legacy network kernel-modules-extra url-lib nfs iscsi fcoe nbd lvm mdraid dmraid"
omit+=" multipath crypt btrfs plymouth terminfo i18n resume biosdevname lunmask qemu-net hwdb nvdimm overlay-root virtfs virtiofs"
omit+=" systemd-battery-check systemd-pcrphase"
drivers="virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng qemu_fw_cfg ext4 vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1"
drivers+=" sd_mod ahci ata_piix"
mount -t proc proc "$rootfs/proc"
chroot "$rootfs" dracut --quiet --force --no-hostonly --no-hostonly-cmdline --no-early-microcode --reproducible \
    --compress="${INITRD_COMPRESS:-zstd -6 -T0}" --kver "$kver" \
    --add "standin ignition systemd-initrd systemd-journald systemd-tmpfiles systemd-udevd" --omit "$omit" --drivers "$drivers" \
    /boot/initrd.standin "$kver" 2>"$work/dracut.log" || { cat "$work/dracut.log"; die "dracut failed (see above)"; }
chroot "$rootfs" lsinitrd /boot/initrd.standin > "$out/initrd.txt" 2>/dev/null || true
umount "$rootfs/proc"
mv "$rootfs/boot/initrd.standin" "$work/initrd"
[ "$(od -An -tx1 -N2 "$work/initrd")" != " 1f 8b" ] || [ -n "${INITRD_COMPRESS:-}" ] || die "dracut took gzip: is zstd in the package list?"
cp "$rootfs/boot/vmlinuz-$kver" "$work/vmlinuz"
cp "$rootfs/boot/config-$kver" "$rootfs/usr/lib/modules/$kver/config"     # kubeadm's preflight reads it
chmod 644 "$work/initrd"
step "initramfs: kernel $kver $(stat -c%s "$work/vmlinuz") bytes, initrd $(stat -c%s "$work/initrd") bytes"

# --- trim what only the build needed -----------------------------------------------------------------
sed -n 's/^Package: //p' "$rootfs/var/lib/dpkg/status" | sort > "$out/packages.txt"
chroot "$rootfs" dpkg --purge --force-depends dracut dracut-network dracut-core isc-dhcp-client zstd >/dev/null 2>&1 || true
rm -rf "${rootfs:?}"/boot/* "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/cache/apt/* "$rootfs"/var/log/* \
       "$rootfs"/usr/lib/modules/"$kver"/kernel/{sound,drivers/{infiniband,gpu,media,net/ethernet/mellanox,nvdimm,hv,xen}} \
       "$rootfs"/usr/lib/dracut "$rootfs"/usr/share/{bash-completion,perl5,zsh,bug,common-licenses} \
       "$rootfs"/usr/lib/x86_64-linux-gnu/perl* "$rootfs"/usr/share/perl* \
       "$rootfs"/tmp/* "$rootfs"/usr/share/i18n "$rootfs"/var/cache/debconf/*
chroot "$rootfs" depmod "$kver"
mkdir -p "$rootfs/boot" "$rootfs/oem"
step "trimmed: $(du -sm --exclude=proc "$rootfs" | cut -f1) MB"

# --- file systems, all made in plain files -----------------------------------------------------------
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
find "$rootfs" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch -h -d "@$SOURCE_DATE_EPOCH"
mkdir "$work/usr"; mv "$rootfs/usr" "$work/usr/usr"; mkdir "$rootfs/usr"
usr_mb=$(( $(du -sm "$work/usr" | cut -f1) * 108 / 100 + 12 ))
root_mb=${ROOT_MB:-256} esp_mb=64
ext4() {   # NAME UUID FOLDER SIZE [mke2fs option...]
    mke2fs -q -t ext4 -L "$1" -U "$2" -E "hash_seed=$2,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard" "${@:5}" \
        -d "$3" "$work/$1.img" "$4" | grep -v '^Creating regular file' || true
    [ -s "$work/$1.img" ] || die "mke2fs failed for $1"
}
ext4 USR-A 7130c94a-213a-4e5a-8e26-6cce9662f132 "$work/usr/usr" ${usr_mb}M -O ^has_journal -m 0
ext4 ROOT  5e5d5d7c-6d6e-4f3f-9a53-7a6f6c1c6b10 "$rootfs" "${root_mb}M" -m 1
mkdir "$work/oem"; printf '# GRUB reads this file at every boot\nset oem_id="qemu"\nset linux_append=""\n' > "$work/oem/grub.cfg"
ext4 OEM 2a2b7a1e-55f0-4b8f-8f0e-0c3c4f4b5a11 "$work/oem" 16M -O ^has_journal -m 0
step "ext4 made (USR-A ${usr_mb}M, ROOT ${root_mb}M)"

# --- boot loader -------------------------------------------------------------------------------------
cat > "$work/grub.cfg" <<'G'
set timeout=0
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
search --no-floppy --set=root --label EFI-SYSTEM
set first_boot=""
if [ -f /flatcar/first_boot ]; then
  set first_boot="flatcar.first_boot=detected ignition.firstboot=1"
fi
set linux_append=""
search --no-floppy --set=oem --label OEM
if [ -f ($oem)/grub.cfg ]; then source ($oem)/grub.cfg; fi
linux /flatcar/vmlinuz-a root=LABEL=ROOT rootfstype=ext4 rw mount.usr=PARTLABEL=USR-A mount.usrfstype=ext4 mount.usrflags=ro consoleblank=0 console=tty0 console=ttyS0,115200n8 ignition.platform.id=qemu flatcar.oem.id=qemu $first_boot STANDIN_ARGS $linux_append
initrd /flatcar/initrd-a
boot
G
# Only to save time under emulation; a provisioning tool cannot tell.
# no_timer_check is what a guest of KVM sets for itself: an emulated clock that ticks late on a busy host is no broken clock
fast="no_timer_check audit=0 mitigations=off lsm=capability fsck.mode=skip systemd.gpt_auto=0 SYSTEMD_SECCOMP=0"
sed -i "s|STANDIN_ARGS|${KARGS-$fast}|" "$work/grub.cfg"
mods=(part_gpt fat ext2 search search_label serial terminal echo test configfile linux normal boot sleep reboot halt)
cat > "$work/early.cfg" <<'G'
search --no-floppy --set=esp --label EFI-SYSTEM
set prefix=($esp)/flatcar/grub
configfile ($esp)/flatcar/grub/grub.cfg
G
grub-mkimage -O i386-pc    -p /flatcar/grub -c "$work/early.cfg" -o "$work/core.img" biosdisk "${mods[@]}"
grub-mkimage -O x86_64-efi -p /flatcar/grub -c "$work/early.cfg" -o "$work/bootx64.efi" "${mods[@]}"
truncate -s ${esp_mb}M "$work/esp.img"
mkfs.vfat -F 32 -n EFI-SYSTEM -i 7F1A7CA8 "$work/esp.img" >/dev/null
export MTOOLS_SKIP_CHECK=1
mmd   -i "$work/esp.img" ::/EFI ::/EFI/BOOT ::/flatcar ::/flatcar/grub
mcopy -i "$work/esp.img" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp.img" "$work/vmlinuz" ::/flatcar/vmlinuz-a
mcopy -i "$work/esp.img" "$work/initrd"  ::/flatcar/initrd-a
mcopy -i "$work/esp.img" "$work/grub.cfg" ::/flatcar/grub/grub.cfg
: > "$work/empty"; mcopy -i "$work/esp.img" "$work/empty" ::/flatcar/first_boot

# --- the disk: Flatcar's partition numbers, names and types ------------------------------------------
disk=$work/disk.raw
total=$(( 1 + esp_mb + 1 + usr_mb + 16 + root_mb + 2 ))
truncate -s ${total}M "$disk"
p1=2048; p2=$((p1 + esp_mb*2048)); p3=$((p2 + 2048)); p6=$((p3 + usr_mb*2048)); p9=$((p6 + 16*2048))
sfdisk -q "$disk" <<S
label: gpt
label-id: 00000000-0000-0000-0000-000000000001
1: start=$p1, size=$((esp_mb*2048)), name=EFI-SYSTEM, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=10000000-0000-4000-8000-000000000001
2: start=$p2, size=2048, name=BIOS-BOOT, type=21686148-6449-6E6F-744E-656564454649, uuid=10000000-0000-4000-8000-000000000002
3: start=$p3, size=$((usr_mb*2048)), name=USR-A, type=5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6, uuid=7130c94a-213a-4e5a-8e26-6cce9662f132
6: start=$p6, size=$((16*2048)), name=OEM, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=10000000-0000-4000-8000-000000000006
9: start=$p9, size=$((root_mb*2048)), name=ROOT, type=3884DD41-8582-4404-B9A8-E9B84F2DF50E, uuid=10000000-0000-4000-8000-000000000009
S
put() { dd if="$1" of="$disk" bs=1M seek="$(( $2 * 512 ))" oflag=seek_bytes conv=notrunc,sparse status=none; }
put "$work/esp.img" $p1; put "$work/USR-A.img" $p3; put "$work/OEM.img" $p6; put "$work/ROOT.img" $p9
# what grub-bios-setup would do: boot.img -> MBR (pointing at core.img), core.img -> BIOS-BOOT
python3 - "$disk" "$work/core.img" "$p2" <<'P'
import struct, sys
disk, core, p2 = sys.argv[1], open(sys.argv[2], 'rb').read(), int(sys.argv[3])
boot = bytearray(open('/usr/lib/grub/i386-pc/boot.img', 'rb').read())
core = bytearray(core + b'\0' * (-len(core) % 512))
with open(disk, 'r+b') as f:
    mbr = f.read(512)
    boot[0x5c:0x64] = struct.pack('<Q', p2)          # sector of core.img
    boot[0x66:0x68] = b'\x90\x90'                    # boot from the BIOS drive in %dl
    boot[0x1b8:0x1fe] = mbr[0x1b8:0x1fe]             # keep the protective MBR
    f.seek(0); f.write(boot)
    core[0x1f4:0x1fc] = struct.pack('<Q', p2 + 1)    # diskboot: where the rest of core.img is
    core[0x1fc:0x1fe] = struct.pack('<H', len(core) // 512 - 1)
    assert len(core) <= 2048 * 512
    f.seek(p2 * 512); f.write(core)
P
step "raw disk ${total}M, $(du -m "$disk" | cut -f1) MB used"
qemu-img convert -q -c -O qcow2 -o compression_type="${QCOW2_COMPRESS:-zstd}" "$disk" "$out/standin.qcow2.tmp"
[ -z "${KEEP_RAW:-}" ] || cp --sparse=always "$disk" "$out/standin.raw"
mv "$out/standin.qcow2.tmp" "$out/standin.qcow2"
cp "$work/vmlinuz" "$work/initrd" "$out/"          # for direct-kernel and PXE tests
step "qcow2 $(( $(stat -c%s "$out/standin.qcow2") / 1000000 )) MB  -> $out/standin.qcow2"
