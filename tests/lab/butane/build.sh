#!/bin/bash
# butane/build.sh FOLDER : build Butane from the Go module named in go.mod beside this file, as a test oracle.
#
#   FOLDER/butane   plain Go, one static file
#
# The version is the one in go.mod: change it there ("go get -tool MODULE/internal@vX.Y.Z").
set -euo pipefail
die() { echo "butane: $*" >&2; exit 1; }
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
out=$(mkdir -p "${1:?usage: butane/build.sh FOLDER}" && cd "$1" && pwd)
module=github.com/coreos/butane

# shellcheck source=tests/lab/go.sh
. "$here/../go.sh"
need_go "$here/go.mod"
cd "$here"
export GOFLAGS="-mod=readonly -buildvcs=false"      # the checkout is no input: only the module is
go mod download "$module" || die "the go client could not download $module (see the lines above)"
version=$(go list -m -f '{{.Version}}' "$module")
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X $module/internal/version.Raw=${version#v}" -o "$out/butane" "$module/internal" \
    || die "Butane $version did not compile"
"$out/butane" --version | grep -qF "${version#v}" || die "the built binary does not report ${version#v}"
echo "butane: $("$out/butane" --version) -> $out"
