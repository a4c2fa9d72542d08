#!/bin/bash
# shellcheck disable=SC2154  # dracut sets moddir, initdir and systemdsystemunitdir
# dracut module: what a distribution has to add around upstream Ignition.  Flatcar's counterpart is "bootengine".
check()   { return 255; }
depends() { echo ignition systemd systemd-networkd systemd-resolved; }
installkernel() { hostonly='' instmods qemu_fw_cfg vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1 ext4; }

# unit FILE TARGET: install a unit that TARGET requires
unit() {
    inst_simple "$moddir/$1" "$systemdsystemunitdir/$1"
    mkdir -p "$initdir/$systemdsystemunitdir/$2.requires"
    ln_r "$systemdsystemunitdir/$1" "$systemdsystemunitdir/$2.requires/$1"
}

install() {
    inst_multiple cat cp mkdir modprobe mount mv rm sed sleep sulogin systemctl umount
    local script
    for script in standin-setup standin-quench standin-emergency; do inst_script "$moddir/$script" "/usr/libexec/$script"; done
    unit standin-setup.service   ignition-complete.target
    unit standin-network.service ignition-complete.target
    unit standin-quench.service  ignition-complete.target

    # As on Flatcar, Ignition itself lies on the USR partition, not in the initramfs.
    rm -f "$initdir/usr/bin/ignition"
    ln -s /sysusr/usr/lib/standin/ignition "$initdir/usr/bin/ignition"

    # As on Flatcar, the journal of the initramfs goes to the console: that is how the reason of a failure gets out.
    inst_simple "$moddir/journald.conf" /etc/systemd/journald.conf.d/10-standin.conf
    inst_simple "$moddir/emergency.service" "$systemdsystemunitdir/emergency.service"
    inst_simple "$systemdsystemunitdir/emergency.target"

    mkdir -p "$initdir/usr/lib/ignition"     # systemd makes /usr read-only, so standin-setup mounts over this folder

    # networkd and resolved are only started when Ignition asks for the network
    inst_simple "$moddir/zz-default.network" /usr/lib/systemd/network/zz-default.network
    inst_simple /etc/ssl/certs/ca-certificates.crt
    ln -sf /run/systemd/resolve/resolv.conf "$initdir/etc/resolv.conf"
    local wanted
    for wanted in systemd-networkd systemd-resolved systemd-networkd-wait-online systemd-network-generator; do
        find "$initdir" -path "*.wants/$wanted.*" -delete
    done
}
