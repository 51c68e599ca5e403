#!/bin/sh
# An authority, and certificates by it for a server on the loopback and for a client, in the folder where it runs.
set -e
new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# shellcheck disable=SC2086 # It is several words.
openssl req -x509 $new_key -keyout ca.key -out ca.pem -days 3650 -subj /CN=authority
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > names
for name in server client; do
  # shellcheck disable=SC2086
  openssl req -new $new_key -keyout "$name.key" -out "$name.csr" -subj "/CN=$name"
  openssl x509 -req -in "$name.csr" -out "$name.pem" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile names
done
