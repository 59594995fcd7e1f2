# What can be seen; nothing of it changes anything.
free_at() { stat -f -c '%a %S %d %c' "$1" | { read -r blocks size inodes total; [ "$total" -gt 0 ] || inodes=1000000000; say "$((blocks * size)) $inodes"; }; }
boot_is_mounted() { [ -d /boot/. ] && [ "$(stat -c %d /boot/.)" != "$(stat -c %d /)" ]; }
generations() { # NUMBER PATH UNIX_SECONDS, newest first
  stat -c '%N %Y' "$profile"-*-link 2> /dev/null | tr -d "'\`" |
    awk '{ n = $1; sub(/.*\/system-/, "", n); sub(/-link$/, "", n); if (n ~ /^[0-9]+$/) print n, $3, $4 }' | sort -rn
}
profile_number() { number=$(readlink "$profile" 2> /dev/null); number=${number##*/}; number=${number#system-}; echo "${number%-link}"; }
dash() { say "$1 ${2:--}"; }

tell_units() {
  if command -v systemctl > /dev/null && units=$(timeout 10 systemctl list-units --all --plain --no-legend --no-pager --full 2> /dev/null); then
    say "systemd yes"
    printf '%s\n' "$units" | awk '$3 == "failed" && n++ < 200 { print "failed", $1 }
      $1 ~ /^(nixos-upgrade\.(timer|service)|comin\.service|system-manager-upgrade\.timer)$/ && $3 == "active" { print "updater", $1 }'
  else
    say "systemd no"
  fi
}
verb_observe() {
  dash system "$(link_of /run/current-system)"
  dash booted "$(link_of /run/booted-system)"
  generations > "$scratch/generations"
  number=$(profile_number)
  awk -v number="$number" '$1 == number { print "profile", $0 }' "$scratch/generations"
  head -n 64 "$scratch/generations" | sed 's/^/generation /'
  tell_units
  say "nix $(free_at /nix/store)"
  if boot_is_mounted; then say "boot $(free_at /boot/.)"; fi
  say "counter $(counter_stored)"
  if [ -e "$deploy/state" ] && [ ! -e "$deploy/ended" ]; then say "unfinished $(get counter) $(get state)"; fi
  say "boot-id $(boot_id)"
  done_well
}

# `brief` does not ask for units: for answers to what was asked to be done, not to be seen.
tell_state() { # [brief]
  say "deploy $(get counter)"
  say "state $(get state)"
  say "old $(get old)"
  say "new $(get new)"
  if [ -e "$deploy/ended" ]; then say "ended"; fi
  if alive; then say "alive"; fi
  if [ -e "$deploy/guard" ]; then say "guarded"; fi
  if [ "$(get boot-id)" != "$(boot_id)" ]; then say "rebooted"; fi
  if [ -e "$deploy/activation" ]; then say "activation $(get activation)"; fi
  if [ -e "$deploy/generation" ]; then say "generation $(get generation)"; fi
  if [ -e "$deploy/why" ]; then say_text why "$(get why)"; fi
  dash running "$(link_of /run/current-system)"
  dash boots "$(link_of "$profile")"
  if [ -z "${1:-}" ] && [ -e "$deploy/failed-before" ] && failed_units > "$scratch/failed"; then
    say "systemd yes"
    # Marked by whether they had failed before.
    awk 'FILENAME == ARGV[1] { before[$1] = 1; next } n++ < 200 { print ($1 in before ? "still-failed" : "newly-failed"), $1 }' "$deploy/failed-before" "$scratch/failed"
  fi
  if [ -e "$deploy/log" ]; then say "log $(tail -c "$log_bytes" "$deploy/log" | encoded)"; fi
}
verb_state() {
  if [ -e "$deploy/state" ]; then tell_state; fi
  done_well
}

# Returns when the deploy is in one of NAMES (with a comma between), or after SECONDS.
verb_wait() { # COUNTER NAMES SECONDS
  until=$(($(uptime_seconds) + $3))
  while :; do
    [ "$(get counter)" = "$1" ] || refuse stale-counter "this machine has accepted deploy $(counter_stored)"
    is=$(name_now)
    case ",$2," in *",$is,"*) break ;; esac
    if [ "$(uptime_seconds)" -ge "$until" ] || ! alive; then break; fi
    pause
  done
  # The last word of a worker that has just gone.
  is=$(name_now)
  tell_state
  done_well
}

size_of() { stat -L -c %s -- "$1"; }
entries_of() { find -H "$1" -mindepth 1 -maxdepth 1 -printf x | wc -c; }
# What paths are, in the order they are asked for; `aBASE64` each. Links are followed, and a file is read to its end.
verb_digest() { # WORD…
  for word; do
    # The x keeps what a path may end with: newlines.
    path=$(printf '%s' "${word#a}" | base64 -d; echo x)
    path=${path%x}
    if [ -f "$path" ]; then
      sum=$(sha256sum < "$path") || fail "$path cannot be read"
      say "digest file ${sum%% *} $(size_of "$path")"
    elif [ -d "$path" ]; then
      say "digest folder $(entries_of "$path")"
    elif [ -e "$path" ]; then
      say "digest other"
    else
      say "digest missing"
    fi
  done
  done_well
}
