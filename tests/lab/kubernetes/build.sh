#!/bin/bash
# kubernetes/build.sh FOLDER : build FOLDER/kubeadm from the Go module k8s.io/kubernetes, of the version in go.mod beside this file.
#
# It judges every kubeadm file that flatprov renders (`kubeadm config validate`). A module as published lacks the folders that its own
# go.mod points to for k8s.io/api and the like, so go.mod names their published versions: v1.X.Y of Kubernetes is v0.X.Y of those.
# Another version: change both numbers throughout go.mod, then run "go mod tidy" there.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
out=$(mkdir -p "${1:?usage: kubernetes/build.sh FOLDER}" && cd "$1" && pwd)

# shellcheck source=tests/lab/go.sh
. "$here/../go.sh"
need_go "$here/go.mod"
cd "$here"
export CGO_ENABLED=0 GOWORK=off GOFLAGS="-mod=readonly -buildvcs=false"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
# kubeadm takes its own version for what it may install: an unstamped one refuses every kubernetesVersion.
numbers=${version#v} variables=k8s.io/component-base/version
flags="-s -w -X $variables.gitVersion=$version -X $variables.gitMajor=${numbers%%.*} -X $variables.gitMinor=$(cut -d. -f2 <<<"$numbers")"
flags+=" -X $variables.gitTreeState=clean"
go build -trimpath -ldflags "$flags" -o "$out/kubeadm" k8s.io/kubernetes/cmd/kubeadm
[ "$("$out/kubeadm" version -o short)" = "$version" ] || { echo "kubeadm: the built binary does not report $version" >&2; exit 1; }
echo "kubeadm $version -> $out"
