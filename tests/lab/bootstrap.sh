#!/bin/bash
# bootstrap.sh : install what this checkout needs and this machine lacks, and nothing else. Quick when nothing is missing.
#
#   packages   those of packages.txt, by apt (as root, or through sudo)
#   uv         the one on PATH, else its own folder in the cache, from PyPI
#   .venv      exactly requirements.lock (hashes required) and flatprov itself, editable
#
# What has to be compiled (the Pulumi CLI where it cannot be downloaded, Ignition, the stand-in image) is build.sh's work.
#   PYTHON=/usr/bin/python3    the interpreter of a new .venv
#   FLATPROV_CACHE=FOLDER      default ~/.cache/flatprov
set -euo pipefail
# shellcheck source=tests/lab/steps.sh
. "$(dirname "$(readlink -f "$0")")/steps.sh"

missing_packages() {
    local wanted
    mapfile -t wanted < <(sed 's/#.*//; s/ //g; /^$/d' "$lab/packages.txt")
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true; } |
        awk -v wanted="${wanted[*]}" '$1 == "installed" { have[$2] } END {
            n = split(wanted, list, " "); for (i = 1; i <= n; i++) if (!(list[i] in have)) print list[i] }'
}

apt() {   # another apt may hold the locks: wait for dpkg's, try again for the lists'
    local try
    for try in 1 2 3 4 5 6; do
        if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; then return; fi
        [ "$try" -lt 6 ] || return 1
        echo "apt-get $1 failed, again in $((try * 5)) s"
        sleep $((try * 5))
    done
}
install_packages() { apt update && apt install --yes --no-install-recommends "$@"; }

packages() {
    local started=$EPOCHREALTIME missing
    command -v dpkg-query >/dev/null || fail "this machine has no dpkg: use Debian 12 or newer, or Ubuntu 22.04 or newer"
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -eq 0 ]; then done_line packages "$started" "all installed"; return; fi
    step packages "apt-get install ${missing[*]}" install_packages "${missing[@]}" ||
        fail "apt could not install ${missing[*]}: see above, install them by hand and run this again"
}

find_uv() { uv=$(command -v uv || true); [ -n "$uv" ] || uv=$FLATPROV_CACHE/uv/bin/uv; }
install_uv() { /usr/bin/python3 -m venv --clear "$FLATPROV_CACHE/uv" && "$FLATPROV_CACHE/uv/bin/pip" install --quiet 'uv>=0.9,<1'; }

interpreter() {   # the system's python3 when it is new enough: it is there on every machine and apt keeps it
    local candidate
    for candidate in ${PYTHON:-} /usr/bin/python3 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then echo "$candidate"; return; fi
    done
    fail "no Python 3.10 or newer found: set PYTHON=/path/to/python3"
}

sync_venv() {
    local index
    # uv does not read pip's configuration: a machine that sets an index for pip means it for everything
    index=$(python3 -m pip config get global.index-url 2>/dev/null || true)
    [ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=${UV_LINK_MODE:-copy} VIRTUAL_ENV=$root/.venv
    cd "$root"
    "$root/.venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        "$uv" venv --clear --python "$(interpreter)" "$root/.venv" || return
    "$uv" pip sync --require-hashes requirements.lock && "$uv" pip install --no-deps --editable .
}

venv() {
    local started=$EPOCHREALTIME stamp
    stamp=$(key "$root/requirements.lock" "$root/pyproject.toml" "installed from $root")
    if [ -x "$root/.venv/bin/python" ] && [ "$(cat "$root/.venv/.flatprov" 2>/dev/null)" = "$stamp" ]; then
        done_line .venv "$started" "as in requirements.lock"; return
    fi
    find_uv
    if [ ! -x "$uv" ]; then
        mkdir -p "$FLATPROV_CACHE"
        step uv "its own folder, from PyPI" install_uv || fail "uv could not be installed from PyPI: see above, or put a uv on PATH"
    fi
    step .venv "uv pip sync requirements.lock" sync_venv || fail ".venv could not be made: see above; to start afresh: rm -r .venv"
    echo "$stamp" > "$root/.venv/.flatprov"
}

packages
venv
