#!/bin/sh
# Checks the settings, migrates both databases, makes the first user, then runs the server and the
# worker that digests what it took in; the container ends when either ends.
set -eu

bugsink-manage check --deploy --fail-level WARNING
bugsink-manage migrate
bugsink-manage migrate --database=snappea
bugsink-manage prestart
configuration=/usr/local/lib/python3.11/dist-packages/bugsink/gunicorn.docker.conf.py
exec monofy gunicorn --config "$configuration" --bind="0.0.0.0:${PORT:-8000}" --access-logfile=- \
  bugsink.wsgi '|||' bugsink-runsnappea
