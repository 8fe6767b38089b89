#!/bin/sh
# The product's program: runs the embedded server that stands in for it.
set -eu

for option in "$@"; do
  if [ "$option" = -health ]; then
    checks=/usr/local/lib/python3.11/dist-packages/pytest_obsstack/embedded/container/health.py
    exec python3 -I -S "$checks" "$OBSSTACK_PRODUCT"
  fi
done
exec python3 -m pytest_obsstack.embedded.container "$OBSSTACK_PRODUCT"
