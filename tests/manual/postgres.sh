#!/usr/bin/env bash
# A smoke run of noiseflow on a Prefect server whose database is Postgres, on this machine, in a temporary folder.
#
#   tests/manual/postgres.sh            needs Debian's postgresql:  apt-get install -y postgresql
#   tests/manual/postgres.sh --install  installs it first (as root)
#
# It makes a cluster as a user that is not root (postgres itself, where root calls it), on 127.0.0.1 and a free port; starts
# the server, a worker and the deployments by what `make up` calls; runs a small tutorial; shows the artifacts and the rows
# that Postgres holds; and ends and removes everything again. Nothing of the user's own Prefect or Postgres is touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$PWD/.venv/bin/python

if [ "${1:-}" = --install ]; then apt-get update -qq && apt-get install -y -qq postgresql >/dev/null; fi
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || { echo "There is no Postgres here. Install it: apt-get install -y postgresql" >&2; exit 1; }

place=$(mktemp -d)
chmod 755 "$place"
mkdir "$place/cluster"
as=()
if [ "$(id -u)" = 0 ]; then chown postgres "$place/cluster"; as=(runuser -u postgres --); fi
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
database_port=$(free_port)
server_port=$(free_port)

clean_up() {
  "$python" -m flows.services down --state "$place/run" || true
  (cd / && "${as[@]}" "$bin/pg_ctl" -D "$place/cluster" -m fast -w stop >/dev/null) || true
  rm -rf "$place"
}
trap clean_up EXIT

echo "Postgres: $("$bin/postgres" --version), port $database_port"
(
  cd /
  "${as[@]}" "$bin/initdb" -D "$place/cluster" -U noiseflow -A trust -E UTF8 >/dev/null
  "${as[@]}" "$bin/pg_ctl" -D "$place/cluster" -w -l "$place/cluster/log" \
    -o "-p $database_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start >/dev/null
)
sql() { "$bin/psql" -h 127.0.0.1 -p "$database_port" -U noiseflow "$@"; }
sql -q -d postgres -c 'CREATE DATABASE prefect'

# The one variable that it takes:
export PREFECT_SERVER_DATABASE_CONNECTION_URL="postgresql+asyncpg://noiseflow@127.0.0.1:$database_port/prefect"
export PREFECT_HOME="$place/prefect"
unset PREFECT_API_URL
"$python" -m flows.services up --port "$server_port" --state "$place/run"

export PREFECT_API_URL="http://127.0.0.1:$server_port/api"
"$python" -m prefect deployment run noise-study/tutorial \
  -p n_seeds=3 -p epochs=50 -p "results=$place/results" --watch --watch-timeout 600 | tail -3

echo
echo "artifacts:"
sql -d prefect -c "SELECT key, type, length(data::text) AS characters FROM artifact WHERE key IS NOT NULL ORDER BY key"
echo "rows:"
sql -d prefect -At -F ' ' -c "
  SELECT 'flow runs', count(*) FROM flow_run UNION ALL SELECT 'task runs', count(*) FROM task_run
  UNION ALL SELECT 'states', (SELECT count(*) FROM flow_run_state) + (SELECT count(*) FROM task_run_state)
  UNION ALL SELECT 'logs', count(*) FROM log UNION ALL SELECT 'events', count(*) FROM events
  UNION ALL SELECT 'automations', count(*) FROM automation UNION ALL SELECT 'work pools', count(*) FROM work_pool"
echo "the run: $(sql -d prefect -At -c "SELECT state_type FROM flow_run WHERE state_type <> 'SCHEDULED'")"
if [ -e "$place/prefect/prefect.db" ]; then echo "there is a SQLite file: the server did not use Postgres" >&2; exit 1; fi
"$python" -c "import pandas as pd; print('trials:', len(pd.read_parquet('$place/results/tutorial/trials')))"
