# The closure: what lacks, what comes, and whether it is what was signed.
verb_begin() { # COUNTER EXPECTED|- NEW|-
  lock "$1"
  stored=$(counter_stored)
  [ "$1" -gt "$stored" ] || refuse stale-counter "this machine has accepted deploy $stored; $1 is not newer"
  if [ -e "$deploy/state" ] && alive; then refuse busy "deploy $(get counter) is $(name_now), and goes on by itself"; fi
  old=$(link_of /run/current-system)
  [ -n "$old" ] || refuse not-prepared "/run/current-system is not there: this machine runs no NixOS"
  [ "$2" = - ] || [ "$2" = "$old" ] || refuse moved "$old runs here, and not $2"
  is_system "$old" || refuse not-prepared "$old is not a system that can be activated"
  for program in nix-store nix-env flock setsid timeout awk sha256sum; do
    command -v "$program" > /dev/null || refuse not-prepared "there is no $program on this machine"
  done
  rm -rf "$deploy.new" "$deploy.last"
  mkdir -p -m 700 "$deploy.new" && mkdir -p "$roots" || fail "$state cannot be written"
  durable "$state/counter" "$1" || fail "$state/counter cannot be written"
  if [ -e "$deploy" ]; then mv "$deploy" "$deploy.last"; fi
  mv "$deploy.new" "$deploy"
  put counter "$1"
  put old "$old"
  put new "$3"
  put boot-id "$(boot_id)"
  if failed_units > "$scratch/failed"; then mv "$scratch/failed" "$deploy/failed-before"; say "systemd yes"; fi
  ln -sfn "$old" "$roots/old"
  # The closure is not there yet; its last path is what makes it valid, and then it is rooted already.
  if [ "$3" = - ]; then rm -f "$roots/new"; else ln -sfn "$3" "$roots/new"; fi
  become begun
  flush_deploy
  if [ "$(wc -l < "$state/journal")" -gt "$journal_lines" ]; then
    tail -n $((journal_lines / 2)) "$state/journal" > "$state/journal.new" && mv "$state/journal.new" "$state/journal"
  fi
  say "running $old"
  if [ -e "$deploy/failed-before" ]; then sed 's/^/failed /' "$deploy/failed-before"; fi
  say "boot-id $(boot_id)"
  done_well
}

verb_space() { # COUNTER NIX_BYTES NIX_INODES BOOT_BYTES
  mine "$1"
  read -r bytes inodes << END
$(free_at /nix/store)
END
  say "nix $bytes $inodes"
  [ "$bytes" -ge "$2" ] || refuse no-space "/nix has $bytes bytes left, and $2 are needed"
  [ "$inodes" -ge "$3" ] || refuse no-space "/nix has $inodes inodes left, and $3 are needed"
  if boot_is_mounted; then
    read -r bytes inodes << END
$(free_at /boot/.)
END
    say "boot $bytes $inodes"
    [ "$bytes" -ge "$4" ] || refuse no-space "/boot has $bytes bytes left, and $4 are needed"
  fi
  done_well
}

valid() { nix-store --check-validity "$1" 2> /dev/null; }

