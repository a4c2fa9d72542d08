#!/bin/bash
# test.sh : everything CI runs. Install what is missing, build what is not in the cache, and meanwhile run the tests that need neither;
# then those on the real engine, hypervisor and tools. Exit status 1 if anything failed; each pytest run closes with its own summary.
set -euo pipefail
# shellcheck source=tests/lab/steps.sh
. "$(dirname "$(readlink -f "$0")")/steps.sh"
cd "$root"
started=$EPOCHREALTIME

echo "What this machine needs"
"$lab/bootstrap.sh"
log=$(mktemp "${TMPDIR:-/tmp}/flatprov-builds.XXXXXX")
trap 'rm -f "$log"' EXIT
"$lab/build.sh" </dev/null >"$log" 2>&1 &
builds=$!

failed=0
echo "Quick tests, while the rest is being built"
.venv/bin/python -m pytest -m "not engine and not lab and not oracle" "$@" || failed=1

echo "Builds"
tail -n +1 -f --pid="$builds" "$log"
if wait "$builds"; then
    echo "Tests on the real engine, hypervisor and tools"
    # two files at a time, each worker with a lab of its own: a booting guest keeps one processor busy
    .venv/bin/python -m pytest -m "engine or lab or oracle" -n 2 --dist loadfile "$@" || failed=1
else
    failed=1
    echo "The real parts could not be built (see above): their tests were not run, which counts as failed"
fi
done_line "make test" "$started" "$([ $failed = 0 ] && echo passed || echo FAILED)"
exit $failed
