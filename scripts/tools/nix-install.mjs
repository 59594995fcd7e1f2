/**
 * Puts one Debian suite's Nix into its folder: `node nix-install.mjs <suite>`, as root on Debian.
 *
 * apt fetches the packages with a state of its own, so that nothing of the system changes, and
 * compares them with what the suite's signed index says. The programs are then told to take their
 * loader and libraries from beside themselves: started through the loader they would not find
 * themselves again, as Nix does for its build hook.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasPackageLists } from "./probe.mjs";
import { folderOf, manifest, suites } from "./nix-versions.mjs";

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
    for (const archive of fetchPackages(name, work)) must("dpkg-deb", ["-x", archive, unpacked]);
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
 * @param {string} name
 * @param {string} work
 * @returns {string[]} the package files of nix-bin and of all that it needs
 */
function fetchPackages(name, work) {
  const { uri, signedBy } = mirror();
  const at = (/** @type {string} */ path) => join(work, "apt", path);
  for (const folder of ["state/lists/partial", "cache/archives/partial", "parts"])
    mkdirSync(at(folder), { recursive: true });
  // Nothing is installed, as far as this state knows: everything is fetched.
  writeFileSync(at("status"), "");
  writeFileSync(at("sources.list"), `deb [signed-by=${signedBy}] ${uri} ${name} main\n`);
  const options = Object.entries({
    "Dir::State": at("state"),
    "Dir::State::status": at("status"),
    "Dir::Cache": at("cache"),
    "Dir::Etc::SourceList": at("sources.list"),
    "Dir::Etc::SourceParts": at("parts"),
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": at("parts"),
    "APT::Default-Release": "",
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Acquire::http::Timeout": "30",
    "Acquire::https::Timeout": "30",
  }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  // A suite that cannot be reached is a warning for apt-get update; here it is the end.
  must("apt-get", ["-q", ...options, "-o", "APT::Update::Error-Mode=any", "update"]);
  must("apt-get", [
    "-q",
    ...options,
    "-y",
    "--no-install-recommends",
    "--download-only",
    "install",
    "nix-bin",
  ]);
  const archives = at("cache/archives");
  return readdirSync(archives)
    .filter((file) => file.endsWith(".deb"))
    .map((file) => join(archives, file));
}

/** Debian's mirror, from the machine's own apt sources; and Debian's keys. */
function mirror() {
  const signedBy = "/usr/share/keyrings/debian-archive-keyring.gpg";
  if (!existsSync(signedBy))
    throw new Error(`${signedBy} is missing: apt-get install debian-archive-keyring`);
  // Origins are known once the lists are there.
  if (!hasPackageLists()) must("apt-get", ["-q", "update"]);
  const targets = must("apt-get", [
    "indextargets",
    "--format",
    "$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)",
  ]);
  const uri = /^Packages\|Debian\|Debian\|main\|(\S+)$/mu.exec(targets)?.[1];
  if (uri === undefined)
    throw new Error("none of the machine's apt sources is Debian's main archive");
  return { uri, signedBy };
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

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {string} what it wrote to stdout
 */
function must(program, args) {
  const result = spawnSync(program, args, {
    env: { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return result.stdout;
  const said = result.error?.message ?? `${result.stdout}${result.stderr}`.trim().slice(-2_000);
  throw new Error(`${program} ${args[0]} failed: ${said}`);
}
