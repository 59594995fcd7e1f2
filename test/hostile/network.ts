import {
  build,
  file,
  FILE,
  flake,
  FLAKE,
  lootName,
  nixString,
  show,
  type Attack,
  type Canaries,
} from "./attack.ts";
import { secretHash } from "./building.ts";

/** Reaching for addresses that belong to the host, its cloud or its network. */

/** What cloud machines answer with credentials at. */
const LINK_LOCAL = "169.254.169.254";

interface Place {
  readonly name: string;
  readonly what: string;
  readonly origin: (canaries: Canaries) => string;
  /** Whether the test's own server answers there. */
  readonly ours: boolean;
}

const places: readonly Place[] = [
  {
    name: "loopback",
    what: "a service on the host's loopback",
    origin: ({ port }) => `http://127.0.0.1:${port}`,
    ours: true,
  },
  {
    name: "localhost",
    what: "a service on the host's loopback, by name",
    origin: ({ port }) => `http://localhost:${port}`,
    ours: true,
  },
  {
    name: "loopback-decimal",
    what: "a service on the host's loopback, by another spelling",
    origin: ({ port }) => `http://2130706433:${port}`,
    ours: true,
  },
  {
    name: "loopback-mapped",
    what: "a service on the host's loopback, as IPv4 in IPv6",
    origin: ({ port }) => `http://[::ffff:127.0.0.1]:${port}`,
    ours: true,
  },
  {
    name: "any-address",
    what: "a service on the host's loopback, by 0.0.0.0",
    origin: ({ port }) => `http://0.0.0.0:${port}`,
    ours: true,
  },
  {
    name: "link-local",
    what: "the cloud's metadata service",
    origin: () => `http://${LINK_LOCAL}`,
    ours: false,
  },
  { name: "private", what: "a private network", origin: () => "http://10.0.0.1", ours: false },
];

/** With the hash of what the server answers: purity is satisfied, only the network policy is left. */
const fetchers: readonly { name: string; expression: (url: string, hash: string) => string }[] = [
  {
    name: "fetchurl",
    expression: (url, hash) =>
      `builtins.readFile (builtins.fetchurl { url = ${url}; sha256 = ${hash}; })`,
  },
  {
    name: "fetchtarball",
    expression: (url, hash) =>
      `builtins.readFile ((builtins.fetchTarball { url = ${url}; sha256 = ${hash}; }) + "/key")`,
  },
  {
    name: "fetchgit",
    expression: (url) =>
      `builtins.readFile ((builtins.fetchGit { url = ${url}; rev = "${"1".repeat(40)}"; ref = "main"; }) + "/key")`,
  },
];

const evaluation: readonly Attack[] = places.flatMap((place) =>
  fetchers
    // Every spelling with one fetcher, every fetcher with the plain spelling.
    .filter(
      (fetcher) =>
        fetcher.name === "fetchurl" || place.name === "loopback" || place.name === "link-local",
    )
    .map((fetcher): Attack => ({
      name: `evaluation-${fetcher.name}-${place.name}`,
      tries: `builtins.${fetcher.name} asks ${place.what} while evaluating`,
      entry: FLAKE,
      plainNix: place.ours ? "leaks" : "costly",
      expect: { kind: "refused" },
      tree: (canaries) =>
        flake(
          canaries,
          show(
            canaries,
            fetcher.expression(
              nixString(`${place.origin(canaries)}/${canaries.nonce}`),
              nixString(secretHash(canaries)),
            ),
          ),
        ),
    })),
);

const fixedOutput: readonly Attack[] = places.map((place) => ({
  name: `fixed-output-${place.name}`,
  tries: `a fixed-output build asks ${place.what}, by builtin:fetchurl`,
  entry: FLAKE,
  plainNix: place.ours ? "leaks" : "costly",
  expect: { kind: "refused" },
  tree: (canaries) =>
    flake(
      canaries,
      `derivation { name = ${lootName(canaries)}; system = "builtin"; builder = "builtin:fetchurl"; url = ${nixString(`${place.origin(canaries)}/${canaries.nonce}`)}; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = ${nixString(secretHash(canaries))}; executable = false; unpack = false; }`,
    ),
}));

