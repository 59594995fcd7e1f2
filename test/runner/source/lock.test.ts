import { expect, test } from "vitest";
import { secretsOf } from "../../../src/runner/agent/credentials.ts";
import type { Graph } from "../../../src/runner/source/inputs/lock.ts";
import { forbidden, lockedInputs, readLock } from "../../../src/runner/source/inputs/lock.ts";
import { lineOf } from "../../../src/runner/source/inputs/place.ts";
import { sourceStorePath } from "../../../src/runner/source/inputs/store-path.ts";
import { reasonOf } from "../../../src/runner/source/refusal.ts";

const github = { type: "github", owner: "o", repo: "r", rev: "1".repeat(40) };

/** A lock file as Nix writes it: two blanks, sorted keys. */
function lock(nodes: Record<string, unknown>, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ nodes, root: "root", version: 7, ...more }, null, 2);
}

function problem(text: string): { message: string; line: number } {
  const read = readLock(text, "sub/flake.lock");
  if (read.kind !== "problem") throw new Error("it was accepted");
  expect(read.problem.position.file).toBe("sub/flake.lock");
  return { message: read.problem.message, line: read.problem.position.line };
}

test.each<[string, string, RegExp, number]>([
  ["no JSON", '{\n  "nodes": {\n<<<<<<< HEAD\n', /is not JSON.*A merge may have left it/su, 3],
  ["not an object", "[]", /it has no version/u, 1],
  [
    "a newer format",
    '{\n  "nodes": {},\n  "root": "root",\n  "version": 8\n}',
    /has version 8; this runner reads up to 7.*newer Nix/u,
    4,
  ],
  ["an old format", '{\n  "version": 4\n}', /has version 4, which Nix does not read/u, 2],
  ["no nodes", '{\n  "root": "root",\n  "version": 7\n}', /^sub\/flake\.lock: nodes: /u, 1],
  ["no root", lock({ other: {} }), /its root "root" is not among its nodes/u, 5],
  [
    "a node that is not there",
    lock({ root: { inputs: { a: "a", b: "gone" } }, a: { locked: github } }),
    /input "b" of "root" is the node "gone", which is not there/u,
    6,
  ],
  [
    "an input without locked",
    lock({ root: { inputs: { a: "a" } }, a: { original: github } }),
    /"a" is not locked: it has no "locked"/u,
    8,
  ],
  [
    "follows in a circle",
    lock({ root: { inputs: { a: ["b"], b: ["a"] } } }),
    /follows "\w", which follows itself/u,
    5,
  ],
  [
    "follows to nowhere",
    lock({ root: { inputs: { a: "a" } }, a: { inputs: { n: ["a", "nixpkgs"] }, locked: github } }),
    /input "n" of "a" follows "a\/nixpkgs", and there is no input "nixpkgs"/u,
    10,
  ],
  [
    "a list for an address",
    lock({ root: { inputs: { a: "a" } }, a: { locked: { type: "git", url: [] } } }),
    /nodes\.a\.locked\.url/u,
    11,
  ],
])("a lock file with %s is refused at its line", (_, text, message, line) => {
  const found = problem(text);
  expect(found.message).toMatch(message);
  expect(found.line).toBe(line);
});

test("ten thousand inputs that follow each other end soon, and are refused", () => {
  const inputs = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [`i${index}`, [`i${index + 1}`]]),
  );
  expect(problem(lock({ root: { inputs } })).message).toMatch(/follows/u);
});

test("what newer versions of Nix write is read: unknown keys, relative paths with their parent", () => {
  const read = readLock(
    lock(
      {
        root: { inputs: { a: "a", b: ["a", "deep"] } },
        a: {
          inputs: { deep: "c" },
          flake: false,
          newer: { x: [1] },
          locked: {
            ...github,
            lastModified: 1,
          },
        },
        c: { locked: { type: "path", path: "../x" }, parent: ["a"] },
      },
      { more: 1 },
    ),
    "flake.lock",
  );
  if (read.kind !== "lock") throw new Error(read.problem.message);
  const inputs = lockedInputs(read.lock.graph);
  expect(inputs.map(({ name, inside }) => [name, inside])).toEqual([
    ["a", false],
    ["c", true],
  ]);
  expect(inputs.map((input) => forbidden(input, "."))).toEqual([null, null]);
});

test("a flake that is an input of another is walked from its own node", () => {
  const graph: Graph = {
    root: "root",
    nodes: {
      root: { inputs: { source: "source", other: "other" } },
      source: { inputs: { a: "a" }, locked: { type: "path", path: "/x" } },
      a: { locked: github },
      other: { locked: github },
    },
  };
  expect(lockedInputs(graph, "source").map(({ name }) => name)).toEqual(["a"]);
});

