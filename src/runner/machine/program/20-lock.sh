# The lock is held by whatever changes the state, for as long as it does; `alive` by the worker of a deploy, for its life.
lock() { # COUNTER
  mkdir -p -m 700 "$state" || fail "$state cannot be made"
  exec 8>> "$state/lock"
  if ! flock -w 2 8; then
    # A copy whose link was cut without a word holds on until its limit: whoever has as high a number ends it.
    holder=$(cat "$state/receiver" 2> /dev/null)
    if [ -n "$holder" ] && [ "$1" -ge "${holder#* }" ]; then signal_session TERM "${holder% *}"; fi
    flock -w 20 8 || refuse busy "something else is changing this machine"
  fi
  # Told under the lock alone: what is left here is of one that has gone.
  rm -f "$state/receiver"
}
unlock() { exec 8>&-; }

alive() { ! flock -n "$state/alive" true 2> /dev/null; }
name_now() { word=$(get state none); echo "${word% *}"; }

# Verbs of a deploy that has begun: its counter, and nobody else's. Old runners are told so.
mine() { # COUNTER
  lock "$1"
  stored=$(counter_stored)
  [ "$1" -ge "$stored" ] || refuse stale-counter "this machine has accepted deploy $stored, and $1 is older"
  [ "$1" -eq "$stored" ] && [ "$(get counter)" = "$1" ] || refuse state "deploy $1 was not begun here"
  [ ! -e "$deploy/ended" ] || refuse state "deploy $1 has ended"
  old=$(get old)
  new=$(get new)
}
in_state() { # NAME…
  is=$(name_now)
  for word; do if [ "$is" = "$word" ]; then return 0; fi; done
  refuse state "deploy $(get counter) is $is"
}
become() { # NAME
  put state "$1 $(now)"
  note "$(get counter) $1"
}
# For the worker, which does not hold the lock: from one of NAMES, if that is still so.
turn() { # TO WHY NAMES…
  to=$1 why=$2
  shift 2
  flock 8
  is=$(name_now)
  for word; do
    if [ "$is" = "$word" ]; then
      if [ -n "$why" ]; then put why "$why"; fi
      become "$to"
      flock -u 8
      return 0
    fi
  done
  flock -u 8
  return 1
}
