#!/usr/bin/env bash
# Signs with openssl and sends with curl, wget or nothing but bash: openssl.sh curl|wget|bash URL.
# Reads lines of id, time, secret, body's path and signature (`-` to make it), apart by tabs; answers each with the
# status and the signature that it sent.
set -euo pipefail
by=$1 url=$2

signed() { # ID TIME SECRET BODY
  local key
  key=$(printf %s "${3#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  { printf '%s.%s.' "$1" "$2"; cat "$4"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64
}

with_curl() { # BODY HEADER…
  local body=$1 more=()
  shift
  for header; do more+=(-H "$header"); done
  curl -sS -o /dev/null -w '%{http_code}' "${more[@]}" --data-binary "@$body" "$url"
}

with_wget() {
  local body=$1 more=()
  shift
  for header; do more+=(--header "$header"); done
  # It ends with an exit code of its own where the status is none of success.
  { wget -q -S --tries 1 -O /dev/null "${more[@]}" --post-file "$body" "$url" 2>&1 || true; } |
    sed -n 's|^ *HTTP/1.1 \([0-9]*\).*|\1|p'
}

with_bash() {
  local body=$1 place=${url#http://} status
  shift
  local host=${place%%/*}
  exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
  {
    printf 'POST /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' "${place#*/}" "$host"
    printf '%s\r\n' "$@" "Content-Length: $(wc -c <"$body")" ""
    cat "$body"
  } >&3
  read -r _ status _ <&3
  exec 3>&-
  printf %s "$status"
}

while IFS=$'\t' read -r id time secret body signature; do
  [ "$signature" != - ] || signature="v1,$(signed "$id" "$time" "$secret" "$body")"
  printf '%s\t%s\n' "$("with_$by" "$body" "Content-Type: application/json" "webhook-id: $id" \
    "webhook-timestamp: $time" "webhook-signature: $signature")" "$signature"
done
