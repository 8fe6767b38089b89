#!/bin/bash
# Makes the error tracker ready without a person: database, user, organisation, project, key. Then
# tells the app and the collector the project's DSN. A second time it changes nothing.
#
#   docker compose up -d postgres redis
#   ./sentry-init.sh
#   docker compose up -d
#
#   SENTRY_ADMIN_EMAIL       the user (admin@example.com)
#   SENTRY_ADMIN_PASSWORD    its password; else a random one, kept in sentry-admin.env
#   SENTRY_FLAVOUR           glitchtip, lite or bugsink (glitchtip); for the latter two set
#                            COMPOSE_FILE=docker-compose.yml:docker-compose.lite.yml (…bugsink.yml)
#                            for every `docker compose`, or this script does so for itself
#   SENTRY_INIT_TIMEOUT_S    how long the tracker may take to become healthy (300)
#   OBSSTACK                 the command `obsstack`, where it is not on PATH
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

flavour=${SENTRY_FLAVOUR:-glitchtip}
timeout_s=${SENTRY_INIT_TIMEOUT_S:-300}
dsn_file=$PWD/dsn.env
admin_file=$PWD/sentry-admin.env
log_lines=50

say() { echo "sentry-init: $*"; }

# fail EXPECTED FOUND ADVICE
fail() {
    printf 'sentry-init: the error tracker is not set up.\n' >&2
    printf '  expected  %s\n  found     %s\n  do        %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# --- what is needed ---------------------------------------------------------------------------

case $flavour in
glitchtip) ;;
lite | bugsink)
    # What is started here must be what `docker compose` sees later, and the other way round.
    export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml:docker-compose.$flavour.yml}
    ;;
*)
    fail "SENTRY_FLAVOUR is glitchtip, lite or bugsink" "SENTRY_FLAVOUR=$flavour" \
        "for a tracker that runs elsewhere: obsstack sentry-setup --url URL"
    ;;
esac

[[ $timeout_s =~ ^[1-9][0-9]*$ ]] ||
    fail "SENTRY_INIT_TIMEOUT_S is a whole number of seconds" "'$timeout_s'" "leave it unset for 300"

command -v docker >/dev/null ||
    fail "the program docker, with its plugin compose" "no docker on PATH" "install Docker"
engine_error=$(docker info 2>&1 >/dev/null) ||
    fail "a Docker engine that answers" "$(tail -n 1 <<<"$engine_error")" \
        "start it, or point DOCKER_HOST at one"
compose_version=$(docker compose version --short 2>/dev/null) ||
    fail "Docker Compose 2.24 or newer" "no \`docker compose\`" "install the compose plugin"
# Anything that cannot be read as a version is believed.
if [[ $compose_version =~ ^v?([0-9]+)\.([0-9]+) ]] &&
    ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < 2024)); then
    fail "Docker Compose 2.24 or newer" "$compose_version" "update the compose plugin"
fi

if [[ -n ${OBSSTACK:-} ]]; then
    obsstack=$OBSSTACK
elif command -v obsstack >/dev/null; then
    obsstack=obsstack
else
    # A checkout of this project, whose environment is not activated.
    obsstack=$PWD/../.venv/bin/obsstack
fi
command -v "$obsstack" >/dev/null ||
    fail "the command obsstack" "none on PATH" "pip install pytest-obsstack, or set OBSSTACK to it"

# --- user and password ------------------------------------------------------------------------

# Written whole or not at all, and readable by its owner alone from the first moment on.
write_secret() {
    local partial
    partial=$(umask 077 && mktemp "$1.XXXXXX")
    cat >"$partial"
    mv "$partial" "$1"
}

kept() { sed -n "s/^$1=//p" "$admin_file" 2>/dev/null || true; }

email=${SENTRY_ADMIN_EMAIL:-}
password=${SENTRY_ADMIN_PASSWORD:-}
if [[ -z $password ]]; then
    if [[ -e $admin_file ]]; then
        email=${email:-$(kept SENTRY_ADMIN_EMAIL)}
        password=$(kept SENTRY_ADMIN_PASSWORD)
        [[ -n $password ]] || fail "SENTRY_ADMIN_PASSWORD=… in $admin_file" "no such line" \
            "delete the file, or set SENTRY_ADMIN_PASSWORD"
        password_from="kept in $admin_file"
    elif [[ $flavour == glitchtip ]]; then
        email=${email:-admin@example.com}
        password=$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')
        printf 'SENTRY_ADMIN_EMAIL=%s\nSENTRY_ADMIN_PASSWORD=%s\n' "$email" "$password" |
            write_secret "$admin_file"
        password_from="random, kept in $admin_file"
    else
        # This tracker is told at each start; what the compose file says stays true of the next.
        password="admin"
        password_from="set by docker-compose.$flavour.yml"
    fi
