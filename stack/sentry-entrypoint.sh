#!/bin/bash
# The parts that one GlitchTip image plays, and how each is known to be well.
#
#   web        migrates the database, then serves on port $GRANIAN_PORT
#   worker     digests events, evaluates alerts; alone does it take events, so they keep their order
#   cron       starts what is due by the clock
#   upgrade    migrates the database and ends; a second time it changes nothing
#   healthy-web PATH     ends with 0 if the server on that port (9000) answers GET PATH with 200
#   healthy-worker       ends with 0 if the worker or cron of this container beat lately
#
# Anything else is run as it is given (`docker compose run --rm sentry ./manage.py shell`). What is
# asked of the image: bash, and in its working directory bin/run-migrate.sh, bin/start.sh (which
# heeds SERVER_ROLE) and manage.py with the command runworker.
set -euo pipefail

heartbeat=/tmp/obsstack-heartbeat
# It is renewed every 5 seconds.
heartbeat_max_age_s=30

expect_glitchtip() {
    if [[ ! -x bin/run-migrate.sh || ! -x bin/start.sh || ! -x manage.py ]]; then
        echo "sentry-entrypoint.sh: expected GlitchTip (bin/run-migrate.sh, bin/start.sh," \
            "manage.py) in $PWD, found: $(printf "%s " *)" >&2
        echo "Another tracker's image needs its own file: docker-compose.lite.yml or" \
            "docker-compose.bugsink.yml." >&2
        exit 1
    fi
}

work() {
    # A container that starts again still has the file of its last life.
    rm -f "$heartbeat"
    export IS_WORKER=true LOG_LEVEL="${LOG_LEVEL:-INFO}"
    exec ./manage.py runworker --health-check-file "$heartbeat" "$@"
}

# By bash alone: no image of a tracker has curl, and to start Python each second costs a core.
healthy_web() {
    local port=${GRANIAN_PORT:-9000} status
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: healthcheck\r\n\r\n' "$1" >&3
    if ! IFS= read -r -t 4 status <&3; then
        echo "no answer from port $port within 4 s"
        return 1
    fi
    echo "GET $1: ${status%$'\r'}"
    [[ $status == "HTTP/"*" 200 "* ]]
}

healthy_worker() {
    local age_s
    if [[ ! -e $heartbeat ]]; then
        echo "has not started to work yet"
        return 1
    fi
    age_s=$(($(date +%s) - $(stat -c %Y "$heartbeat")))
    echo "last sign of life $age_s s ago"
    ((age_s <= heartbeat_max_age_s))
}

case ${1:-web} in
web)
    expect_glitchtip
    ./bin/run-migrate.sh
    SERVER_ROLE=web exec ./bin/start.sh
    ;;
worker)
    expect_glitchtip
    work
    ;;
cron)
    expect_glitchtip
    work --scheduler --queue default
    ;;
upgrade)
    expect_glitchtip
    exec ./bin/run-migrate.sh
    ;;
healthy-web)
    healthy_web "${2:?the path to ask for}"
    ;;
healthy-worker)
    healthy_worker
    ;;
*)
    if ! command -v "$1" >/dev/null; then
        echo "sentry-entrypoint.sh: expected web, worker, cron, upgrade or a program, found '$1'" >&2
        exit 64
    fi
    exec "$@"
    ;;
esac
