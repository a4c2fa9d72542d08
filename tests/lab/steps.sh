# shellcheck shell=bash
# steps.sh: sourced by the scripts of this folder: printed steps with seconds, the cache, and the two forms of "as root".

lab=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck disable=SC2034  # these two are for the scripts that source this file
root=$(cd "$lab/../.." && pwd) out=$lab/out
export FLATPROV_CACHE=${FLATPROV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flatprov}

tool=$(basename "$0" .sh)
fail() { echo "$tool: $*" >&2; exit 1; }

# as_root CMD...: CMD as root, through sudo where the caller is not root
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    command -v sudo >/dev/null || fail "'$1' needs root and there is no sudo; run this as root, or install sudo"
    sudo --preserve-env=FLATPROV_CACHE,SUITE,FLATCAR_VERSION,KUBE,ROOT_MB,REFRESH,KARGS,DEBIAN_FRONTEND "$@"
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

# done_line NAME STARTED TEXT
done_line() { printf '  %-18s %8s  %s\n' "$1" "$(seconds_since "$2")" "$3"; }

# step NAME TEXT CMD...: run CMD with its output in a log, a line every 20 s while it runs, and the log's end when it fails
step() {
    local name=$1 text=$2 started=$EPOCHREALTIME log code=0 beat
    shift 2
    log=$(mktemp "${TMPDIR:-/tmp}/flatprov-step.XXXXXX")
    printf '  %-18s %8s  %s\n' "$name" "..." "$text"
    # a pause without a process: a sleep would outlive the kill below and hold our output and locks open
    ( while ! read -rt 20 _ <> <(:); do done_line "$name" "$started" "still at it: $(tail -c 400 "$log" | tr '\r' '\n' | grep -v '^ *$' | tail -1 | cut -c1-90)"; done ) &
    beat=$!
    "$@" >"$log" 2>&1 </dev/null || code=$?
    kill "$beat" 2>/dev/null || true
    wait "$beat" 2>/dev/null || true
    if [ $code -ne 0 ]; then
        done_line "$name" "$started" "FAILED ($text), exit status $code; the last lines of its output:" >&2
        tail -n 40 "$log" | sed 's/^/    | /' >&2
        rm -f "$log"
        return $code
    fi
    rm -f "$log"
    done_line "$name" "$started" "done: $text"
}

# key FILE-OR-FOLDER-OR-TEXT...: 16 hex digits that change when a name below, a byte, who may run it, or a text changes
key() {
    local item
    for item; do
        if [ -d "$item" ]; then
            ( cd "$item" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum && find . -type f -perm /100 | LC_ALL=C sort )
        elif [ -e "$item" ]; then
            sha256sum < "$item"
        else
            echo "text $item"
        fi
    done | sha256sum | cut -c1-16
}

# cached NAME KEY TEXT CMD...: the folder of NAME in the cache is left in $entry. When it is not there CMD makes it, called with one
# more argument: an empty folder, which becomes the entry only when CMD succeeds. Two callers of one entry build it once.
cached() {
    local name=$1 key=$2 text=$3 held
    shift 3
    entry=$FLATPROV_CACHE/$name-$key
    if [ -e "$entry/.complete" ]; then touch "$entry/.complete" 2>/dev/null || true; return; fi
    mkdir -p "$FLATPROV_CACHE"
    exec {held}> "$FLATPROV_CACHE/$name-$key.lock"
    if ! flock --nonblock "$held"; then
        done_line "$name" "$EPOCHREALTIME" "waiting for another process that builds it"
        flock "$held"
    fi
    if [ ! -e "$entry/.complete" ]; then
        rm -rf --one-file-system "$entry" "$FLATPROV_CACHE/$name-$key.new"
        mkdir "$FLATPROV_CACHE/$name-$key.new"
        step "$name" "$text" "$@" "$FLATPROV_CACHE/$name-$key.new"
        touch "$FLATPROV_CACHE/$name-$key.new/.complete"
        mv "$FLATPROV_CACHE/$name-$key.new" "$entry"
    fi
    exec {held}>&-
}
