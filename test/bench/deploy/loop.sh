#!/bin/bash
# The peer: a shell script with the same safety steps, one machine after the other, as a careful admin would write it.
# loop.sh COUNTER SYSTEM MANIFEST STORE -- ADDRESS KNOWN_HOSTS IDENTITY …
set -euo pipefail
counter=$1 system=$2 manifest=$3 store=$4
shift 5

deploy() { # ADDRESS KNOWN_HOSTS IDENTITY
  local remote=(ssh -F none -T -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$2"
    -o "IdentityFile=$3" -o IdentitiesOnly=yes -o IdentityAgent=none -o ControlPath=none -o LogLevel=ERROR -l root -- "$1")
  local missing
  # Counter, running system, failed units, space; what lacks.
  missing=$(tail -n +3 "$manifest" | cut -d ' ' -f 1 | "${remote[@]}" "set -e
    mkdir -p /var/lib/loop /nix/var/nix/gcroots/loop; exec 8>> /var/lib/loop/lock; flock -w 5 8
    [ $counter -gt \"\$(cat /var/lib/loop/counter 2> /dev/null || echo 0)\" ]
    echo $counter > /var/lib/loop/counter.new; sync /var/lib/loop/counter.new; mv /var/lib/loop/counter.new /var/lib/loop/counter
    readlink -f /run/current-system > /var/lib/loop/old
    ln -sfn \"\$(cat /var/lib/loop/old)\" /nix/var/nix/gcroots/loop/old; ln -sfn $system /nix/var/nix/gcroots/loop/new
    systemctl list-units --state=failed --plain --no-legend --full > /var/lib/loop/failed
    [ \"\$(stat -f -c '%a' /nix/store)\" -gt 10000 ]
    xargs nix-store --check-validity --print-invalid")
  # shellcheck disable=SC2086
  if [ -n "$missing" ]; then
    nix-store --store "$store" --export $missing | "${remote[@]}" "exec 8>> /var/lib/loop/lock; flock -w 5 8
      nix-store --import > /var/lib/loop/came"
  fi
  # The closure as registered, and the bytes of what came.
  "${remote[@]}" "set -e; exec 8>> /var/lib/loop/lock; flock -w 5 8; cat > /var/lib/loop/manifest
    tail -n +3 /var/lib/loop/manifest | while read -r path hash size; do
      echo \$path \$(echo \${hash#sha256-} | base64 -d | od -An -v -tx1 | tr -d ' \n') \$size; done | sort > /var/lib/loop/want
    nix-store --dump-db \$(nix-store -qR $system) | awk 'n == 0 { p = \$0; n = 1; next } n == 1 { h = \$0; n = 2; next }
      n == 2 { print p, h, \$0; n = 3; next } n == 3 { n = 4; next } n == 4 { l = \$0; n = l > 0 ? 5 : 0; next } { if (--l == 0) n = 0 }' |
      sort > /var/lib/loop/have
    cmp /var/lib/loop/want /var/lib/loop/have
    nix-store --verify-path \$(cat /var/lib/loop/came)" < "$manifest"
  # Dry, then the watchdog, then the activation, both apart from the connection.
  "${remote[@]}" "set -e; exec 8>> /var/lib/loop/lock; flock -w 5 8
    $system/bin/switch-to-configuration dry-activate > /dev/null
    rm -f /var/lib/loop/confirmed /var/lib/loop/code
    [ \"\$(readlink -f /run/current-system)\" = \"\$(cat /var/lib/loop/old)\" ]
    setsid sh -c 'for i in \$(seq 600); do if [ -e /var/lib/loop/confirmed ]; then exit; fi; sleep 0.1; done
      \$(cat /var/lib/loop/old)/bin/switch-to-configuration test' < /dev/null > /dev/null 2>&1 8>&- &
    setsid sh -c '$system/bin/switch-to-configuration test; echo \$? > /var/lib/loop/code' < /dev/null > /var/lib/loop/log 2>&1 8>&- &
    while [ ! -e /var/lib/loop/code ]; do sleep 0.05; done"
  # Over a new connection: health, then profile and boot entry, then what runs and boots.
  "${remote[@]}" "set -e; exec 8>> /var/lib/loop/lock; flock -w 5 8
    [ \"\$(cat /var/lib/loop/code)\" = 0 ]
    systemctl list-units --state=failed --plain --no-legend --full | cmp - /var/lib/loop/failed
    [ \"\$(readlink -f /run/current-system)\" = $system ]"
  "${remote[@]}" "set -e; exec 8>> /var/lib/loop/lock; flock -w 5 8; touch /var/lib/loop/confirmed
    nix-env -p /nix/var/nix/profiles/system --set $system
    $system/bin/switch-to-configuration boot; sync
    [ \"\$(readlink -f /nix/var/nix/profiles/system)\" = $system ]; rm -f /nix/var/nix/gcroots/loop/new"
}

while [ $# -gt 0 ]; do
  deploy "$1" "$2" "$3"
  shift 3
done
