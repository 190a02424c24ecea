#!/bin/sh
# Makes certificates to try things with, good for a week and for this machine alone: one for the
# server, and one for a client that signs itself.
set -eu

make() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 \
    -keyout "$1.key" -out "$1.pem" -subj "/CN=$2" -addext "subjectAltName=$3" 2>/dev/null
}

make server localhost DNS:localhost,IP:127.0.0.1
make client reader URI:spiffe://example.org/reader
cp client.pem clients.pem
