# What Snowcat does on a machine, as one program: POSIX sh, coreutils, awk, gzip, flock and setsid of util-linux, Nix.
# The parts of this folder are joined in the order of their names; `npm run generate` makes ../text.ts of them.
#
# It is sent over ssh's stdin at each connection, or installed as the forced command of a key. `VERB ARGUMENT…`, of
# [A-Za-z0-9._/+=:@,?-] alone; what is longer comes on stdin. It answers `snowcat-machine 1`, lines `key value…`, and
# `end ok` | `end refused CODE TEXT` | `end failed TEXT LOG` (TEXT and LOG in base64): an answer without its end was cut.
set -u
umask 022
LC_ALL=C
export LC_ALL
unset ENV BASH_ENV CDPATH 2> /dev/null

version=1
state=/var/lib/snowcat
deploy=$state/deploy
profile=/nix/var/nix/profiles/system
roots=/nix/var/nix/gcroots/snowcat
# Bytes of a log that are told, and lines of the journal that are kept.
log_bytes=16384
journal_lines=2000

link_of() { readlink -f "$1" 2> /dev/null || :; }

# Where programs are found: in the system that runs now, by its store path. Activation changes /run/current-system under
# our feet, and a broken system must not take away what is needed to leave it.
find_programs() { # SYSTEM
  PATH="${1:+$1/sw/bin:}${PATH:-/usr/bin:/bin}:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  export PATH
}

# What a system is, and how it becomes the running one or the one that boots; see 80-darwin.sh for another kind.
is_system() { [ -x "$1/bin/switch-to-configuration" ]; }
activate_system() { "$1/bin/switch-to-configuration" "$2"; } # SYSTEM test|boot

now() { date +%s; }
# Seconds since boot: the clock of limits, which nobody sets.
uptime_seconds() { read -r up _ < /proc/uptime; echo "${up%.*}"; }
# Between two looks: short at first, for most of what is waited for is soon there.
looks=0
pause() {
  looks=$((looks + 1))
  if [ $looks -lt 100 ]; then sleep 0.02; else sleep 0.2; fi
}
boot_id() { cat /proc/sys/kernel/random/boot_id 2> /dev/null || echo unknown; }

encoded() { base64 | tr -d '\n'; }
say() { printf '%s\n' "$*"; }
say_text() { say "$1 $(printf '%s' "$2" | encoded)"; }
done_well() { say "end ok"; exit 0; }
refuse() { say "end refused $1 $(printf '%s' "$2" | encoded)"; exit 0; }
fail() { # WHY LOG_FILE
  say "end failed $(printf '%s' "$1" | encoded) $(if [ -e "${2:-}" ]; then tail -c "$log_bytes" "$2" | encoded; fi)"
  exit 0
}

# Files are whole or not there; `durable` ones outlive a power cut as well.
put() { printf '%s\n' "$2" > "$deploy/.$1.new" && mv "$deploy/.$1.new" "$deploy/$1"; }
durable() { # FILE VALUE
  printf '%s\n' "$2" > "$1.new" && flush "$1.new" && mv "$1.new" "$1" && flush "$(dirname "$1")"
}
flush() { sync "$1" 2> /dev/null || sync; }
# All that is known of a deploy, for good: before it begins, and before anything of it changes the machine.
flush_deploy() { sync "$deploy"/* "$deploy" 2> /dev/null || sync; }
# One line; no program is started for it, for it is asked often.
get() { { IFS= read -r value < "$deploy/$1"; } 2> /dev/null || value=${2:-}; printf '%s\n' "$value"; }
counter_stored() { if [ -e "$state/counter" ]; then cat "$state/counter"; else echo 0; fi; }
note() { say "$(now) $*" >> "$state/journal"; }

# Units that have failed, one on a line; fails where no systemd answers.
failed_units() {
  command -v systemctl > /dev/null || return 1
  found=$(timeout 10 systemctl list-units --state=failed --plain --no-legend --no-pager --full 2> /dev/null) || return 1
  printf '%s\n' "$found" | awk 'NF { print $1 }'
}

# The program as it is, for parts of it that outlive the connection.
keep_program() {
  if [ -n "${snowcat_text:-}" ]; then
    printf '%s' "$snowcat_text" | base64 -d | gzip -d > "$state/program.new"
  else
    cat "$0" > "$state/program.new"
  fi
  mv "$state/program.new" "$state/program"
}
