#!/bin/sh
# Becomes the server, as the user redis; options alone are the server's.
set -eu

case "${1:-}" in
-* | *.conf | "") set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] || [ "$1" = valkey-server ]; then
  shift
  # A container's network is its own: without this only the container itself could connect.
  set -- redis-server "$@" --protected-mode no
fi

if [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis:redis '{}' +
  exec setpriv --reuid=redis --regid=redis --init-groups "$@"
fi
exec "$@"
