import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Git asks its `update` hook about each ref of a push; the hook looks it up in a table that is made for this push
 * (`push-rules.ts`), because only git knows what arrives, and only the double what has been checked.
 */

/** POSIX sh; every value from outside is an argument or a line of a file, none is code. */
const hook = `#!/bin/sh
ref=$1 old=$2 new=$3
refuse() {
  echo "error: GH006: Protected branch update failed for $ref." >&2
  echo "error: $1" >&2
  exit 1
}
case $old in *[!0]*) ;; *) exit 0 ;; esac
tab=$(printf '\\t')
verdict=
while IFS=$tab read -r about sha what; do
  [ "$about" = "$ref" ] || continue
  case $sha in
    delete) case $new in *[!0]*) ;; *) [ "$what" = allowed ] || refuse "$what"; exit 0 ;; esac ;;
    force)
      if [ "$what" != allowed ] && ! git merge-base --is-ancestor "$old" "$new"; then refuse "$what"; fi ;;
    linear)
      if [ -n "$(git rev-list --merges "$old..$new")" ]; then refuse "$what"; fi ;;
    other) [ -n "$verdict" ] || verdict=$what ;;
    "$new") verdict=$what ;;
  esac
done <"$DOUBLE_PUSH_RULES"
[ -z "$verdict" ] || [ "$verdict" = allowed ] || refuse "$verdict"
exit 0
`;

export async function installUpdateHook(gitDir: string): Promise<void> {
  await mkdir(join(gitDir, "hooks"), { recursive: true });
  await writeFile(join(gitDir, "hooks", "update"), hook, { mode: 0o755 });
}
