import { basename, dirname } from "node:path";

/**
 * KRO-8: what stands below /var/src is kept before krops replaces it, beside it and as hard links where that is safe, so
 * that a deploy that is taken back leaves its sources behind as well. rsync and git put new files in place of old ones;
 * what krops writes through a pipe is a file at the top, and is copied (krebs/krops pkgs/populate/default.nix@a6c7ecd).
 */

const NAME = ".snowcat-before";

const word = (text: string): string =>
  `$(printf %s ${Buffer.from(text).toString("base64")} | base64 -d)`;

const head = (sentinel: string): string => `set -eu
src="${word(dirname(sentinel))}"
sentinel="${word(basename(sentinel))}"
cd -- "$src"
each() { # COMMAND: for each entry here that is a source's
  for entry in * .[!.]* ..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    case $entry in "$sentinel" | ${NAME} | ${NAME}.new) continue ;; esac
    "$@" "$entry"
  done
}
keep() { # TO ENTRY
  if [ -d "$2" ] && [ ! -L "$2" ]; then cp -al -- "$2" "$1/"; else cp -aP -- "$2" "$1/"; fi
}
`;

/** A script for `sh -s` on the machine. */
export function keepSources(sentinel: string, counter: number): string {
  return `${head(sentinel)}
rm -rf ${NAME}.new
mkdir -m 700 ${NAME}.new ${NAME}.new/sources
each keep ${NAME}.new/sources
echo ${counter} > ${NAME}.new/counter
# Of what system they are.
readlink /run/current-system > ${NAME}.new/system || :
rm -rf ${NAME}
mv ${NAME}.new ${NAME}
`;
}

/** How `restoreSources` exits where what it is asked for is not kept. */
export const NOT_KEPT = 3;

/** The way back, which may be gone twice. @param of what was kept before this deploy, or when this system ran. */
export function restoreSources(
  sentinel: string,
  of: { counter: number } | { system: string },
): string {
  const [file, wanted] = "counter" in of ? ["counter", `${of.counter}`] : ["system", of.system];
  return `${head(sentinel)}
wanted="${word(wanted)}"
[ "$(cat ${NAME}/${file} 2> /dev/null)" = "$wanted" ] || { echo "the sources of ${file} $wanted are not kept" >&2; exit ${NOT_KEPT}; }
drop() { [ -e "${NAME}/sources/$1" ] || [ -L "${NAME}/sources/$1" ] || rm -rf -- "./$1"; }
each drop
src=$PWD
back() { rm -rf -- "$src/$1"; cd "$src/${NAME}/sources"; keep "$src" "$1"; }
cd ${NAME}/sources
each back
`;
}
