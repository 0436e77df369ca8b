#!/bin/sh
# Install a lock file, checked by hash, and Doorstep itself into a virtual environment.
# Usage: install.sh PYTHON VENV LOCK
# With uv if there is one (seconds), else with pip alone (a minute). May be run again at any time.
set -eu
python=$1 venv=$2 lock=$3

say() { printf '%s\n' "$*" >&2; }

command -v "$python" >/dev/null 2>&1 || { say "There is no $python. Install Python 3.11 or newer, or name one: make PY=/path/to/python3"; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "$("$python" --version) is too old: Doorstep needs 3.11 or newer. Name one: make PY=python3.12"
  exit 1
}

# A set-up that lost its terminal or its make may still be at work, and two at once spoil each other.
at_work() { { tr '\0' ' ' <"/proc/$1/cmdline" || ps -o args= -p "$1"; } 2>/dev/null | grep -q install.sh; }
if other=$(cat "$venv.installing" 2>/dev/null) && at_work "$other"; then
  say "Another set-up (process $other) is at work; waiting for it …"
  while at_work "$other"; do sleep 1; done
fi
echo $$ >"$venv.installing"

# An environment whose installation was killed, or whose Python is gone, is of no use to anybody.
if [ -e "$venv/.unfinished" ] || { [ -e "$venv" ] && ! "$venv/bin/python" -c '' 2>/dev/null; }; then
  rm -rf "$venv"
fi

if ! [ -d "$venv" ]; then
  if command -v uv >/dev/null 2>&1; then uv venv -q -p "$python" "$venv"; else "$python" -m venv "$venv"; fi || {
    rm -rf "$venv"
    say "$python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
    say "Elsewhere: install the venv and ensurepip modules of your Python, or install uv."
    exit 1
  }
fi
: > "$venv/.unfinished"
quiet=-q
[ -t 2 ] && quiet=  # people at a terminal see how far it is
if command -v uv >/dev/null 2>&1; then
  say "Installing $lock with uv …"
  install() { uv pip install $quiet --python "$venv/bin/python" "$@"; }
else
  say "Installing $lock with pip (about a minute) …"
  [ -x "$venv/bin/pip" ] || "$venv/bin/python" -m ensurepip >/dev/null
  install() { "$venv/bin/python" -m pip install $quiet "$@"; }
fi
install --require-hashes -r "$lock"
# compat: a plain path entry, so that a package added later is found without installing again
install --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
rm "$venv/.unfinished" "$venv.installing"
