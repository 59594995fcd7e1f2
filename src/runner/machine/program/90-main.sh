take() { dd bs="$1" count=1 iflag=fullblock; } # BYTES of stdin, and not one more

# Verbs over one connection, a line each; `@BYTES VERB…` is followed by that many bytes, for the verb to read. Whoever is not
# told that this is there sends none. What `read` and `dd` leave unread is the next line: neither takes more than it asks for.
session() {
  is_darwin
  say "snowcat-session $version"
  read_by=$(mktemp /run/snowcat.XXXXXX 2> /dev/null || mktemp) || exit 1
  trap 'rm -f "$read_by"' EXIT
  trap 'exit 129' HUP INT PIPE TERM
  set -f
  while IFS= read -r line; do
    case $line in
      @*)
        bytes=${line%% *}
        take "${bytes#@}" > "$read_by" 2> /dev/null || exit 1
        line=${line#* } ;;
      *) : > "$read_by" ;;
    esac
    (main $line) < "$read_by"
  done
  exit
}

# One verb.
main() {
  # Words were split without being taken for patterns; from here on patterns are the program's own.
  set +f
  umask 022
  find_programs "$(link_of /run/current-system)"
  if is_darwin; then as_darwin; fi
  verb=${1:-}
  [ $# -eq 0 ] || shift
  if [ "$verb" = session ]; then session; fi
  say "snowcat-machine $version"
  for word; do
    case $word in *[!A-Za-z0-9._/+=:@,?-]*) refuse bad-request "an argument of $verb holds what no argument may" ;; esac
  done
  scratch=$(mktemp -d /run/snowcat.XXXXXX 2> /dev/null || mktemp -d) || fail "no folder for scratch can be made"
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 129' HUP INT PIPE TERM
  case $verb in
    observe | state | wait | digest | begin | space | missing | reuse | receive | verify | command | activate | guard | activated | unguard | confirm | commit | revert | end)
      "verb_$verb" "$@" ;;
    dry-activate) verb_dry_activate "$@" ;;
    check-command) verb_check_command "$@" ;;
    check-unit) verb_check_unit "$@" ;;
    *) refuse bad-request "this program has no verb $(printf '%s' "$verb" | tr -cd 'a-z-')" ;;
  esac
}

# A detached part of the program itself; else a verb. A key's forced command gets it in a variable; `--only observe` is for keys that may do nothing else.
if [ "${1:-}" = --only ]; then
  only=$2
  set -f
  set -- ${SSH_ORIGINAL_COMMAND:-}
  set +f
  unset SSH_ORIGINAL_COMMAND
  [ "${2:-}" = "$only" ] || { say "snowcat-machine $version"; refuse bad-request "this key may only $only"; }
  shift
elif [ "${1:-}" = --part ]; then
  find_programs "$(link_of /run/current-system)"
  if is_darwin; then as_darwin; fi
  part=$2
  shift 2
  unset SSH_ORIGINAL_COMMAND
  "part_$part" "$@"
  exit
elif [ -n "${SSH_ORIGINAL_COMMAND:-}" ] && [ -z "${snowcat_text:-}" ]; then
  set -f
  set -- $SSH_ORIGINAL_COMMAND
  set +f
  unset SSH_ORIGINAL_COMMAND
  shift
fi
main "$@"
