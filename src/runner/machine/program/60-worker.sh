# The worker of a deploy: watchdog, activation, commit and revert. It outlives connections, sshd and the runner: a transient
# unit where systemd runs, else a session of its own. Killed, it can be started again: all it knows is in files.
has_systemd() { [ -S /run/systemd/private ] && command -v systemd-run > /dev/null; }

# Runs a part of this program detached: `detach NAME PART ARGUMENT…`; where there is no systemd its session is in NAME.session.
detach() {
  name=$1
  shift
  again=no
  # A worker that was killed goes on where its files say that it was.
  if [ "$1" = worker ]; then again=on-failure; fi
  if has_systemd; then
    # Collected: a unit of ours must never be among the failed ones.
    systemd-run --collect --quiet --no-ask-password --service-type=exec --unit="snowcat-$name" \
      -p TimeoutStopSec=10 -p "Restart=$again" -p RestartSec=1 -p "StandardOutput=append:$deploy/log" -p "StandardError=append:$deploy/log" \
      -E "PATH=$PATH" -- "$(command -v sh)" "$state/program" --part "$@" >> "$deploy/log" 2>&1 8>&- 9>&-
  else
    setsid "$(command -v sh)" "$state/program" --part "$@" < /dev/null >> "$deploy/log" 2>&1 8>&- 9>&- &
    put "$name.session" $!
  fi
}
# Ends what `detach` began, with all that it started: TERM, then KILL.
end_detached() { # NAME
  if has_systemd; then
    timeout 20 systemctl stop "snowcat-$1.service" 2> /dev/null
    timeout 10 systemctl kill -s KILL "snowcat-$1.service" 2> /dev/null
    return 0
  fi
  session=$(get "$1.session")
  [ -n "$session" ] || return 0
  signal_session TERM "$session"
  left=50
  while [ $left -gt 0 ] && in_session "$session" | grep -q .; do
    sleep 0.1
    left=$((left - 1))
  done
  signal_session KILL "$session"
}
# Processes of a session, whatever their groups: the sixth field, behind a name that may hold anything.
in_session() {
  for file in /proc/[0-9]*/stat; do cat "$file" 2> /dev/null; done |
    awk -v session="$1" '{ pid = $1; sub(/.*\) /, ""); if ($4 == session && $1 != "Z") print pid }'
}
session_of_this() { awk '{ sub(/.*\) /, ""); print $4 }' "/proc/$$/stat"; }
signal_session() { for pid in $(in_session "$2"); do kill "-$1" "$pid" 2> /dev/null; done; }

start_worker() { # COUNTER
  keep_program || return 1
  detach "deploy-$1" worker "$1"
  left=150
  looks=0
  while ! alive; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    pause
  done
}

# `switch-to-configuration ACTION` of SYSTEM; its exit code goes to the file NAME of the deploy.
part_switch() { # NAME SYSTEM ACTION
  cd /
  activate_system "$2" "$3"
  put "$1" $?
}
# Waits for what `part_switch` leaves, SECONDS at most.
await() { # NAME SECONDS
  limit=$(($(uptime_seconds) + $2))
  looks=0
  while [ ! -e "$deploy/$1" ]; do
    [ "$(uptime_seconds)" -lt "$limit" ] || return 1
    pause
  done
}
switch() { # NAME SYSTEM ACTION SECONDS
  rm -f "$deploy/$1"
  detach "$1-$(get counter)" switch "$1" "$2" "$3"
  if ! await "$1" "$4"; then
    end_detached "$1-$(get counter)"
    say "$2: $3 took longer than $4 s and was stopped" >> "$deploy/log"
    return 1
  fi
}

part_worker() { # COUNTER
  mkdir -p -m 700 "$state"
  exec 8>> "$state/lock" 9>> "$state/alive"
  flock -w 10 9 || exit 1
  [ "$(get counter)" = "$1" ] || exit 1
  old=$(get old)
  new=$(get new)
  find_programs "$old"
  while :; do
    case $(name_now) in
      armed)
        put deadline $(($(uptime_seconds) + $(get activation-seconds 900)))
        rm -f "$deploy/activation"
        looks=0
        if turn activating "" armed; then detach "activation-$1" switch activation "$new" test; fi ;;
      activating)
        if [ -e "$deploy/activation" ]; then
          put deadline $(($(uptime_seconds) + $(get confirmation-seconds)))
          turn activated "" activating
        elif late; then
          turn reverting "activation-limit" activating
        fi ;;
      activated | confirmed)
        if late; then turn reverting "confirmation-limit" activated confirmed; fi ;;
      committing) commit_now "$1" ;;
      reverting) revert_now "$1" ;;
      *) exit 0 ;;
    esac
    pause
  done
}
late() { [ "$(uptime_seconds)" -ge "$(get deadline 0)" ]; }

