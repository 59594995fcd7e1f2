import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sameModules } from "../../scripts/tools/modules.mjs";
import { isStatic, isThere } from "../../scripts/tools/probe.mjs";
import { tools } from "../../scripts/tools/table.mjs";

/**
 * A checkout of its own whose PATH holds only what a test puts there. Its commands are small
 * programs; `apt-get` and `npm`, where a test wants them, are recorders.
 */
let root: string;
let bin: string;

const lock = JSON.stringify({ packages: { "": {}, "node_modules/a": { version: "1.0.0" } } });
const say = `console.log(JSON.stringify({ missing: process.env.SNOWCAT_MISSING ?? null, args: process.argv.slice(2) }));\n`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "snowcat-tools-"));
  bin = join(root, "bin");
  cpSync(join(import.meta.dirname, "../../scripts"), join(root, "scripts"), { recursive: true });
  for (const folder of ["bin", "node_modules/.bin", "test/demo"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  symlinkSync(process.execPath, join(bin, "node"));
  writeFileSync(join(root, "package-lock.json"), lock);
  installed();
  for (const entry of ["scripts/test.ts", "scripts/check.ts", "test/demo/main.ts"]) {
    writeFileSync(join(root, entry), say);
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** As after `npm ci`. */
function installed() {
  symlinkSync(process.execPath, join(root, "node_modules/.bin/node"));
  const hash = createHash("sha256").update(lock).digest("hex");
  writeFileSync(join(root, "node_modules/.snowcat-lock-hash"), hash);
}

/** Puts a shell script on the PATH. */
function program(name: string, script: string) {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  return spawn(process.execPath, [join(root, "scripts/with-tools.mjs"), ...args], {
    env: { PATH: bin, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = start(args, environment);
  const ended = once(child, "close");
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = (await ended) as [number];
  return { status, out, err };
}

/** Every tool there is, as an empty program; busybox is a real static binary. */
function everyTool() {
  for (const { binary, static: alone } of tools) {
    if (alone) symlinkSync(staticBinary(), join(bin, binary));
    else program(binary, "exit 0");
  }
}

/** esbuild ships one, on every platform that the project runs on. */
function staticBinary(): string {
  const name = `../../node_modules/@esbuild/linux-${process.arch}/bin/esbuild`;
  return join(import.meta.dirname, name);
}

test("with everything there the command's output is all there is", async () => {
  everyTool();
  const { status, out, err } = await run(["test", "--", "a b", "$(x)"]);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(JSON.parse(out)).toEqual({ missing: null, args: ["--", "a b", "$(x)"] });
});

test("tests go on without a tool and are told; one command is printed", async () => {
  const { status, out, err } = await run(["test"]);
  expect(status).toBe(0);
  expect(err.match(/run this once: /g)).toHaveLength(1);
  const { missing } = JSON.parse(out) as { missing: string };
  expect((JSON.parse(missing) as { name: string }[]).map(({ name }) => name)).toContain("nix");
});

test("the demo cannot do without", async () => {
  const { status, out, err } = await run(["demo"]);
  expect({ status, out }).toEqual({ status: 69, out: "" });
  expect(err).toContain("demo needs nix");
  expect(err.match(/run this once: /g)).toHaveLength(1);
});

test("CI=true refuses to test without a tool", async () => {
  const { status, out } = await run(["test"], { CI: "true" });
  expect({ status, out }).toEqual({ status: 69, out: "" });
});

test("root on Debian gets the packages, told why; stdout stays the command's", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("only root installs packages");
  const log = join(root, "apt.log");
  // Like apt: noisy on stdout, and afterwards the programs are there.
  const links = tools.map(
    ({ binary }) => `[ -e ${bin}/${binary} ] || /bin/ln -s ${staticBinary()} ${bin}/${binary}`,
  );
  program("apt-get", `echo "$@" >> ${log}\necho NOISE\n${links.join("\n")}`);
  const { status, out, err } = await run(["test"], { CI: "true" });
  expect(status).toBe(0);
  expect(JSON.parse(out)).toEqual({ missing: null, args: [] });
  expect(err).toMatch(/installing nix-bin: nix .*\n[\s\S]*apt-get install/);
  expect(readFileSync(log, "utf8")).toMatch(
    /-q install -y --no-install-recommends .*\bnix-bin bubblewrap busybox-static\b/,
  );
});

test("a failed installation is tried again after apt-get update, then given up", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("only root installs packages");
  const log = join(root, "apt.log");
  program("apt-get", `echo "$2" >> ${log}\n[ "$2" = update ]`);
  const { status, out } = await run(["demo"]);
  expect({ status, out }).toEqual({ status: 69, out: "" });
  const calls = readFileSync(log, "utf8").trim().split("\n");
  expect(calls).toContain("update");
  expect(calls.filter((call) => call === "install").length).toBeLessThanOrEqual(2);
});

test("stale modules are installed before anything runs", async () => {
  everyTool();
  rmSync(join(root, "node_modules"), { recursive: true });
  const node = join(root, "node_modules/.bin/node");
  program(
    "npm",
    `echo NOISE\n/bin/mkdir -p ${root}/node_modules/.bin\n/bin/ln -s ${process.execPath} ${node}`,
  );
  const first = await run(["check"]);
  expect(first.status).toBe(0);
  expect(first.err).toContain("npm ci");
  expect(JSON.parse(first.out)).toMatchObject({ args: [] });
  const second = await run(["check"]);
  expect(second).toMatchObject({ status: 0, err: "" });
});

test("a failed npm ci says so and runs nothing", async () => {
  everyTool();
  rmSync(join(root, "node_modules"), { recursive: true });
  program("npm", "exit 1");
  const { status, out, err } = await run(["check"]);
  expect({ status, out }).toEqual({ status: 1, out: "" });
  expect(err).toContain("npm ci failed");
  expect(existsSync(join(root, "node_modules/.snowcat-lock-hash"))).toBe(false);
});

test("another Node than 24 is refused by what it says", async () => {
  everyTool();
  rmSync(join(root, "node_modules/.bin/node"));
  writeFileSync(join(root, "node_modules/.bin/node"), "#!/bin/sh\necho v20.0.0\n");
  chmodSync(join(root, "node_modules/.bin/node"), 0o755);
  const { status, err } = await run(["check"]);
  expect(status).toBe(1);
  expect(err).toContain('says "v20.0.0", not v24. Run: npm ci');
});

test("exit codes and signals pass through", async () => {
  everyTool();
  writeFileSync(join(root, "scripts/check.ts"), "process.exit(7);\n");
  expect((await run(["check"])).status).toBe(7);

  const waiting = `process.on("SIGTERM", () => process.exit(9));\nsetInterval(() => {}, 1000);\nconsole.log("ready");\n`;
  writeFileSync(join(root, "scripts/check.ts"), waiting);
  const child = start(["check"]);
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect((await ended)[0]).toBe(9);
});

test("what is left behind by an npm that was killed ends by itself", async () => {
  everyTool();
  const waiting = `process.on("SIGTERM", () => { console.log("ended"); process.exit(0); });\nsetInterval(() => {}, 1000);\nconsole.log("ready");\n`;
  writeFileSync(join(root, "scripts/check.ts"), waiting);
  const command = `"${process.execPath}" "${join(root, "scripts/with-tools.mjs")}" check & wait`;
  const npm = spawn("/bin/sh", ["-c", command], {
    env: { PATH: bin },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines = createInterface({ input: npm.stdout });
  await once(lines, "line");
  npm.kill("SIGKILL");
  expect(await once(lines, "line")).toEqual(["ended"]);
});

test("an unknown command names those there are", async () => {
  const { status, err } = await run(["toString"]);
  expect(status).toBe(64);
  expect(err).toContain("demo, test, check");
});

test("a busybox that needs the system's libraries does not count", () => {
  const busybox = tools.find(({ name }) => name === "busybox");
  if (!busybox) throw new Error("the table has no busybox");
  expect(isStatic(staticBinary())).toBe(true);
  expect(isStatic(process.execPath)).toBe(false);
  symlinkSync(process.execPath, join(bin, "busybox"));
  expect(isThere(busybox, bin)).toBe(false);
});

test("modules that someone installed by hand count when they are the same", () => {
  const present = (packages: object) => JSON.stringify({ packages });
  const wanted = present({ "": {}, a: { version: "1" }, b: { version: "2", optional: true } });
  expect(sameModules(wanted, present({ a: { version: "1" } }))).toBe(true);
  expect(sameModules(wanted, present({ a: { version: "2" } }))).toBe(false);
  expect(sameModules(wanted, present({ b: { version: "2" } }))).toBe(false);
  expect(sameModules(wanted, present({ a: { version: "1" }, c: { version: "1" } }))).toBe(false);
});
