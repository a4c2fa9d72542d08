#!/bin/bash
# lab.sh : a private libvirtd (qemu:///system) for tests, without systemd, dbus or polkit.  As root, or through sudo.
#
#   lab.sh up            start it; does nothing when it is already up
#   lab.sh exec CMD...   run CMD inside (same folder, LIBVIRT_DEFAULT_URI set); the exit status is CMD's
#   lab.sh connect ADDRESS PORT   a TCP connection from inside on stdin and stdout (an ssh ProxyCommand)
#   lab.sh uri           the address for a client outside the lab
#   lab.sh status        "up" and the guests, or "down" with exit status 3
#   lab.sh down          end every process of the lab; mounts, bridges and namespaces go with them.  Volumes and logs stay
#   lab.sh purge         down, then delete the lab's folder
#
# LAB=/some/folder       the lab's folder (default /var/tmp/flatprov-lab).  One lab per folder; any number side by side
# HIDE_KVM=0             leave /dev/kvm visible.  Hidden by default: a KVM that exists but does not work makes libvirt
#                        spend half a minute on every define
# DEFAULT_NETWORK=1      also define and start libvirt's network 'default' (192.168.122.0/24)
# STOCK=1                keep the distribution's qemu.conf (QEMU as its own user, virtlogd) to test file ownership
#
# A storage pool 'default' is there and active, in $LAB/pool.
#
# How it is private:
#   mount namespace      own /etc/libvirt, /run/libvirt, /var/{lib,log,cache}/libvirt, all under $LAB; own console locks; a /dev without kvm
#   network namespace    own virbr0, dnsmasq and firewall rules; no way out, and no clash with another lab
#   pid namespace        its first process is the lab: when it ends, everything in it ends
# Inside, every socket has the usual short path, so $LAB may be as long as the file system allows.
set -euo pipefail
self=$(readlink -f "$0")
fail() { echo "lab: $*" >&2; exit 1; }
LAB=$(readlink -m "${LAB:-/var/tmp/flatprov-lab}")
export LAB
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "needs root and there is no sudo; run this as root, or install sudo"
    exec sudo --preserve-env=LAB,HIDE_KVM,DEFAULT_NETWORK,STOCK "$self" "$@"
fi