# Nix calls a path valid before its bytes are on the disk: power lost in a copy can leave valid paths that are empty. What
# is to come is listed first, for good; after a cut each of it proves its bytes or goes. It was not there before: nothing that
# ran here needs it.
expect_missing() {
  {
    boot_id
    { tail -n +2 "$state/unflushed" 2> /dev/null; cat "$deploy/missing" 2> /dev/null; } | sort -u
  } > "$state/unflushed.new" && flush "$state/unflushed.new" &&
    mv "$state/unflushed.new" "$state/unflushed" && flush "$state" || fail "$state cannot be written"
}
flush_store() {
  sync -f /nix/store 2> /dev/null || sync
  if [ -e "$deploy/copied" ]; then flush "$deploy/copied"; fi
  rm -f "$state/unflushed"
}
mend_after_power_cut() {
  [ -e "$state/unflushed" ] && [ "$(head -n 1 "$state/unflushed")" != "$(boot_id)" ] || return 0
  wanted=$(readlink "$roots/new" 2> /dev/null)
  rm -f "$roots/new"
  tail -n +2 "$state/unflushed" | while IFS= read -r path; do
    if valid "$path" && ! nix-store --verify-path "$path" > /dev/null 2>&1; then
      note "power was lost before $path was on the disk"
      # Those that refer to it go along.
      nix-store --delete "$path" > /dev/null 2>> "$scratch/mend" || say "$path" >> "$scratch/damaged"
    fi
  done
  if [ -n "$wanted" ]; then ln -sfn "$wanted" "$roots/new"; fi
  if [ -e "$scratch/damaged" ]; then
    fail "power was lost in a copy, and what it left cannot be removed: $(head -n 1 "$scratch/damaged")" "$scratch/mend"
  fi
  flush_store
}

# Names what lacks of the paths on stdin. For a deploy: where nothing does, there is nothing to copy.
verb_missing() { # SECONDS [COUNTER]
  if [ -n "${2:-}" ]; then
    mine "$2"
    in_state begun copied
    mend_after_power_cut
  fi
  timeout "$1" cat > "$scratch/paths" || fail "the list of paths did not come"
  tr '\n' '\0' < "$scratch/paths" | xargs -0 nix-store --check-validity --print-invalid > "$scratch/missing" 2> "$scratch/log" ||
    fail "the store could not be asked" "$scratch/log"
  sed 's/^/missing /' "$scratch/missing"
  if [ -n "${2:-}" ]; then
    cp "$scratch/missing" "$deploy/missing"
    if [ ! -s "$scratch/missing" ] && valid "$new"; then become copied; fi
  fi
  done_well
}

# Instead of copy and verification: the machine has had it before, as a generation of its own.
verb_reuse() { # COUNTER
  mine "$1"
  in_state begun verified
  generations | awk -v path="$new" '$2 == path { found = 1 } END { exit !found }' ||
    refuse not-prepared "$new is no generation of this machine"
  valid "$new" || refuse not-prepared "$new is no longer in this machine's store"
  become verified
  done_well
}

# An export stream of nix-store's on stdin. What came is hashed again when it is verified.
verb_receive() { # COUNTER SECONDS
  mine "$1"
  in_state begun copied
  mend_after_power_cut
  expect_missing
  say "$(session_of_this) $1" > "$state/receiver"
  timeout -k 5 "$2" nix-store --import > "$scratch/came" 2> "$scratch/log" 8>&-
  code=$?
  rm -f "$state/receiver"
  cat "$scratch/came" >> "$deploy/copied"
  flush_store
  if [ $code -ne 0 ]; then
    if grep -qiE 'no space left|disk.* full' "$scratch/log"; then take_back_copied; fi
    take_back_halves
  fi
  [ $code -ne 124 ] || fail "the copy took longer than $2 s" "$scratch/log"
  [ $code -eq 0 ] || fail "nix-store --import exited with $code" "$scratch/log"
  if valid "$new"; then become copied; fi
  say "received $(wc -l < "$scratch/came")"
  done_well
}

