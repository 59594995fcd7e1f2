#!/bin/bash
# The peer: a shell script with the same safety steps, one machine after the other, as a careful admin would write it.
# loop.sh COUNTER SYSTEM MANIFEST STORE apart|shared -- ADDRESS KNOWN_HOSTS IDENTITY …
#
# What it flushes is what Snowcat's program on the machine does: counter, what is to come, the store, all that is known
# before the activation, the profile's generation before the commit, everything after. Each step has a connection of its
# own, or (`shared`) those before the activation have one, and those after it another.
set -euo pipefail
counter=$1 system=$2 manifest=$3 store=$4 connections=$5
shift 6
shared=$(mktemp -d)
trap 'rm -rf "$shared"' EXIT
# As registered: path, hash in hexadecimal, size.
tail -n +3 "$manifest" | while read -r path hash size; do
  echo "$path $(base64 -d <<< "${hash#sha256-}" | od -An -v -tx1 | tr -d ' \n') $size"
done | sort > "$shared/want"

# Every step: the lock, and nobody newer.
held='set -e; cd /var/lib/loop; exec 8>> lock; flock -w 5 8
keep() { cat > "$1.new"; sync "$1.new"; mv "$1.new" "$1"; sync .; }
[ "$(cat counter)" = '"$counter"' ]'

deploy() { # ADDRESS KNOWN_HOSTS IDENTITY
  local ssh=(ssh -F none -T -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$2"
    -o "IdentityFile=$3" -o IdentitiesOnly=yes -o IdentityAgent=none -o LogLevel=ERROR -l root)
  local before=("${ssh[@]}" -o ControlPath=none -- "$1")
  local after=("${before[@]}")
  if [ "$connections" = shared ]; then
    before=("${ssh[@]}" -o ControlMaster=auto -o ControlPersist=60 -o "ControlPath=$shared/before-$1" -- "$1")
    after=("${ssh[@]}" -o ControlMaster=auto -o ControlPersist=60 -o "ControlPath=$shared/after-$1" -- "$1")
  fi
  local missing
  # Counter, running system, failed units, roots; what lacks, for good; space.
  missing=$(cut -d ' ' -f 1 "$shared/want" | "${before[@]}" "mkdir -p /var/lib/loop /nix/var/nix/gcroots/loop
    cd /var/lib/loop; [ -e counter ] || echo 0 > counter; exec 7>> lock; flock -w 5 7
    [ $counter -gt \"\$(cat counter)\" ]; echo $counter > counter.first; sync counter.first; mv counter.first counter; sync .; exec 7>&-
    $held
    rm -f confirmed code log came; readlink -f /run/current-system > old
    ln -sfn \"\$(cat old)\" /nix/var/nix/gcroots/loop/old; ln -sfn $system /nix/var/nix/gcroots/loop/new
    systemctl list-units --state=failed --plain --no-legend --full > failed
    echo $system > new; sync counter old new failed .
    xargs nix-store --check-validity --print-invalid | keep unflushed
    stat -f -c '%a %d' /nix/store | { read -r blocks inodes; [ \"\$blocks\" -gt 10000 ] && { [ \"\$inodes\" -gt 1000 ] || [ \"\$inodes\" = 0 ]; }; }
    cat unflushed")
  if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    nix-store --store "$store" --export $missing | "${before[@]}" "$held
      nix-store --import > came 8>&-; sync -f /nix/store; sync came; rm -f unflushed"
  fi
  # The closure as registered, and the bytes of what came.
  "${before[@]}" "$held; cat > want
    nix-store --dump-db \$(nix-store -qR $system) | awk 'n == 0 { p = \$0; n = 1; next } n == 1 { h = \$0; n = 2; next }
      n == 2 { print p, h, \$0; n = 3; next } n == 3 { n = 4; next } n == 4 { l = \$0; n = l > 0 ? 5 : 0; next } { if (--l == 0) n = 0 }' |
      sort > have
    cmp want have
    [ ! -e came ] || nix-store --verify-path \$(cat came)" < "$shared/want"
  "${before[@]}" "$held; $system/bin/switch-to-configuration dry-activate > /dev/null 8>&-"
  # All that is known is flushed; then the watchdog (activation limit, then confirmation limit), which outlives the connection.
  "${before[@]}" "$held
    [ \"\$(readlink -f /run/current-system)\" = \"\$(cat old)\" ]
    sync ./* .
    setsid sh -c 'old=\$(cat old)
      setsid sh -c \"$system/bin/switch-to-configuration test; echo \\\$? > code\" &
      for i in \$(seq 600); do if [ -e code ]; then break; fi; sleep 0.1; done
      [ -e code ] || kill -TERM -\$!
      for i in \$(seq 600); do if [ -e confirmed ]; then exit; fi; sleep 0.1; done
      \$old/bin/switch-to-configuration test' < /dev/null > log 2>&1 8>&- &
    while [ ! -e code ]; do sleep 0.02; done"
  if [ "$connections" = shared ]; then ssh -O exit -o "ControlPath=$shared/before-$1" -- "$1" 2> /dev/null; fi
  # Over a connection that did not exist before: health, then profile and boot entry, then what runs and boots.
  "${after[@]}" "$held; [ \"\$(cat code)\" = 0 ]
    systemctl list-units --state=failed --plain --no-legend --full | cmp - failed
    [ \"\$(readlink -f /run/current-system)\" = $system ]"
  "${after[@]}" "$held; touch confirmed
    readlink /nix/var/nix/profiles/system | keep before; echo committing | keep state
    if ! { nix-env -p /nix/var/nix/profiles/system --set $system 8>&- && $system/bin/switch-to-configuration boot 8>&-; }; then
      before=\$(cat before); before=\${before#system-}; nix-env -p /nix/var/nix/profiles/system --switch-generation \${before%-link}
      exit 1
    fi
    sync; echo committed > state; sync state"
  "${after[@]}" "$held
    [ \"\$(readlink -f /run/current-system)\" = $system ] && [ \"\$(readlink -f /nix/var/nix/profiles/system)\" = $system ]
    rm -f /nix/var/nix/gcroots/loop/new"
  if [ "$connections" = shared ]; then ssh -O exit -o "ControlPath=$shared/after-$1" -- "$1" 2> /dev/null; fi
}

while [ $# -gt 0 ]; do
  deploy "$1" "$2" "$3"
  shift 3
done
