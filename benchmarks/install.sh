#!/usr/bin/env bash
# Installs the programs that the benchmarks run, where they are missing: wrk, PostgreSQL's server and pgbench.
set -euo pipefail
missing=()
command -v wrk > /dev/null || missing+=(wrk)
ls /usr/lib/postgresql/*/bin/pgbench > /dev/null 2>&1 || missing+=(postgresql)
ls /usr/share/postgresql/*/extension/pg_prewarm.control > /dev/null 2>&1 || missing+=(postgresql-contrib)
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get > /dev/null || { echo "install these first: ${missing[*]}"; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi
