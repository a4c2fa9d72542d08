#!/bin/bash
# pulumi/build.sh FOLDER : put a Pulumi CLI into FOLDER, of the version in go.mod beside this file.
#
# First the official release, checked against its published SHA512SUMS: FOLDER then holds the language hosts too. Where that cannot be
# reached, the Go module github.com/pulumi/pulumi/pkg/v3 is compiled (its own `replace` lines rule out `go install`, so this folder is
# the main module); the Python language host beside this file goes with it. FOLDER/source says in one line what happened.
#   PULUMI_RELEASE=0   do not try the release
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
bin=$(mkdir -p "${1:?usage: pulumi/build.sh FOLDER}" && cd "$1" && pwd)
version=$(sed -n 's/^\tgithub.com\/pulumi\/pulumi\/pkg\/v3 \(v[0-9.]*\).*/\1/p' "$here/go.mod")

release() {   # what is wrong is left in $why
    local arch file work sums
    case $(uname -m) in
        x86_64) arch=x64 ;;
        aarch64) arch=arm64 ;;
        *) why="there is none for $(uname -m)"; return 1 ;;
    esac
    file=pulumi-$version-linux-$arch.tar.gz
    work=$(mktemp -d "$bin/release.XXXXXX")
    get() { curl --silent --show-error --fail --location --connect-timeout 10 --speed-limit 10000 --speed-time 30 -o "$work/$1" "$2" 2>"$work/error"; }
    if ! get sums "https://github.com/pulumi/pulumi/releases/download/$version/SHA512SUMS" ||
            ! get "$file" "https://get.pulumi.com/releases/sdk/$file"; then
        why=$(sed 's/^curl: //' "$work/error" | head -1)
        rm -rf "$work"
        return 1
    fi
    sums=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1 }' "$work/sums")
    if [ -z "$sums" ] || ! echo "$sums  $work/$file" | sha512sum --check --status; then
        echo "pulumi: $file does not have the sha512 published for it: nothing was installed; try again, or put a pulumi on PATH" >&2
        exit 1      # not a reason to fall back: somebody should look
    fi
    tar -xzf "$work/$file" --strip-components=1 --no-same-owner -C "$bin"
    rm -rf "$work"
}

why="PULUMI_RELEASE=0"
if [ "${PULUMI_RELEASE:-1}" = 1 ] && release; then
    echo "$version, the official release, sha512 checked" > "$bin/source"
else
    echo "the official release $version could not be had ($why): compiling"
    # shellcheck source=tests/lab/go.sh
    . "$here/../go.sh"
    need_go "$here/go.mod"
    cd "$here"
    go build -trimpath -buildvcs=false -tags 'osusergo grpcnotrace' \
        -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
        -o "$bin/pulumi" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
    echo "$version, built from the Go module; the official release could not be had ($why)" > "$bin/source"
fi
[ "$(PULUMI_SKIP_UPDATE_CHECK=1 "$bin/pulumi" version)" = "$version" ] || { echo "pulumi: the result does not report $version" >&2; exit 1; }
