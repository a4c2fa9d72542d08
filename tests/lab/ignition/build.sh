#!/bin/bash
# ignition/build.sh FOLDER : build Ignition and ignition-validate from the Go module named in go.mod beside this file.
#
#   FOLDER/ignition            runs inside the image; needs cgo and libblkid (apt-get install gcc libc6-dev libblkid-dev)
#   FOLDER/ignition-validate   runs on this machine; plain Go, one static file
#   FOLDER/dracut              the systemd units and dracut module of the same release, copied out of the module
#
# The version is the one in go.mod: change it there ("go get -tool MODULE/internal@vX.Y.Z MODULE/validate@vX.Y.Z").
# The first run downloads about 400 modules through the go client; later runs come from the module and build caches.
set -euo pipefail
die() { echo "ignition: $*" >&2; exit 1; }
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
out=$(mkdir -p "${1:?usage: ignition/build.sh FOLDER}" && cd "$1" && pwd)
module=github.com/coreos/ignition/v2

# shellcheck source=tests/lab/go.sh
. "$here/../go.sh"
need_go "$here/go.mod"
command -v gcc >/dev/null || die "no C compiler; apt-get install gcc libc6-dev"
[ -e /usr/include/blkid/blkid.h ] || die "libblkid headers are missing; apt-get install libblkid-dev"

cd "$here"
export GOFLAGS="-mod=readonly -buildvcs=false"      # the checkout is no input: only the module is
go mod download "$module" || die "the go client could not download $module (see the lines above)"
version=$(go list -m -f '{{.Version}}' "$module")
flags="-s -w -X $module/internal/version.Raw=${version#v}"
# This image has no SELinux, so Ignition must not call setfiles; Flatcar's build leaves it on.
CGO_ENABLED=1 go build -trimpath -buildmode=pie -ldflags "$flags -X $module/internal/distro.selinuxRelabel=false" \
    -o "$out/ignition" "$module/internal" || die "Ignition $version did not compile"
CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$out/ignition-validate" "$module/validate" \
    || die "ignition-validate $version did not compile"
rm -rf "$out/dracut"
cp -r --no-preserve=mode "$(go list -m -f '{{.Dir}}' "$module")/dracut/30ignition" "$out/dracut"
chmod 755 "$out"/dracut/{module-setup.sh,ignition-generator,ignition-kargs-helper.sh}
"$out/ignition" --version | grep -qF "${version#v}" || die "the built binary does not report ${version#v}"
echo "ignition: $("$out/ignition" --version), $("$out/ignition-validate" --version) -> $out"