else
    password_from="from SENTRY_ADMIN_PASSWORD"
fi
email=${email:-admin@example.com}
export SENTRY_ADMIN_EMAIL=$email SENTRY_ADMIN_PASSWORD=$password

# --- the tracker ------------------------------------------------------------------------------

container() { docker compose ps --all --quiet sentry 2>/dev/null | head -n 1; }

# "running healthy", "exited ", …
state() {
    docker inspect --format \
        '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$1" 2>/dev/null ||
        echo "gone"
}

show_why() {
    echo "--- the last $log_lines lines of the service sentry:" >&2
    docker compose logs --no-color --tail "$log_lines" sentry >&2 || true
    echo "--- its last health check:" >&2
    docker inspect --format '{{if .State.Health}}{{range .State.Health.Log}}{{.Output}}{{end}}{{end}}' \
        "$1" 2>/dev/null | tail -n 3 >&2 || true
}

id=$(container)
was_running=no
if [[ -n $id && $(state "$id") == running* ]]; then was_running=yes; fi

say "starting the service sentry ($flavour)"
docker compose up -d sentry ||
    fail "\`docker compose up -d sentry\` starts it" "it failed, see above" \
        "an image that cannot be pulled, or a port that is taken: set SENTRY_PORT"
id=$(container)

say "waiting until it is healthy, ${timeout_s} s at most"
deadline=$((SECONDS + timeout_s))
while :; do
    found=$(state "$id")
    case $found in
    "running healthy") break ;;
    "running starting" | "running " | created* | restarting*) ;;
    *)
        show_why "$id"
        fail "the service sentry is running, and healthy in the end" "it is: ${found% }" \
            "see its log above"
        ;;
    esac
    if ((SECONDS >= deadline)); then
        show_why "$id"
        fail "the service sentry becomes healthy within ${timeout_s} s" "it is: ${found% }" \
            "see its log above; a slow machine: set SENTRY_INIT_TIMEOUT_S"
    fi
    sleep 1
done

# At its start it has migrated. One that ran before may be older than the database's tables.
if [[ $flavour == glitchtip && $was_running == yes ]]; then
    say "migrating its database"
    docker compose exec -T sentry /bin/bash /obsstack/sentry-entrypoint.sh upgrade ||
        fail "the database can be migrated" "it failed, see above" \
            "start over: docker compose down -v"
fi

published=$(docker compose port sentry 9000 | head -n 1)
[[ -n $published ]] ||
    fail "port 9000 of the service sentry is published" "it is not" "see SENTRY_PORT"

# --- user, organisation, project, key ---------------------------------------------------------

# An image of this project's own that stands in GlitchTip's place says so: it speaks lite's API.
speaks=$flavour
label=$(docker inspect --format '{{index .Config.Labels "io.pytest-obsstack.flavour"}}' "$id" || true)
if [[ $label == embedded && $flavour != lite ]]; then
    say "the image stands in for $flavour"
    speaks=lite
fi

say "setting up user, organisation and project"
# The password goes by the environment: arguments are seen by everybody on the machine.
"$obsstack" sentry-setup --url "http://$published" --flavour "$speaks" --email "$email" \
    --project simple-app --dsn-host sentry:9000 --write-env "$dsn_file" --json >/dev/null ||
    fail "\`obsstack sentry-setup\` succeeds" "it failed, see above" \
        "where the user has another password: set SENTRY_ADMIN_PASSWORD to it, or start over with docker compose down -v"
[[ -s $dsn_file ]] ||
    fail "\`obsstack sentry-setup\` wrote $dsn_file" "no such file" "update pytest-obsstack"

# --- who reports there ------------------------------------------------------------------------

running=$(docker compose ps --services --status running)
told=()
for service in app inventory otel-collector; do
    if grep -qx "$service" <<<"$running"; then told+=("$service"); fi
done
if ((${#told[@]})); then
    # Made anew only where the DSN is another; a restart would keep the old one.
    say "telling the DSN to: ${told[*]}"
    docker compose up -d --no-deps "${told[@]}" ||
        fail "${told[*]} can be started with the new DSN" "it failed, see above" \
            "docker compose up -d ${told[*]}"
fi

say "ready"
echo "  log in    ${SENTRY_PUBLIC_URL:-http://localhost:${published##*:}}"
echo "  email     $email"
echo "  password  $password_from"
echo "  DSN       in $dsn_file"
echo "  next      docker compose up -d"
