#!/run/snowcat/node
/**
 * In place of nix-eval-jobs, which is not to be had here: the same arguments, the same lines (as its source of 2.33 prints
 * them), one after the other, evaluated by `nix eval`. A variable of its environment says what it leaves out or does wrong.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";

const argv = process.argv.slice(2);
appendFileSync(`${process.env.STAND_IN_RECORD}`, `${JSON.stringify(argv)}\n`);
const mode = process.env.STAND_IN_MODE ?? "";
/** @type {string[]} */
const options = [];
let expression = "";
for (let at = 0; at < argv.length; at += 1) {
  if (argv[at] === "--expr") expression = next((at += 1));
  else if (argv[at] === "--option") options.push("--option", next((at += 1)), next((at += 1)));
  else if (argv[at] === "--workers" || argv[at] === "--max-memory-size") at += 1;
  else if (argv[at] !== "--show-trace") {
    process.stderr.write(`error: unrecognised flag '${argv[at]}'\n`);
    process.exit(1);
  }
}

/** @param {number} at */
function next(at) {
  return argv[at] ?? "";
}

const LOOK = `v: top:
  if builtins.isAttrs v && (v.type or null) == "derivation" then {
    name = v.name; system = v.system; drvPath = v.drvPath;
    outputs = builtins.listToAttrs (map (o: { name = o; value = (builtins.getAttr o v).outPath; }) (v.outputs or [ "out" ]));
    requiredSystemFeatures = v.requiredSystemFeatures or [ ];
  }
  else if builtins.isAttrs v && (top || v.recurseForDerivations or false) then { attrs = builtins.attrNames v; }
  else { attrs = [ ]; }`;
let told = 0;
/** @type {string[][]} */
const todo = [[]];
for (let path = todo.shift(); path !== undefined; path = todo.shift()) {
  // As the tool does: the path is spelt, and read back; a number would be an index.
  const spelt = path.map((part) => (part.includes(".") ? `"${part}"` : part)).join(".");
  if (path.some((part) => /^\d*$/.test(part) || /[".]/.test(part)))
    throw new Error(`the tool cannot read back ${spelt}`);
  const value = `builtins.foldl' (v: name: builtins.getAttr name v) (${expression}) (builtins.fromJSON ''${JSON.stringify(path)}'')`;
  const { status, stdout, stderr } = spawnSync(
    "nix",
    [
      "eval",
      "--json",
      "--show-trace",
      ...options,
      "--expr",
      `(${LOOK}) (${value}) ${path.length === 0}`,
    ],
    { encoding: "utf8", maxBuffer: 2 ** 28 },
  );
  const about = { attr: spelt, attrPath: path };
  if (status !== 0) {
    if (path.length === 0) {
      process.stderr.write(`error: worker error: ${stderr}`);
      process.exit(1);
    }
    print({ ...about, error: stderr.replaceAll(/\u001b\[[0-9;]*m/g, "") });
    continue;
  }
  /** @type {{ attrs: string[] } | { drvPath: string }} */
  const reply = JSON.parse(stdout);
  if ("attrs" in reply)
    todo.push(
      ...reply.attrs
        .filter((name) => name !== "recurseForDerivations")
        .map((name) => [...path, name]),
    );
  else
    print({
      ...about,
      inputDrvs: {},
      ...reply,
      cacheStatus: "notBuilt",
      isCached: false,
      neededBuilds: [],
    });
}

/** @param {Record<string, unknown>} line */
function print(line) {
  if (mode === "old") {
    delete line.attrPath;
    delete line.requiredSystemFeatures;
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
  told += 1;
  if (mode === "dies" && told === 2) {
    process.stderr.write(
      "error: while checking worker process, evaluation worker got killed by SIGKILL, maybe memory limit reached?\n",
    );
    process.exit(1);
  }
  if (mode === "garbles" && told === 1) process.stdout.write('{"attr":"_0","drvPa\n');
}
