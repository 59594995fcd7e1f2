# macOS with nix-darwin. It has neither flock, setsid, timeout nor systemd, and other options for stat, dd and find; it has perl,
# whose flock is the very same lock, held by the file that the shell has open: the rest of this program is as it is elsewhere.
# What it cannot do is in core/deploy/lacks.ts; docs/decisions/darwin.md.
is_darwin() {
  kernel=${kernel:-$(uname -s)}
  [ "$kernel" = Darwin ]
}
as_darwin() {
  flock() { # [-n | -u | -w SECONDS] DESCRIPTOR | FILE true
    how=wait
    limit_of=-1
    case $1 in
      -n) limit_of=0; shift ;;
      -u) how=release; shift ;;
      -w) limit_of=$2; shift 2 ;;
    esac
    perl -MFcntl=:flock -MTime::HiRes=time,sleep -e '
      my ($how, $limit, $what) = @ARGV;
      open(my $file, $what =~ /^\d+$/ ? ">>&=" : ">>", $what) or exit 1;
      if ($how eq "release") { exit(flock($file, LOCK_UN) ? 0 : 1) }
      if ($limit < 0) { exit(flock($file, LOCK_EX) ? 0 : 1) }
      my $end = time + $limit;
      until (flock($file, LOCK_EX | LOCK_NB)) { exit 1 if time >= $end; sleep 0.02 }
      exit 0' "$how" "$limit_of" "$1"
  }
  # Always in the background: the process that is started becomes perl, then the program.
  setsid() { exec perl -MPOSIX -e 'POSIX::setsid(); exec { $ARGV[0] } @ARGV; exit 127' "$@"; }
  timeout() { # [-k SECONDS] SECONDS WORD…
    kill_after=5
    if [ "$1" = -k ]; then kill_after=$2; shift 2; fi
    perl -e '
      my ($after, $limit) = splice @ARGV, 0, 2;
      my $child = fork;
      exit 125 unless defined $child;
      if ($child == 0) { setpgrp(0, 0); exec { $ARGV[0] } @ARGV; exit 127 }
      my $late = 0;
      $SIG{$_} = sub { kill "TERM", -$child } for qw(TERM HUP INT);
      $SIG{ALRM} = sub { kill $late ? "KILL" : "TERM", -$child; $late = 1; alarm $after };
      alarm $limit;
      until (waitpid($child, 0) == $child) { }
      exit 124 if $late;
      exit($? & 127 ? 128 + ($? & 127) : $? >> 8)' "$kill_after" "$@"
  }
  base64() { if [ "${1:-}" = -d ]; then perl -MMIME::Base64 -0777 -ne 'print decode_base64($_)'; else command base64; fi; }
  sha256sum() { shasum -a 256; }
  take() { perl -e 'my $left = $ARGV[0]; while ($left > 0) { my $got = sysread(STDIN, my $part, $left) or exit 1; print $part; $left -= $got }' "$1"; }
  size_of() { perl -e 'print -s $ARGV[0]' "$1"; }
  entries_of() { perl -e 'opendir(my $folder, $ARGV[0]) or exit 1; print scalar grep { !/^\.\.?$/ } readdir $folder' "$1"; }
  # The clock that goes on while the machine sleeps.
  uptime_seconds() { perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC -e 'print int clock_gettime(CLOCK_MONOTONIC)'; }
  boot_id() { sysctl -n kern.bootsessionuuid 2> /dev/null || echo unknown; }
  # APFS makes inodes as it needs them.
  free_at() { df -Pk "$1" | awk 'NR == 2 { printf "%.0f 1000000000\n", $4 * 1024 }'; }
  boot_is_mounted() { return 1; }
  generations() {
    perl -e 'for (glob "$ARGV[0]-*-link") { print "$1 ", readlink, " ", (lstat)[9], "\n" if /\/system-(\d+)-link$/ }' "$profile" | sort -rn
  }

  # Daemons that nix-darwin has made and that have ended with an error.
  failed_units() {
    found=$(launchctl list) || return 1
    printf '%s\n' "$found" | awk '$1 == "-" && $2 != "0" && $3 ~ /^org\.nixos\./ { print $3 }'
  }
  tell_units() {
    if found=$(failed_units); then
      say "systemd yes"
      printf '%s\n' "$found" | awk 'NF && n++ < 200 { print "failed", $1 }'
    else
      say "systemd no"
    fi
  }
  verb_check_unit() { # SECONDS aLABEL
    unit=$(printf '%s' "${2#a}" | base64 -d)
    if timeout "$1" launchctl print "system/$unit" 2> /dev/null | grep -q '^[[:space:]]*state = running$'; then say "unit active"; else say "unit inactive"; fi
    done_well
  }

  # The activation script itself, and never `darwin-rebuild switch`, which builds anew and sets the profile first. The boot
  # takes the profile's (nix-darwin's activate-system), so that nothing else has to be written for it.
  is_system() { [ -x "$1/activate" ]; }
  activate_system() { if [ "$2" = test ]; then "$1/activate"; fi; }
  verb_dry_activate() { # COUNTER SECONDS
    mine "$1"
    can_activate
    say "exit 0"
    say "log $(printf 'nix-darwin has no dry activation: nothing was tried' | encoded)"
    done_well
  }
  switching() { :; }

  # Without sessions that can be listed, whoever is in the group counts.
  in_session() { ps -A -o pid= -o pgid= -o stat= | awk -v group="$1" '$2 == group && $3 !~ /^Z/ { print $1 }'; }
  session_of_this() { ps -o pgid= -p $$ | tr -d ' '; }
}
