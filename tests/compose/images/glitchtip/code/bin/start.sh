#!/bin/sh
# As GlitchTip's: becomes what SERVER_ROLE says, of which there is one here.
set -eu

if [ "${SERVER_ROLE:-web}" != web ]; then
  echo "start.sh of the stand-in: expected SERVER_ROLE web, found $SERVER_ROLE" >&2
  exit 64
fi
exec ./manage.py web
