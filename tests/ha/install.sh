#!/usr/bin/env bash
# Installs what `make ha` runs, where it is missing: PostgreSQL's server, Patroni and etcd, of Debian's packages.
set -euo pipefail
missing=()
command -v patroni > /dev/null || missing+=(patroni)
command -v etcd > /dev/null || missing+=(etcd-server)
ls /usr/lib/postgresql/*/bin/pg_rewind > /dev/null 2>&1 || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0
{ [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; } || { echo "install these first: ${missing[*]}"; exit 1; }
# Debian starts what it installs; here every program is started by the tests, and nothing else.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends "${missing[@]}" > /dev/null
