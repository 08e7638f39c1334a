#!/bin/sh
# Starts a throw-away PostgreSQL server for the tests and prints, once it answers, its address. It lives in a temporary
# folder, listens on a free port of 127.0.0.1, syncs to disk as a real one does, and ends with its folder when this
# script's standard input is closed (or it gets a signal).
#
#   tools/postgres-for-tests.sh run COMMAND…   runs the command with HEARTH_TEST_POSTGRES set, then ends the server
#   tools/postgres-for-tests.sh                prints the address, waits for the end of standard input
set -eu

for bin in "${POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin /usr/local/bin /usr/bin; do
  [ -n "$bin" ] && [ -x "$bin/initdb" ] && break
done
[ -x "$bin/initdb" ] || { echo "No PostgreSQL server is installed (set POSTGRES_BIN to the folder of initdb)" >&2; exit 1; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/hearth-postgres-XXXXXX")
# PostgreSQL refuses to run as root.
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres "$dir"
  as_owner() { setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; }
fi

stop() {
  trap - EXIT INT TERM
  as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

cd "$dir"
as_owner "$bin/initdb" -D "$dir/data" -U hearth -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 ||
  { cat "$dir/initdb.log" >&2; exit 1; }
port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -o "-h 127.0.0.1 -p $port -k $dir" start >/dev/null ||
  { cat "$dir/data/server.log" >&2; exit 1; }
HEARTH_TEST_POSTGRES="postgres://hearth@127.0.0.1:$port/postgres"
export HEARTH_TEST_POSTGRES

cd "$OLDPWD"
if [ "${1:-}" = run ]; then
  shift
  "$@"
else
  echo "$HEARTH_TEST_POSTGRES"
  cat >/dev/null
fi