# Profile, then boot entry: what installs a boot loader reads the profile. One that fails leaves what booted before, and the
# profile is put back, so that it never names what would not boot.
commit_now() { # COUNTER
  # A source's is known only now.
  new=$(get new)
  before=$(profile_number)
  # On the disk before the profile is: without it nobody could put the profile back after a power cut.
  if [ ! -s "$deploy/before" ]; then durable "$deploy/before" "$before"; fi
  if nix-env -p "$profile" --set "$new" >> "$deploy/log" 2>&1 8>&- 9>&- &&
    switch boot "$new" boot "$(get activation-seconds 900)" && [ "$(get boot)" = 0 ]; then
    put generation "$(profile_number)"
    # What is called committed has to outlive a power cut: profile, boot entry, and the word for it.
    sync
    turn committed "" committing && flush "$deploy/state"
    return 0
  fi
  boot_back
  turn commit-failed "the boot entry could not be written" committing
}
# The profile's generation from before the commit, and its boot entry.
boot_back() {
  before=$(get before)
  is_at=$(profile_number)
  # A tool may have written the entry of a profile that has its number still.
  if [ -n "$before" ] && { [ "$is_at" != "$before" ] || [ -e "$deploy/guard" ]; }; then
    if [ "$is_at" != "$before" ]; then nix-env -p "$profile" --switch-generation "$before" >> "$deploy/log" 2>&1 8>&- 9>&-; fi
    switch boot-back "$(link_of "$profile")" boot "$(get activation-seconds 900)"
    if [ -e "$deploy/guard" ]; then forget_made; fi
  fi
  rm -f "$deploy/generation"
}
# Generations that a tool has made of what is taken back: "the one before" must never mean one of them.
forget_made() {
  newest=$(get newest)
  [ -n "$newest" ] && [ "$(profile_number)" = "$before" ] || return 0
  for made in $(generations | awk -v newest="$newest" '$1 > newest { print $1 }'); do
    nix-env -p "$profile" --delete-generations "$made" >> "$deploy/log" 2>&1 8>&- 9>&-
  done
}

# Whoever activates a system here: who has the lock open that NixOS takes for it. A tool that is gone may have left one.
switching() {
  find /proc/[0-9]*/fd -maxdepth 1 -lname /run/nixos/switch-to-configuration.lock 2> /dev/null | cut -d / -f 3 | sort -u
}
# With all that they have started, and nobody else: the session may be a person's.
end_switching() {
  doomed=
  for pid in $(switching); do doomed="$doomed $(family "$pid")"; done
  [ -n "$doomed" ] || return 0
  echo "ended what was activating a system here:$(echo $doomed)" >> "$deploy/log"
  for signal in TERM KILL; do
    left=50
    for pid in $doomed; do kill "-$signal" "$pid" 2> /dev/null; done
    while [ $left -gt 0 ] && any_lives $doomed; do
      sleep 0.1
      left=$((left - 1))
    done
  done
}
family() { # PID: itself, and what it started
  for file in /proc/[0-9]*/stat; do cat "$file" 2> /dev/null; done |
    awk -v root="$1" '{ pid = $1; sub(/.*\) /, ""); parent[pid] = $2 }
      END { of[root] = 1; do { more = 0; for (pid in parent) if (!(pid in of) && parent[pid] in of) { of[pid] = 1; more = 1 } } while (more)
        for (pid in of) print pid }'
}
any_lives() {
  for pid; do
    if awk '{ sub(/.*\) /, ""); exit $1 == "Z" }' "/proc/$pid/stat" 2> /dev/null; then return 0; fi
  done
  return 1
}

revert_now() { # COUNTER
  if [ ! -e "$deploy/activation" ]; then
    if [ -e "$deploy/guard" ]; then end_switching; else end_detached "activation-$1"; fi
  fi
  # Taken back after its commit: what boots comes first, for a machine that is lost now comes back as it was.
  if [ -e "$deploy/before" ]; then boot_back; fi
  switch reversion "$old" test "$(get activation-seconds 900)"
  if [ "$(link_of /run/current-system)" = "$old" ]; then
    turn reverted "" reverting
  else
    turn revert-failed "" reverting
  fi
}
