#!/usr/bin/env bash
# Build, start and stop a real Gitea server on 127.0.0.1, from its Go module. No front end: its API, git over http and
# Actions work; only the pages lack style sheets and scripts.
#   gitea-server.sh build        the program, and the sources, which the server needs too, into the cache folder
#   gitea-server.sh start        in DATA, on PORT; writes $DATA/token, $DATA/url and $DATA/pid
set -euo pipefail
VERSION=${GITEA_VERSION:-v1.26.0}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gce-image-replicator/gitea-$VERSION
BIN=$CACHE/bin
SRC=$CACHE/src
OWNER=${OWNER:-some-owner}
build() {
  command -v go >/dev/null || { echo "skipped: gitea: Go builds it, and there is no go on PATH"; return; }
  [ ! -x "$BIN/gitea" ] || { echo "ready    gitea"; return; }
  mkdir -p "$BIN" "$SRC"
  # A main module of its own: `go install` refuses modules that have replace lines.
  local dir
  dir=$(cd "$(mktemp -d)" && GOFLAGS=-mod=mod go mod download -json "code.gitea.io/gitea@$VERSION" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  cp -r "$dir/." "$SRC"
  chmod -R u+w "$SRC"
  (cd "$SRC" && nice go build -buildvcs=false -tags "sqlite sqlite_unlock_notify" \
    -ldflags "-X main.Version=${VERSION#v}" -o "$BIN/gitea" .)
}

start() {
  mkdir -p "$DATA"
  local secret internal
  secret=$("$BIN/gitea" generate secret SECRET_KEY)
  internal=$("$BIN/gitea" generate secret INTERNAL_TOKEN)
  cat >"$DATA/app.ini" <<INI
APP_NAME = test
RUN_MODE = prod
RUN_USER = $(id -un)
WORK_PATH = $DATA
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = $PORT
ROOT_URL = http://localhost:$PORT/
OFFLINE_MODE = true
DISABLE_SSH = true
STATIC_ROOT_PATH = $SRC

[database]
DB_TYPE = sqlite3
PATH = $DATA/gitea.db

[security]
INSTALL_LOCK = true
SECRET_KEY = $secret
INTERNAL_TOKEN = $internal
PASSWORD_HASH_ALGO = pbkdf2_v1

[service]
DISABLE_REGISTRATION = true

[actions]
ENABLED = true
DEFAULT_ACTIONS_URL = self

[repository]
DEFAULT_BRANCH = main

[webhook]
ALLOWED_HOST_LIST = loopback

[cron]
ENABLED = false

[log]
MODE = file
LEVEL = warn
ROOT_PATH = $DATA/log

[other]
SHOW_FOOTER_VERSION = false
INI
  local gitea=("$BIN/gitea" --config "$DATA/app.ini" --work-path "$DATA")
  "${gitea[@]}" migrate >"$DATA/migrate.log" 2>&1
  "${gitea[@]}" admin user create --username "$OWNER" --password "$(head -c 12 /dev/urandom | base64)" \
    --email owner@example.invalid --admin --must-change-password=false >"$DATA/user.log" 2>&1
  "${gitea[@]}" admin user generate-access-token --username "$OWNER" --token-name t --scopes all --raw 2>/dev/null |
    tail -n 1 >"$DATA/token"
  "${gitea[@]}" web >"$DATA/web.log" 2>&1 </dev/null &
  echo $! >"$DATA/pid"
  for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$PORT/api/v1/version" && break
    sleep 0.2
  done
  echo "http://127.0.0.1:$PORT" >"$DATA/url"
}

case ${1:-} in
  build) build ;;
  start)
    DATA=${DATA:?where the data goes}
    PORT=${PORT:?the port}
    start
    ;;
  *)
    echo "usage: gitea-server.sh build|start" >&2
    exit 2
    ;;
esac