# `nix-store --dump-db` as lines of a manifest: `path sha256-BASE64 size`.
as_manifest() {
  awk '
    BEGIN { digits = "0123456789abcdef"; letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" }
    function value(hex, at) { return index(digits, substr(hex, at, 1)) - 1 }
    function letter(n) { return substr(letters, n + 1, 1) }
    function base64(hex,   out, at, n) {
      out = ""
      # Three digits are two letters; of 64 digits one is left, which makes the last letter.
      for (at = 1; at <= 61; at += 3) {
        n = value(hex, at) * 256 + value(hex, at + 1) * 16 + value(hex, at + 2)
        out = out letter(int(n / 64)) letter(n % 64)
      }
      return out letter(value(hex, 64) * 4) "="
    }
    line == 0 { path = $0; line = 1; next }
    line == 1 { hash = $0; line = 2; next }
    line == 2 { print path, "sha256-" base64(hash), $0; line = 3; next }
    line == 3 { line = 4; next }
    line == 4 { left = $0; line = left > 0 ? 5 : 0; next }
    { left--; if (left == 0) line = 0 }'
}

# What this deploy brought and is not what was signed must not be found valid by the next one.
take_back_copied() {
  [ -s "$deploy/copied" ] || return 0
  rm -f "$roots/new"
  tr '\n' '\0' < "$deploy/copied" | xargs -0 nix-store --delete > /dev/null 2>&1
  ln -sfn "$new" "$roots/new"
  : > "$deploy/copied"
  become begun
}

# What an import that was cut short wrote and never registered: bytes that nobody would miss until the next collection.
take_back_halves() {
  if [ ! -s "$deploy/missing" ]; then return 0; fi
  while IFS= read -r path; do
    if [ -e "$path" ] && ! valid "$path"; then nix-store --delete "$path" > /dev/null 2>&1; fi
  done < "$deploy/missing"
}

verb_verify() { # COUNTER SYSTEM DIGEST copied|all SECONDS
  mine "$1"
  in_state begun copied verified
  [ "$2" = "$new" ] || refuse bad-request "deploy $1 is about $new"
  timeout "$5" cat > "$scratch/manifest" || fail "the manifest did not come"
  sum=$(sha256sum < "$scratch/manifest")
  [ "${sum%% *}" = "$3" ] || refuse forged "the manifest's digest is ${sum%% *}, and not $3"
  [ "$(head -n 1 "$scratch/manifest")" = snowcat-manifest-1 ] || refuse bad-request "this is no manifest that is known here"
  case "$(sed -n 2p "$scratch/manifest")" in *",\"$2\"]") ;; *) refuse forged "the manifest is of another system" ;; esac
  mend_after_power_cut
  valid "$2" || refuse state "$2 is not in this machine's store: it was not copied, or power was lost before it was on the disk"
  nix-store -qR "$2" > "$scratch/closure" 2> "$scratch/log" || fail "the closure could not be read" "$scratch/log"
  tr '\n' '\0' < "$scratch/closure" | xargs -0 nix-store --dump-db 2> "$scratch/log" > "$scratch/dump" ||
    fail "the store could not be asked" "$scratch/log"
  as_manifest < "$scratch/dump" | sort > "$scratch/have"
  tail -n +3 "$scratch/manifest" > "$scratch/want"
  if ! cmp -s "$scratch/want" "$scratch/have"; then
    comm -23 "$scratch/want" "$scratch/have" | sed 's/^/signed:  /' | head -n 8 > "$scratch/differs"
    comm -13 "$scratch/want" "$scratch/have" | sed 's/^/on disk: /' | head -n 8 >> "$scratch/differs"
    take_back_copied
    refuse forged "the closure is not the one that was signed
$(cat "$scratch/differs")"
  fi
  hashed=0
  if [ "$4" = all ]; then
    cp "$scratch/closure" "$scratch/bytes"
  else
    cat "$deploy/copied" 2> /dev/null | sort -u > "$scratch/bytes"
  fi
  if [ -s "$scratch/bytes" ]; then
    tr '\n' '\0' < "$scratch/bytes" | timeout -k 5 "$5" xargs -0 nix-store --verify-path > "$scratch/log" 2>&1
    code=$?
    [ $code -ne 124 ] || fail "hashing what was copied took longer than $5 s"
    if [ $code -ne 0 ]; then
      take_back_copied
      refuse forged "bytes on disk are not those that are registered
$(tail -c 2000 "$scratch/log")"
    fi
    hashed=$(wc -l < "$scratch/bytes")
  fi
  become verified
  say "verified $(wc -l < "$scratch/have") $hashed"
  done_well
}
