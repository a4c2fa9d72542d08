# shellcheck shell=bash
# go.sh: sourced by what compiles Go.

# need_go GO.MOD: end with what to install when the go on PATH cannot build it (an older go fetches a newer one itself, from 1.21 on)
need_go() {
    local wanted have
    wanted=$(sed -n 's/^go //p' "$1")
    command -v go >/dev/null || { echo "Go is missing: install Go $wanted or newer and put it on PATH" >&2; exit 1; }
    have=$(cd / && go env GOVERSION | sed -E 's/^go([0-9.]+).*/\1/')
    newer_or_same() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1)" = "$2" ]; }
    if newer_or_same "$have" "$wanted"; then return; fi
    if newer_or_same "$have" 1.21 && [ "$(cd / && go env GOTOOLCHAIN)" != local ]; then return; fi
    echo "Go $have is too old: install Go $wanted or newer and put it first on PATH (or set GOTOOLCHAIN=auto with Go 1.21 or newer)" >&2
    exit 1
}
