#!/bin/sh
# Secrets are files. Prefect reads them from variables, which are set here for this process and its children alone.
set -eu
secrets=/run/secrets
if [ -e "$secrets/prefect_secret" ]; then
  PREFECT_API_AUTH_STRING=$(cat "$secrets/prefect_secret")
  export PREFECT_API_AUTH_STRING
fi
if [ -e "$secrets/postgres_password" ]; then # the server
  quote='import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read().strip(), safe=""))'
  password=$(python3 -c "$quote" <"$secrets/postgres_password")
  export PREFECT_SERVER_DATABASE_CONNECTION_URL="postgresql+asyncpg://prefect:$password@postgres:5432/prefect"
  export PREFECT_SERVER_API_AUTH_STRING="${PREFECT_API_AUTH_STRING:?the secret prefect_secret is missing}"
fi
exec "$@"