const byShell = (
  name: string,
  tries: string,
  script: (canaries: Canaries) => string,
  fixed: boolean,
  ours: boolean,
): Attack => ({
  name,
  tries,
  entry: FLAKE,
  // An ordinary build has no network in Nix's own sandbox; without a sandbox it has the host's.
  plainNix: ours ? "leaks" : "costly",
  expect: { kind: "refused" },
  tree: (canaries) =>
    flake(
      canaries,
      build(
        canaries,
        `${script(canaries)} > answer || exit 1; cat answer; printf %s "$(cat answer)" > $out`,
        fixed ? `outputHashAlgo = "sha256"; outputHash = ${nixString(secretHash(canaries))};` : "",
      ),
    ),
});

const shell: readonly Attack[] = [
  byShell(
    "builder-wget-loopback",
    "an ordinary build asks the host's loopback",
    ({ port, nonce }) =>
      `busybox wget -qO- http://127.0.0.1:${port}/${nonce} || wget -qO- http://127.0.0.1:${port}/${nonce}`,
    false,
    true,
  ),
  byShell(
    "fixed-output-wget-loopback",
    "a fixed-output build asks the host's loopback with a program of its own",
    ({ port, nonce }) =>
      `busybox wget -qO- http://127.0.0.1:${port}/${nonce} || wget -qO- http://127.0.0.1:${port}/${nonce}`,
    true,
    true,
  ),
  byShell(
    "fixed-output-wget-link-local",
    "a fixed-output build asks the cloud's metadata service with a program of its own",
    () => `wget -T 3 -qO- http://${LINK_LOCAL}/latest/meta-data/`,
    true,
    false,
  ),
];

const schemes = [
  // Not every version knows file+http.
  { name: "file", scheme: "file+http", suffix: "", plainNix: "depends" },
  { name: "tarball", scheme: "http", suffix: ".tar.gz", plainNix: "leaks" },
  { name: "git", scheme: "git+http", suffix: ".git", plainNix: "leaks" },
] as const;

const inputs: readonly Attack[] = schemes.map(({ name, scheme, suffix, plainNix }) => ({
  name: `input-${name}-loopback`,
  tries: `a ${name} input asks the host's loopback`,
  entry: FLAKE,
  plainNix,
  expect: { kind: "refused" },
  tree: (canaries) =>
    flake(
      canaries,
      show(canaries, "builtins.readFile inputs.loot.outPath"),
      `inputs.loot = { url = ${nixString(`${scheme}://127.0.0.1:${canaries.port}/${canaries.nonce}${suffix}`)}; flake = false; };`,
    ),
}));

export const network: readonly Attack[] = [
  ...evaluation,
  ...fixedOutput,
  ...shell,
  ...inputs,
  {
    name: "file-fetches-without-hash",
    tries: "default.nix fetches from the host's loopback, no hash given",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.readFile (builtins.fetchurl ${nixString(`http://127.0.0.1:${canaries.port}/${canaries.nonce}`)})`,
        ),
      ),
  },
  {
    name: "file-fetches-file-url",
    tries: "default.nix fetches a file: URL",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.readFile (builtins.fetchurl ${nixString(`file://${canaries.key}`)})`,
        ),
      ),
  },
  {
    name: "file-fetches-git-of-host",
    tries: "default.nix clones a repository of the host",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.readFile ((builtins.fetchGit { url = ${nixString(`file://${canaries.repository.path}`)}; ref = "main"; }) + "/key")`,
        ),
      ),
  },
  {
    name: "file-clones-by-ext",
    tries: "default.nix clones by git's ext: transport, which runs a program",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.readFile ((builtins.fetchGit { url = ${nixString(`ext::sh -c touch% ${canaries.dropbox}/ext`)}; ref = "main"; }) + "/key")`,
        ),
      ),
  },
];
