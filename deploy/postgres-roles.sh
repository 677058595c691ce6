#!/bin/sh
# Runs once, when the image `postgres` makes a new database: the owner of the tables, and the role of
# the service, which owns nothing. The superuser of POSTGRES_PASSWORD is for neither.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
    --set owner_password="$OWNER_PASSWORD" --set service_password="$SERVICE_PASSWORD" <<'SQL'
CREATE ROLE taskapi LOGIN PASSWORD :'owner_password';
CREATE ROLE taskapi_service LOGIN PASSWORD :'service_password';
CREATE DATABASE taskapi OWNER taskapi;
SQL
