/**
 * Fetches Debian packages of any suite without installing them. apt does it with a state of its own, so that nothing of
 * the system changes, and compares them with what the suite's signed index says.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasPackageLists } from "./probe.mjs";

/**
 * @param {string} suite
 * @param {readonly string[]} packages
 * @param {string} work an empty folder, for apt's state and what it fetches
 * @returns {string[]} the files of the packages and of all that they depend on
 */
export function fetchPackages(suite, packages, work) {
  const { uri, signedBy } = mirror();
  const at = (/** @type {string} */ path) => join(work, "apt", path);
  for (const folder of ["state/lists/partial", "cache/archives/partial", "parts"])
    mkdirSync(at(folder), { recursive: true });
  // Nothing is installed, as far as this state knows: everything is fetched.
  writeFileSync(at("status"), "");
  writeFileSync(at("sources.list"), `deb [signed-by=${signedBy}] ${uri} ${suite} main\n`);
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
    ...packages,
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
 * @param {string} program
 * @param {string[]} args
 * @returns {string} what it wrote to stdout
 */
export function must(program, args) {
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
