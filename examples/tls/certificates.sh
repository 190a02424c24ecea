#!/bin/sh
# Makes certificates to try things with, good for a week and for this machine alone: one for the
# server, which signs itself, and one for a client with an authority behind it.
set -eu

key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

openssl req -x509 $key -days 7 -keyout server.key -out server.pem \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
openssl req -x509 $key -days 7 -keyout clients.key -out clients.pem -subj /CN=clients

echo subjectAltName=URI:spiffe://example.org/reader >client.ext
openssl req -new $key -keyout client.key -out client.csr -subj /CN=reader
openssl x509 -req -days 7 -in client.csr -extfile client.ext \
  -CA clients.pem -CAkey clients.key -CAcreateserial -out client.pem
