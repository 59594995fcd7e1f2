/**
 * What each command runs, and which programs it needs from the system.
 *
 * A program is probed by its binary. `package` is Debian's name, `nixpkgs` the
 * one for machines that have Nix but no apt.
 *
 * @typedef {object} Tool
 * @property {string} name how messages and skipped tests call it
 * @property {string} binary looked up on PATH (and in the sbin folders)
 * @property {boolean} [static] the binary must run without the system's libraries
 * @property {string} package
 * @property {string} nixpkgs
 * @property {string} why shown before it is installed
 *
 * @typedef {object} Command
 * @property {string} entry run by Node 24
 * @property {readonly string[]} tools names in {@link tools}
 * @property {boolean} [partial] may go on with what can run when a tool is missing
 * @property {string} [root] what it does that only root may do
 * @property {boolean} [otherNix] uses the versions of Nix beside the machine's own, where there are any
 */

/** @type {readonly Tool[]} */
const common = [
  {
    name: "git",
    binary: "git",
    package: "git",
    nixpkgs: "git",
    why: "reads checkouts and serves repositories",
  },
  {
    name: "nix",
    binary: "nix",
    package: "nix-bin",
    nixpkgs: "nix",
    why: "evaluates and builds flakes; its store is a private one, /nix stays as it is",
  },
  {
    name: "bwrap",
    binary: "bwrap",
    package: "bubblewrap",
    nixpkgs: "bubblewrap",
    why: "isolates fetching and evaluation",
  },
  {
    name: "busybox",
    binary: "busybox",
    // The shell inside Nix's sandbox, where none of the system's libraries is.
    static: true,
    package: "busybox-static",
    nixpkgs: "pkgsStatic.busybox",
    why: "is the shell inside Nix's sandbox",
  },
  {
    name: "ip",
    binary: "ip",
    package: "iproute2",
    nixpkgs: "iproute2",
    why: "sets up the builders' network namespace",
  },
  {
    name: "unshare",
    binary: "unshare",
    package: "util-linux",
    nixpkgs: "util-linux",
    why: "gives tests and the demo a mount namespace of their own",
  },
  {
    name: "sshd",
    binary: "sshd",
    package: "openssh-server",
    nixpkgs: "openssh",
    why: "is the way into the machines of tests and demo; it is not started on this one",
  },
];

const everything = common.map((tool) => tool.name);
/** A runner has no machines of tests. */
const forJobs = everything.filter((name) => name !== "sshd");

/** For the virtual machine that deploys are tried on, which is made of Debian packages. */
const guest = [
  {
    name: "qemu",
    binary: "qemu-system-x86_64",
    package: "qemu-system-x86",
    nixpkgs: "qemu",
    why: "runs the machine whose power tests cut",
  },
  {
    name: "qemu-img",
    binary: "qemu-img",
    package: "qemu-utils",
    nixpkgs: "qemu-utils",
    why: "makes that machine's disk",
  },
  {
    name: "mkfs.ext4",
    binary: "mkfs.ext4",
    package: "e2fsprogs",
    nixpkgs: "e2fsprogs",
    why: "makes that machine's file system",
  },
  {
    name: "ssh",
    binary: "ssh",
    package: "openssh-client",
    nixpkgs: "openssh",
    why: "reaches machines",
  },
];

/** @type {readonly Tool[]} */
export const tools = [...common, ...guest];

/**
 * Wanted only while another Nix is to be fetched.
 *
 * @type {Tool}
 */
export const patchelf = {
  name: "patchelf",
  binary: "patchelf",
  package: "patchelf",
  nixpkgs: "patchelf",
  why: "lets another version of Nix find its own libraries",
};

/** @type {Readonly<Record<string, Command>>} */
export const commands = {
  demo: {
    entry: "test/demo/main.ts",
    tools: everything,
    root: "sets up the runner's namespaces and users",
  },
  test: { entry: "scripts/test.ts", tools: everything, partial: true },
  check: { entry: "scripts/check.ts", tools: ["git"] },
  "test:slow": {
    entry: "scripts/test-slow.ts",
    tools: [...everything, ...guest.map((tool) => tool.name)],
    partial: true,
    otherNix: true,
  },
  faults: {
    entry: "test/faults/main.ts",
    tools: [...everything, ...guest.map((tool) => tool.name)],
    root: "gives machines of tests their namespaces",
  },
  bench: { entry: "test/bench/main.ts", tools: everything, otherNix: true },
  simulate: { entry: "test/simulation/main.ts", tools: [] },
  snowcat: { entry: "src/runner/main.ts", tools: forJobs },
  format: { entry: "scripts/format.ts", tools: [] },
  generate: { entry: "scripts/generate.ts", tools: [] },
};
