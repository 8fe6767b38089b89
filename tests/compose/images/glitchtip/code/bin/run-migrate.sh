#!/bin/sh
# As GlitchTip's: makes the tables and ends.
set -eu
exec ./manage.py migrate
