#!/bin/sh
# Makes the cluster where the volume is empty, then becomes the server.
set -eu

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown postgres:postgres "$PGDATA"
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ "${1#-}" != "$1" ]; then
  set -- postgres "$@"
fi

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo "expected POSTGRES_PASSWORD, found none: a new cluster needs its superuser's password" >&2
    exit 1
  fi
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  # A start that was cut short leaves a part of a cluster, which initdb refuses.
  find "$PGDATA" -mindepth 1 -delete
  passwords=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$passwords"
  initdb --no-sync --no-instructions --encoding=UTF8 --username="$user" \
    --pwfile="$passwords" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  rm "$passwords"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    printf 'CREATE DATABASE "%s"\n' "$(printf %s "$database" | sed 's/"/""/g')" |
      postgres --single -j postgres >/dev/null
  fi
fi

if [ "$1" = postgres ]; then
  shift
  set -- postgres -c listen_addresses='*' -c jit=off "$@"
fi
exec "$@"
