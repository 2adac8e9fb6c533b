#!/usr/bin/env bash
# TLS and users, as clients meet them: the calls of the matrix (calls.txt) through TLS as a user, and who is refused how; with
# redis-py, ioredis, node-redis and redis-cli. SERVER_BIN names the server (default: target/release/creditd).
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/clients/server.sh
. ./server.sh

# Passwords of 32 characters or more are kept as SHA-256.
ops=ops-5f4dcc3b5aa765d61d8327deb882cf99 shop=shop-6cb75f652a9b52798eb6cf2201057c73
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

# authority CA: a new one. issue CA NAME: a certificate of it, and its key.
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
authority() { openssl req -x509 "${key[@]}" -days 3650 -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null; }
issue() {
  local names=subjectAltName=DNS:localhost,IP:127.0.0.1
  openssl req "${key[@]}" -subj "/CN=$2" -addext "$names" -keyout "$work/$2.key" -out "$work/$2.csr" 2>/dev/null
  openssl x509 -req -in "$work/$2.csr" -CA "$work/$1.crt" -CAkey "$work/$1.key" -CAcreateserial -days 3650 \
    -copy_extensions copy -out "$work/$2.crt" 2>/dev/null
  chmod 600 "$work/$2.key"
}
authority ca
authority other
issue ca server
issue ca app
issue other stranger

files=(--port off --tls-port any --tls-cert-file "$work/server.crt" --tls-key-file "$work/server.key" --tls-ca-cert-file "$work/ca.crt")
install -m 600 /dev/null "$work/users.acl"
{
  echo "user ops on #$(digest $ops) ~* +@all"
  echo "user shop on #$(digest $shop) ~tradie:* +@spender +@reader"
} >"$work/users.acl"
export CA=$work/ca.crt

# One line through each client: as CLIENT, what it hears is printed.
python() { .venv/bin/python calls.py "$port" -; }
ioredis() { node calls.mjs ioredis "$port" -; }
node_redis() { node calls.mjs redis "$port" -; }
cli() {
  local who=(${AS_USER:+--user "$AS_USER"} ${PASSWORD:+--pass "$PASSWORD"} ${CERT:+--cert "$CERT" --key "$KEY"})
  redis-cli --no-auth-warning --tls --cacert "$CA" -p "$port" "${who[@]}"
}
CLIENTS=(python ioredis node_redis cli)

# hears WHAT PATTERN LINE VARIABLE=VALUE..: every client, so equipped, hears that of a line.
hears() {
  local what=$1 pattern=$2 line=$3 client
  shift 3
  for client in "${CLIENTS[@]}"; do
    says "$what: $client" "$pattern" ask "$client" "$line" "$@"
  done
}

# ask CLIENT LINE VARIABLE=VALUE..
ask() (
  local client=$1 line=$2 variable
  for variable in "${@:3}"; do export "${variable?}"; done
  $client <<<"$line"
)

start "${files[@]}" --tls-auth-clients no --aclfile "$work/users.acl"
for package in ioredis redis; do AS_USER=ops PASSWORD=$ops client node calls.mjs $package "$port"; done
AS_USER=ops PASSWORD=$ops client .venv/bin/python calls.py "$port"

noauth='NOAUTH|Authentication required|must be called with the client already authenticated' # redis-py leaves the code out
as_ops=(AS_USER=ops "PASSWORD=$ops") as_shop=(AS_USER=shop "PASSWORD=$shop")
hears "ops" '^ops~$' "ACL WHOAMI" "${as_ops[@]}"
hears "a wrong password" 'WRONGPASS|invalid username-password' "PING" AS_USER=ops PASSWORD=wrong
hears "nobody" 'WRONGPASS|invalid username-password' "PING" AS_USER=nobody "PASSWORD=$ops"
hears "no password" "$noauth" "CREDIT.BALANCE tradie:1"
hears "shop within its prefix" 'seq' "CREDIT.BALANCE tradie:1" "${as_shop[@]}"
hears "shop outside its prefix" 'No permissions to access a key' "CREDIT.BALANCE other:1" "${as_shop[@]}"
hears "shop beyond its class" "no permissions to run the 'credit.grant' command" "CREDIT.GRANT tradie:1 g 5" "${as_shop[@]}"
hears "a CA that is not trusted" 'self.signed|[Cc]ertificate|verify failed' "PING" "${as_ops[@]}" "CA=$work/other.crt"
hears "a password of people" '^OK~$' "ACL SETUSER ann on >correct-horse ~* +@reader" "${as_ops[@]}"
hears "ann" '^ann~$' "ACL WHOAMI" AS_USER=ann PASSWORD=correct-horse
hears "what was denied" 'auth.*ops|ops.*auth' "ACL LOG" "${as_ops[@]}"
for flag in -2 -3; do
  says "redis-cli $flag" '^PONG~$' redis-cli $flag --no-auth-warning --tls --cacert "$CA" -p "$port" --user ops --pass $ops PING
done

# A client that is connected stays so while the certificate becomes one of another CA.
for client in "${CLIENTS[@]}"; do
  mkfifo "$work/$client.in"
  (export AS_USER=ops PASSWORD=$ops && $client <"$work/$client.in" >"$work/$client.out") &
done
exec 3>"$work/python.in" 4>"$work/ioredis.in" 5>"$work/node_redis.in" 6>"$work/cli.in"
# All say the line, and have heard N lines in all.
all_say() {
  local client descriptor
  for descriptor in 3 4 5 6; do echo "$1" >&$descriptor; done
  for client in "${CLIENTS[@]}"; do
    for _ in $(seq 200); do
      [ "$(wc -l <"$work/$client.out")" -lt "$2" ] || break
      sleep 0.05
    done
  done
}
all_say "CLIENT ID" 1
issue other server
kill -HUP "$server_pid"
says "renewed" read timeout 10 sh -c "until grep -q 'read again' '$work/log'; do sleep 0.05; done; echo read"
all_say "CLIENT ID" 2
exec 3>&- 4>&- 5>&- 6>&-
for client in "${CLIENTS[@]}"; do
  says "renewed: $client stays" '^([0-9]+)~\1~$' grep -Eo '[0-9]+$' "$work/$client.out"
done
hears "renewed: the old CA" 'self.signed|[Cc]ertificate|verify failed' "PING" "${as_ops[@]}"
hears "renewed: the new CA" '^ops~$' "ACL WHOAMI" "${as_ops[@]}" "CA=$work/other.crt"
stop

# Certificates of clients, and one password for all.
issue ca server
start "${files[@]}" --requirepass "$ops"
with_app=("CERT=$work/app.crt" "KEY=$work/app.key") with_stranger=("CERT=$work/stranger.crt" "KEY=$work/stranger.key")
hears "with a certificate" '^default~$' "ACL WHOAMI" "PASSWORD=$ops" "${with_app[@]}"
hears "with a certificate alone" "$noauth" "CREDIT.BALANCE a" "${with_app[@]}"
refused='certificate|ECONNRESET|reset|[Cc]losed|alert|EPIPE'
hears "without a certificate" "$refused" "PING" "PASSWORD=$ops"
hears "with a stranger's certificate" "$refused" "PING" "PASSWORD=$ops" "${with_stranger[@]}"
says "redis-cli -a" '^default~$' redis-cli --no-auth-warning --tls --cacert "$CA" --cert "$work/app.crt" --key "$work/app.key" \
  -p "$port" -a $ops ACL WHOAMI
says "the server's log" '^$' grep -E ' ERROR ' "$work/log"
says "no password in the log" '^$' grep -E "$ops|$shop|correct-horse" "$work/log"
stop
close secure
