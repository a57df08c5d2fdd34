#!/usr/bin/env bash
# Kafka, PostgreSQL and the platform on them, without containers. Ctrl-C stops everything; the data stays.
# STATE, KAFKA_PORT and POSTGRES_PORT may be set; what is given as arguments goes to `sps up`.
set -euo pipefail
cd "$(dirname "$0")/../.."
state="${STATE:-var/local}"
sps=.venv/bin/sps
[ -x "$sps" ] || make --no-print-directory install

addresses="$state/servers/addresses.env"
log="$state/servers.log"
mkdir -p "$state"
rm -f "$addresses"
echo "  starting kafka and postgres …"
# A session of its own: Ctrl-C is for the platform, and its servers end after it.
setsid "$sps" servers --folder "$state/servers" \
  --kafka-port "${KAFKA_PORT:-19092}" --postgres-port "${POSTGRES_PORT:-15432}" > "$log" 2>&1 &
servers=$!
trap 'kill -TERM "$servers" 2>/dev/null || true; wait "$servers" || true' EXIT

until [ -f "$addresses" ]; do
  kill -0 "$servers" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.2
done
# shellcheck source=/dev/null
. "$addresses"
# Not `exec`: the servers are to be stopped afterwards.
"$sps" up --state "$state" --kafka "$KAFKA" --postgres "$POSTGRES" "$@"
