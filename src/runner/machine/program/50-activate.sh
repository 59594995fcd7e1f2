# From here the machine changes. Whatever takes long is started by a worker that outlives connections; see 60-worker.sh.
# Runs a command whose words came as `aBASE64`, with a limit, apart from the locks; its end is in $code, its words in LOG.
limited() { # LOG SECONDS WORD…
  log=$1 seconds=$2
  shift 2
  count=$#
  while [ "$count" -gt 0 ]; do
    # The x keeps what a word may end with: newlines.
    word=$(printf '%s' "${1#a}" | base64 -d; echo x)
    set -- "$@" "${word%x}"
    shift
    count=$((count - 1))
  done
  (cd / && timeout -k 5 "$seconds" "$@" < /dev/null >> "$log" 2>&1 8>&-)
  code=$?
}
tell_end() { say "exit $code"; say "log $(tail -c "$log_bytes" "$1" | encoded)"; done_well; }

verb_command() { # COUNTER SECONDS WORD…
  mine "$1"
  in_state begun copied verified
  shift
  : > "$scratch/log"
  limited "$scratch/log" "$@"
  tell_end "$scratch/log"
}
verb_check_command() { # SECONDS WORD…
  : > "$scratch/log"
  limited "$scratch/log" "$@"
  tell_end "$scratch/log"
}
verb_check_unit() { # SECONDS aUNIT
  command -v systemctl > /dev/null || refuse not-prepared "there is no systemd on this machine"
  unit=$(printf '%s' "${2#a}" | base64 -d)
  say "unit $(timeout "$1" systemctl is-active -- "$unit" 2> /dev/null | head -n 1 | tr -cd 'a-z-')"
  done_well
}

can_activate() {
  in_state verified
  valid "$new" && is_system "$new" || refuse not-prepared "$new is not a system that can be activated"
}

verb_dry_activate() { # COUNTER SECONDS
  mine "$1"
  can_activate
  : > "$scratch/log"
  limited "$scratch/log" "$2" "a$(printf '%s' "$new/bin/switch-to-configuration" | encoded)" "a$(printf dry-activate | encoded)"
  tell_end "$scratch/log"
}

verb_activate() { # COUNTER ACTIVATION_SECONDS CONFIRMATION_SECONDS
  mine "$1"
  can_activate
  running=$(link_of /run/current-system)
  [ "$running" = "$old" ] || refuse moved "$running runs here, and $old did when deploy $1 began"
  put activation-seconds "$2"
  put confirmation-seconds "$3"
  : > "$deploy/log"
  become armed
  flush_deploy
  start_worker "$1" || { become verified; fail "the watchdog could not be started, nothing was activated" "$deploy/log"; }
  tell_state brief
  done_well
}

# The watchdog alone, for a tool that activates by itself: unless it is heard to have ended in time, system, profile and boot
# entry go back. Whatever a source brings is not known before: then NEW is `-` until it runs.
verb_guard() { # COUNTER ACTIVATION_SECONDS CONFIRMATION_SECONDS
  mine "$1"
  if [ "$new" = - ]; then in_state begun; else can_activate; fi
  from=$is
  running=$(link_of /run/current-system)
  [ "$running" = "$old" ] || refuse moved "$running runs here, and $old did when deploy $1 began"
  put activation-seconds "$2"
  put confirmation-seconds "$3"
  put deadline $(($(uptime_seconds) + $2))
  put guard yes
  put before "$(profile_number)"
  put newest "$(generations | sed -n '1s/ .*//p')"
  rm -f "$deploy/activation"
  : > "$deploy/log"
  become activating
  flush_deploy
  start_worker "$1" || { become "$from"; fail "the watchdog could not be started, nothing was activated" "$deploy/log"; }
  tell_state brief
  done_well
}

# The tool has ended, with CODE as an activation has: 0, 4, 100, or what it failed with.
verb_activated() { # COUNTER CODE
  mine "$1"
  in_state activating activated
  [ -e "$deploy/guard" ] || refuse state "deploy $1 is no tool's"
  alive || refuse state "the watchdog of deploy $1 does not run"
  if [ "$new" = - ]; then
    new=$(link_of /run/current-system)
    # What only a reboot brings is what boots next.
    if [ "$2" = 100 ]; then new=$(link_of "$profile"); fi
    [ -n "$new" ] || refuse not-prepared "nothing is known to run here"
    ln -sfn "$new" "$roots/new"
    put new "$new"
  fi
  if [ "$is" = activating ]; then put activation "$2"; fi
  tell_state brief
  done_well
}

# The tool has passed the machine over: as before the watchdog, where that is so.
verb_unguard() { # COUNTER
  mine "$1"
  in_state activating
  [ -e "$deploy/guard" ] || refuse state "deploy $1 is no tool's"
  # After a reboot nobody knows what ran meanwhile.
  alive || refuse state "the watchdog of deploy $1 does not run"
  [ "$(link_of /run/current-system)" = "$old" ] && [ "$(profile_number)" = "$(get before)" ] ||
    refuse moved "this machine runs or boots something else since deploy $1 was guarded"
  [ -z "$(switching)" ] || refuse busy "a system is being activated here"
  if [ "$new" = - ]; then become begun; else become verified; fi
  rm -f "$deploy/guard" "$deploy/before" "$deploy/newest"
  tell_state brief
  done_well
}

verb_confirm() { # COUNTER
  mine "$1"
  in_state activated confirmed
  alive || refuse state "the watchdog of deploy $1 does not run"
  become confirmed
  tell_state brief
  done_well
}

verb_commit() { # COUNTER
  mine "$1"
  in_state confirmed committing committed
  if [ "$is" = confirmed ]; then
    durable "$deploy/state" "committing $(now)"
    note "$1 committing"
  fi
  if [ "$is" != committed ] && ! alive; then start_worker "$1" || fail "the worker could not be started" "$deploy/log"; fi
  tell_state brief
  done_well
}

verb_revert() { # COUNTER aWHY
  mine "$1"
  # A commit that runs is awaited; one that the power cut short may be taken back.
  if alive && [ "$(name_now)" = committing ]; then refuse busy "deploy $1 is committing"; fi
  in_state armed activating activated confirmed committing committed commit-failed reverting revert-failed
  if [ "$is" != reverting ]; then
    put why "$(printf '%s' "${2#a}" | base64 -d | tr '\n' ' ')"
    become reverting
  fi
  if ! alive; then start_worker "$1" || fail "the worker could not be started" "$deploy/log"; fi
  tell_state brief
  done_well
}

verb_end() { # COUNTER
  lock "$1"
  stored=$(counter_stored)
  [ "$1" -eq "$stored" ] && [ "$(get counter)" = "$1" ] || refuse stale-counter "this machine has accepted deploy $stored"
  # A worker that has done its work needs a moment to leave.
  flock -w 5 "$state/alive" true || refuse busy "deploy $1 is $(name_now), and goes on by itself"
  case $(name_now) in
    activating | activated | confirmed | committing | reverting)
      if [ "$(get boot-id)" = "$(boot_id)" ]; then refuse state "deploy $1 is $(name_now): commit it or take it back"; fi ;;
  esac
  if [ "$(name_now)" != committed ]; then rm -f "$roots/new"; fi
  : > "$deploy/ended"
  note "$1 ended"
  tell_state brief
  done_well
}