# --- state on disk: "$LAB/lab.pid" holds outer pid, inner pid and their start times (so a reused pid is not ours) -----
start_time() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
running() { [ -n "${1:-}" ] && [ "$(start_time "$1")" = "${2:-none}" ]; }
load() { outer='' outer_start='' inner='' inner_start=''; [ ! -e "$LAB/lab.pid" ] || read -r outer outer_start inner inner_start < "$LAB/lab.pid" || true; }
is_up() { load; running "$outer" "$outer_start" && running "$inner" "$inner_start"; }
# -r: without it a lab inside a chroot would be entered at the machine's own root
into() { into=(nsenter -t "$inner" -r -m -n -p -- env -C "$PWD" LIBVIRT_DEFAULT_URI=qemu:///system); }
enter() { local into; into; "${into[@]}" "$@"; }

check_machine() {
    local need
    for need in libvirtd:libvirt-daemon-system virsh:libvirt-clients qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils \
                dnsmasq:dnsmasq-base ip:iproute2 iptables:iptables nc:netcat-openbsd unshare:util-linux nsenter:util-linux flock:util-linux; do
        command -v "${need%:*}" >/dev/null || fail "'${need%:*}' is missing; apt-get install ${need#*:}"
    done
    [ -e /dev/net/tun ] || fail "/dev/net/tun is missing (in a container: run it privileged)"
}

up() {
    check_machine
    if [ -d "$LAB" ] && [ ! -e "$LAB/.flatprov-lab" ] && [ -n "$(ls -A "$LAB")" ]; then
        fail "$LAB exists, is not empty and was not made by lab.sh; choose another LAB"
    fi
    mkdir -p "$LAB"; touch "$LAB/.flatprov-lab"
    exec 9> "$LAB/lock"; flock 9                       # two "up" at once: the second waits and finds it up
    if is_up; then echo "lab: already up, $LAB, pid $inner"; return; fi
    end_processes
    setsid unshare --mount --net --pid --fork --mount-proc --kill-child "$self" inner </dev/null >"$LAB/lab.log" 2>&1 9>&- &
    outer=$!
    outer_start=$(start_time "$outer")
    echo "$outer $outer_start" > "$LAB/lab.pid"
    local end=$((SECONDS + 120)) child
    while :; do
        running "$outer" "$outer_start" || give_up "the daemon ended: $(reason)"
        [ $SECONDS -lt $end ] || give_up "libvirtd did not answer within 120 s: $(reason)"
        child=$(pgrep -P "$outer" | head -1 || true)
        if [ -n "$child" ] && [ -S "$LAB/run/libvirt-sock" ]; then
            echo "$outer $outer_start $child $(start_time "$child")" > "$LAB/lab.pid"
            if is_up && enter virsh -q version >/dev/null 2>&1; then break; fi
        fi
        sleep 0.1
    done
    echo "lab: up, $LAB, pid $inner"
}

reason() {   # the last thing the daemon or its launcher said, on one line
    local line
    line=$({ cat "$LAB/lab.log"; cat "$LAB/log/libvirtd.log"; } 2>/dev/null | grep -v '^$' | tail -1 | cut -c1-300)
    echo "${line:-it said nothing}"
}
give_up() { end_processes; fail "$1 (logs: $LAB/lab.log, $LAB/log/libvirtd.log)"; }

end_processes() {
    [ -e "$LAB/.flatprov-lab" ] || { [ ! -e "$LAB" ] || fail "$LAB is not a lab's folder; nothing done"; return 0; }
    load
    if running "$outer" "$outer_start"; then kill -KILL "$outer" 2>/dev/null || true; fi      # --kill-child takes the namespace along
    if running "$inner" "$inner_start"; then kill -KILL "$inner" 2>/dev/null || true; fi
    local _
    for _ in $(seq 100); do
        running "$outer" "$outer_start" || running "$inner" "$inner_start" || break
        sleep 0.1
    done
    if running "$inner" "$inner_start"; then fail "process $inner does not end"; fi
    rm -rf --one-file-system "${LAB:?}/lab.pid" "${LAB:?}/run" "${LAB:?}/dev"
}

named_uuid() { md5sum <<< "$LAB $1" | sed -E 's/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/\1-\2-\3-\4-\5/'; }

# --- the lab's first process, inside the new namespaces ----------------------------------------------------------
inner() {
    ip link set lo up
    mkdir -p "$LAB"/{etc/{qemu/networks/autostart,storage/autostart},run,lib/{images,qemu,boot,dnsmasq,network},log/qemu,cache,pool}
    local uuid; uuid=$(named_uuid host)
    # written before the daemon starts: it finds them active without a call from us
    cat > "$LAB/etc/storage/default.xml" <<C
<pool type='dir'><name>default</name><uuid>$(named_uuid pool)</uuid><source/><target><path>$LAB/pool</path></target></pool>
C
    ln -sfn /etc/libvirt/storage/default.xml "$LAB/etc/storage/autostart/default.xml"
    if [ "${DEFAULT_NETWORK:-0}" = 1 ]; then
        cat > "$LAB/etc/qemu/networks/default.xml" <<C
<network><name>default</name><uuid>$(named_uuid network)</uuid><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>
C
        ln -sfn /etc/libvirt/qemu/networks/default.xml "$LAB/etc/qemu/networks/autostart/default.xml"
    fi
    if [ -n "${STOCK:-}" ]; then echo 'namespaces = [ ]' > "$LAB/etc/qemu.conf"; else cat > "$LAB/etc/qemu.conf" <<C
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
security_default_confined = 0
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
C
    fi
    cat > "$LAB/etc/libvirtd.conf" <<C
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0770"
host_uuid = "$uuid"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
max_clients = 200
C
    [ -z "${SUDO_GID:-}" ] || echo "unix_sock_group = \"$(getent group "$SUDO_GID" | cut -d: -f1)\"" >> "$LAB/etc/libvirtd.conf"
    mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
    mount --bind "$LAB/etc" /etc/libvirt; mount --bind "$LAB/run" /run/libvirt
    mount --bind "$LAB/lib" /var/lib/libvirt; mount --bind "$LAB/log" /var/log/libvirt; mount --bind "$LAB/cache" /var/cache/libvirt
    : > /var/log/libvirt/libvirtd.log
    # console locks name a terminal and a process by numbers that mean something else in another lab
    local locks; locks=$(readlink -m /var/lock)
    mkdir -p "$locks"; mount -t tmpfs -o mode=1777 tmpfs "$locks"
    if [ "${HIDE_KVM:-1}" = 1 ] && [ -e /dev/kvm ]; then private_dev; fi
    [ -z "${STOCK:-}" ] || virtlogd -d -p /run/libvirt/virtlogd.pid
    libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid &
    local daemon=$!
    while kill -0 "$daemon" 2>/dev/null; do wait -n || true; sleep 0.5; done     # also reaps dnsmasq and QEMU orphans
}

private_dev() {   # the host's /dev minus kvm
    local dev=$LAB/dev node
    mkdir -p "$dev"; mount -t tmpfs -o mode=755 tmpfs "$dev"
    for node in null zero full random urandom tty; do cp -a "/dev/$node" "$dev/"; done
    mkdir "$dev/net" "$dev/pts" "$dev/shm"
    cp -a /dev/net/tun "$dev/net/"; cp -a /dev/loop* "$dev/" 2>/dev/null || true
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$dev/pts"; ln -s pts/ptmx "$dev/ptmx"
    mount --bind /dev/shm "$dev/shm"
    ln -s /proc/self/fd "$dev/fd"; ln -s fd/0 "$dev/stdin"; ln -s fd/1 "$dev/stdout"; ln -s fd/2 "$dev/stderr"
    mount --rbind "$dev" /dev
}

case ${1:-} in
    up) up ;;
    inner) inner ;;
    exec)
        shift; [ $# -gt 0 ] || fail "exec needs a command"
        is_up || fail "not up; run 'lab.sh up' first (LAB=$LAB)"
        into; exec "${into[@]}" "$@" ;;
    connect)
        [ $# = 3 ] || fail "connect needs an address and a port"
        is_up || fail "not up; run 'lab.sh up' first (LAB=$LAB)"
        exec nsenter -t "$inner" -n -- nc "$2" "$3" ;;
    uri)
        is_up || fail "not up; run 'lab.sh up' first (LAB=$LAB)"
        socket=$LAB/run/libvirt-sock
        [ ${#socket} -le 107 ] || socket=/proc/$inner/root/run/libvirt/libvirt-sock      # a socket path ends at 107 bytes
        echo "qemu+unix:///system?socket=$socket" ;;
    status)
        if is_up; then echo "up, $LAB, pid $inner"; enter virsh list --all; else echo "down, $LAB"; exit 3; fi ;;
    down) end_processes; echo "lab: down, $LAB" ;;
    purge)
        end_processes
        rm -rf --one-file-system "$LAB"; echo "lab: purged, $LAB" ;;
    *) sed -n '2,13p' "$self" | cut -c3-; exit 2 ;;
esac