test.each<[Record<string, string>, string, RegExp | null]>([
  [{ type: "path", path: "/etc" }, ".", /is the local path "\/etc"/u],
  [{ type: "path", path: "./sub" }, ".", null],
  [{ type: "path", path: "../sub" }, "flakes/a", null],
  [{ type: "path", path: "../../sub" }, "flakes", /leads out of the repository/u],
  [{ type: "git", url: "file:///root/repo" }, ".", /is the local address/u],
  [{ type: "git", url: "/root/repo" }, ".", /is the local address/u],
  [{ type: "git", url: "git+file:///root/repo" }, ".", /is the local address/u],
  [{ type: "git", url: "ext::sh -c id" }, ".", /https, ssh, http and git/u],
  [{ type: "git", url: "-u./payload" }, ".", /https, ssh, http and git/u],
  [{ type: "git", url: "https://example.org/x.git" }, ".", null],
  [{ type: "git", url: "ssh://git@example.org/x.git" }, ".", null],
  [{ type: "git", url: "git@example.org:x.git" }, ".", null],
  [{ type: "tarball", url: "file:///etc/x.tar.gz" }, ".", /is the local address/u],
  [{ type: "file", url: "file:///etc/passwd" }, ".", /is the local address/u],
  [{ type: "hg", url: "file:///x" }, ".", /is the local address/u],
  [{ type: "indirect", id: "nixpkgs" }, ".", /runners have no registry/u],
  [{ ...github, __final: "1" }, ".", /is Nix's own mark/u],
  [{ type: "torrent", url: "https://x" }, ".", /which no known Nix fetches/u],
  [{ ...github }, ".", null],
])("which inputs are fetched: %o in %s", (locked, directory, expected) => {
  const why = forbidden({ name: "a", locked, inside: false }, directory);
  if (expected === null) expect(why).toBeNull();
  else expect(why).toMatch(expected);
});

test("a key's line, whatever strings look like keys", () => {
  const text = JSON.stringify(
    { a: { 'x": {': "nodes", nodes: ["b", { b: 1 }] }, nodes: { 'q"': { b: { c: 1 } } } },
    null,
    1,
  );
  expect(lineOf(text, ["nodes", 'q"', "b", "c"])).toBe(
    text.split("\n").findIndex((line) => line.includes('"c"')) + 1,
  );
  expect(lineOf(text, ["nodes", "gone"])).toBe(
    text.split("\n").findIndex((line) => line.includes('"nodes": {')) + 1,
  );
  expect(lineOf(text, ["nowhere"])).toBe(1);
});

// From Nix itself: `nix hash path` and `nix-store --add` of an empty folder.
test("where a tree lies in the store", () => {
  expect(sourceStorePath("sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=")).toBe(
    "/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source",
  );
  expect(sourceStorePath("sha512-x")).toBeNull();
});

test("what redaction is told of the operator's credentials", () => {
  const key =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
  expect(
    secretsOf({
      netrc: "machine a login me password p1\ndefault login x password y",
      ssh: [{ host: "h", key, knownHosts: "h ssh-ed25519 AAAAC3" }],
    }),
  ).toEqual(["p1", "y", "b3Bl", "AAAA"]);
});

test.each([
  ["unable to download 'https://api.github.com/repos/o/r/tarball/1': HTTP error 404", "denied"],
  [
    "unable to download 'https://x': HTTP error 403\n\nresponse body:\n\nAPI rate limit exceeded",
    "limited",
  ],
  ["unable to download 'https://x': HTTP error 403 ('')", "denied"],
  ["unable to download 'https://x': HTTP error 429 ('')", "limited"],
  ["unable to download 'https://x': HTTP error 503 ('')", "unreachable"],
  ["unable to download 'https://x': Couldn't resolve host name (6)", "unreachable"],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 429", "limited"],
  ["fatal: unable to access 'https://x/': CONNECT tunnel failed, response 403", "not-allowed"],
  ["fatal: remote error: upload-pack: not our ref 33", "no-such-commit"],
  ["fatal: repository 'https://x/' not found", "denied"],
  ["git@x: Permission denied (publickey).", "denied"],
  ["Host key verification failed.", "denied"],
  ["NAR hash mismatch in input 'x' (429)", "other"],
])("what a host's refusal means: %s", (said, reason) => {
  expect(reasonOf(said)).toBe(reason);
});
