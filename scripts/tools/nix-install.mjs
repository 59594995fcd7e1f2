/**
 * Puts one Debian suite's Nix into its folder: `node nix-install.mjs <suite>`, as root on Debian.
 *
 * The programs are told to take their loader and libraries from beside themselves: started through
 * the loader they would not find themselves again, as Nix does for its build hook.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { folderOf, manifest, suites } from "./nix-versions.mjs";
import { fetchPackages, must } from "./packages.mjs";

const [wanted] = process.argv.slice(2);
const suite = suites.find((one) => one.suite === wanted)?.suite;
if (suite === undefined) throw new Error(`there is no suite "${wanted}"`);
const target = folderOf(suite);
try {
  // Another process may have been quicker, while this one waited for the lock.
  if (!existsSync(join(target, manifest))) install(suite);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** @param {import("./nix-versions.mjs").Suite} name */
function install(name) {
  const parent = dirname(target);
  for (const left of readdirSync(parent)) {
    if (left.startsWith(`.${name}-`)) rmSync(join(parent, left), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(parent, `.${name}-`));
  try {
    const unpacked = join(work, "unpacked");
    for (const archive of fetchPackages(name, ["nix-bin"], work))
      must("dpkg-deb", ["-x", archive, unpacked]);
    const made = join(work, "made");
    gather(unpacked, made);
    const loader = patch(made);
    const number = /\d+\.\d+[.\w]*/u.exec(
      must(join(made, "lib", loader), [
        "--library-path",
        join(made, "lib"),
        join(made, "bin/nix"),
        "--version",
      ]),
    )?.[0];
    if (number === undefined) throw new Error("nix --version names no version");
    writeFileSync(join(made, manifest), `${JSON.stringify({ suite: name, number })}\n`);
    must("chmod", ["-R", "u+rwX,go=rX", made]);
    rmSync(target, { recursive: true, force: true });
    renameSync(made, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Programs to `bin`, libraries to `lib`, the build hook to `libexec`; the rest of the packages is not needed.
 *
 * @param {string} unpacked
 * @param {string} made
 */
function gather(unpacked, made) {
  const triplet = readdirSync(join(unpacked, "usr/lib")).find((folder) =>
    folder.endsWith("-linux-gnu"),
  );
  if (triplet === undefined) throw new Error("the packages hold no libraries");
  for (const folder of ["bin", "lib"]) mkdirSync(join(made, folder), { recursive: true });
  for (const file of readdirSync(join(unpacked, "usr/bin"))) {
    if (/^nix(-|$)/u.test(file)) copy(join(unpacked, "usr/bin", file), join(made, "bin", file));
  }
  // The build hook of Debian 12's, a link to `../../bin/nix`; NIX_LIBEXEC_DIR tells it where.
  if (existsSync(join(unpacked, "usr/libexec/nix")))
    copy(join(unpacked, "usr/libexec/nix"), join(made, "libexec/nix"));
  // Nix of Debian 12 has a folder for its own libraries.
  for (const folder of [`lib/${triplet}`, `usr/lib/${triplet}`, "usr/lib/nix"]) {
    if (!existsSync(join(unpacked, folder))) continue;
    for (const file of readdirSync(join(unpacked, folder))) {
      if (/\.so(\.|$)/u.test(file)) copy(join(unpacked, folder, file), join(made, "lib", file));
    }
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
function copy(from, to) {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/**
 * @param {string} made
 * @returns {string} the loader's file name
 */
function patch(made) {
  const nix = join(made, "bin/nix");
  const loader = must("patchelf", ["--print-interpreter", nix]).trim().replace(/^.*\//u, "");
  if (!existsSync(join(made, "lib", loader))) throw new Error(`the packages hold no ${loader}`);
  const lib = join(target, "lib");
  for (const file of elfFiles(made, "bin"))
    must("patchelf", ["--set-interpreter", join(lib, loader), file]);
  // Its own libraries too: a path of their own, as in Debian 12, would come before the program's.
  for (const file of [...elfFiles(made, "bin"), ...elfFiles(made, "lib", /^libnix/u)])
    must("patchelf", ["--force-rpath", "--set-rpath", lib, file]);
  return loader;
}

/**
 * @param {string} made
 * @param {string} folder
 */
function elfFiles(made, folder, named = /./u) {
  return readdirSync(join(made, folder))
    .filter((file) => named.test(file))
    .map((file) => join(made, folder, file))
    .filter(
      (file) =>
        !lstatSync(file).isSymbolicLink() && readFileSync(file).readUInt32BE(0) === 0x7f454c46,
    );
}
