#!/usr/bin/env bash
# Install the oldest releases that setup.cfg allows, in an environment of their own, and run the tests with them.
# By hand: tests/oldest.sh [PYTHON] [pytest's arguments]; it takes as long as the suite.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3.11}
shift || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/uv"
"$work/uv/bin/pip" install -q uv
"$python" -m venv "$work/oldest"
"$work/uv/bin/uv" pip install -q --python "$work/oldest/bin/python" --resolution lowest-direct -e '.[test]'
"$work/uv/bin/uv" pip list --python "$work/oldest/bin/python"
"$work/oldest/bin/python" -m pytest "$@"
