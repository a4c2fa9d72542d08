#!/bin/bash
# build.sh [pulumi|ignition|butane|kubeadm|image]... : what has to be compiled, from the cache or made, linked into out/. Default: all, side by side.
#
#   out/bin/pulumi, out/bin/pulumi-language-python   the CLI on PATH if new enough, else the official release, else built from source
#   out/bin/ignition, out/bin/ignition-validate      built from source; also the dracut files the image needs
#   out/bin/butane                                   built from source: it judges what flatprov makes of Butane YAML
#   out/bin/kubeadm                                  built from source: it judges what flatprov renders for Kubernetes
#   out/standin.qcow2 (.sha512, .bytes beside it)    the bootable stand-in for Flatcar
#
# Each lies in the cache under a key made from all that goes into it, so a second checkout finds it there.
set -euo pipefail
# shellcheck source=tests/lab/steps.sh
. "$(dirname "$(readlink -f "$0")")/steps.sh"

minimum=3.250.0

link() { ln -sfnT "$1" "$2.$$" && mv -fT "$2.$$" "$2"; }      # in one step: a reader never finds it missing

same() { [ "$1" -ef "$2" ] || cmp -s "$1" "$2" || { cp -f --link "$1" "$2.$$" 2>/dev/null || cp "$1" "$2.$$"; mv -fT "$2.$$" "$2"; }; }

at_least() { [ "$(printf '%s\n%s\n' "$2" "${1#v}" | sort -V | head -1)" = "$2" ]; }

pulumi_on_path() {   # leaves the folder in $found; a link of ours is none of the machine's
    local path version
    found=''
    path=$(command -v pulumi) || return 1
    path=$(readlink -f "$path")
    case $path in "$lab"/*|"$FLATPROV_CACHE"/*) return 1 ;; esac
    [ -x "$(dirname "$path")/pulumi-language-python" ] || return 1
    version=$(PULUMI_SKIP_UPDATE_CHECK=1 "$path" version 2>/dev/null) || return 1
    at_least "$version" "$minimum" || return 1
    found=$(dirname "$path") found_version=$version
}

pulumi() {
    local started=$EPOCHREALTIME file
    mkdir -p "$out/bin"
    if pulumi_on_path; then
        for file in "$found"/pulumi "$found"/pulumi-*; do link "$file" "$out/bin/$(basename "$file")"; done
        done_line pulumi "$started" "$found_version on PATH ($found)"
        return
    fi
    cached pulumi "$(key "$lab"/pulumi/{build.sh,go.mod,go.sum} "$(uname -m)")" \
        "the official release, else from the Go module (2 to 5 minutes)" "$lab/pulumi/build.sh"
    # a hard link where it can be: the CLI looks for its language host beside its real place, and warns of one from elsewhere
    for file in "$entry"/pulumi*; do same "$file" "$out/bin/$(basename "$file")"; done
    [ -e "$entry/pulumi-language-python" ] || link "$lab/pulumi/pulumi-language-python" "$out/bin/pulumi-language-python"
    done_line pulumi "$started" "$(cat "$entry/source")"
}

ignition_entry() {
    cached ignition "$(key "$lab"/ignition/{build.sh,go.mod,go.sum} "$(uname -m)")" \
        "from the Go module (1 to 4 minutes)" "$lab/ignition/build.sh"
}

ignition() {
    local started=$EPOCHREALTIME file
    ignition_entry
    mkdir -p "$out/bin"
    for file in ignition ignition-validate; do link "$entry/$file" "$out/bin/$file"; done
    done_line ignition "$started" "$("$entry/ignition-validate" --version 2>&1 | head -1), and ignition-validate"
}

kubeadm() {
    local started=$EPOCHREALTIME
    cached kubeadm "$(key "$lab"/kubernetes/{build.sh,go.mod,go.sum} "$(uname -m)")" \
        "from the Go module (2 to 5 minutes)" "$lab/kubernetes/build.sh"
    mkdir -p "$out/bin"
    link "$entry/kubeadm" "$out/bin/kubeadm"
    done_line kubeadm "$started" "$("$entry/kubeadm" version -o short)"
}

butane() {
    local started=$EPOCHREALTIME
    cached butane "$(key "$lab"/butane/{build.sh,go.mod,go.sum} "$(uname -m)")" \
        "from the Go module (under a minute)" "$lab/butane/build.sh"
    mkdir -p "$out/bin"
    link "$entry/butane" "$out/bin/butane"
    done_line butane "$started" "$("$entry/butane" --version)"
}

image() {
    local started=$EPOCHREALTIME file
    [ "$(id -u)" = 0 ] || ignition_entry      # root, who makes the image, must not be the one who fills this user's cache
    cached image "$(key "$lab/image" "$(key "$lab"/ignition/{build.sh,go.mod,go.sum} "$(uname -m)")" \
        "SUITE=${SUITE:-} FLATCAR_VERSION=${FLATCAR_VERSION:-} KUBE=${KUBE:-0} ROOT_MB=${ROOT_MB:-} KARGS=${KARGS-unset}")" \
        "from Debian packages (2 to 4 minutes)" make_image
    mkdir -p "$out"
    for file in standin.qcow2 standin.qcow2.sha512 standin.qcow2.bytes; do link "$entry/$file" "$out/$file"; done
    done_line image "$started" "standin.qcow2, $(( $(stat -Lc%s "$entry/standin.qcow2") / 1000000 )) MB"
}
make_image() {
    as_root env PACKAGES_CACHE="$FLATPROV_CACHE/packages" "$lab/image/build.sh" "$1" &&
    as_root chown -R "$(id -u):$(id -g)" "$1" "$FLATPROV_CACHE/packages" &&
    sha512sum < "$1/standin.qcow2" | cut -d' ' -f1 > "$1/standin.qcow2.sha512" &&
    qemu-img info --output=json "$1/standin.qcow2" | sed -n 's/^ *"virtual-size": \([0-9]*\).*/\1/p' | head -1 > "$1/standin.qcow2.bytes"
}

case ${1:-} in
    --ignition-folder) ignition_entry >&2; echo "$entry"; exit ;;     # for image/build.sh, which may wait for a build beside it
    -h|--help) sed -n '2,10p' "$0" | cut -c3-; exit ;;
esac
[ $# -gt 0 ] || set -- pulumi ignition butane kubeadm image
for part; do
    case $part in pulumi|ignition|butane|kubeadm|image) ;; *) fail "there is no '$part' to build; there are pulumi, ignition, butane, kubeadm and image" ;; esac
done
running=() failed=0
for part; do ( "$part" ) & running+=($!); done
for child in "${running[@]}"; do wait "$child" || failed=1; done
[ $failed = 0 ] || fail "not everything could be built: see the lines above"
