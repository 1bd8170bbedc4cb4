#!/usr/bin/env bash
# Install the oldest or the newest releases that setup.cfg allows, in an environment of their own, run the tests with
# them, and write what came of it to tests/oldest.md or tests/newest.md.
# By hand: tests/oldest.sh [oldest|newest] [PYTHON] [pytest's arguments]; it takes as long as the suite.
# RELEASES_ENV=FOLDER names an environment to install into and to keep; NASFORGE_SHARED, the data that some tests need.
set -euo pipefail
cd "$(dirname "$0")/.."
end=${1:-oldest}
shift || true
case $end in
    oldest) resolution=lowest-direct python=${1:-python3.11} ;;
    newest) resolution=highest python=${1:-python3.13} ;;
    *) echo "tests/oldest.sh: '$end' must be oldest or newest" >&2; exit 2 ;;
esac
shift || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
environment=${RELEASES_ENV:-$work/environment}

"$python" -m venv "$work/uv"
"$work/uv/bin/pip" install -q uv
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
"$work/uv/bin/uv" pip install -q --python "$environment/bin/python" --resolution "$resolution" -e '.[test]' \
    -e plugins/nasforge-tables
status=0
"$environment/bin/python" -m pytest --junit-xml="$work/results.xml" "$@" || status=$?
"$environment/bin/python" tests/releases.py "$work/results.xml" "$@" >"$work/report.md"
mv "$work/report.md" "tests/$end.md"
exit "$status"
