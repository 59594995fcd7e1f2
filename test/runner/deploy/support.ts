import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import type {
  DeployWork,
  ManifestHead,
  ManifestOf,
  ManifestPath,
} from "../../../src/protocol/machine.ts";
import { manifestText } from "../../../src/protocol/machine.ts";
import { publicKeyOf } from "../../../src/runner/enrolment/identity.ts";
import { fingerprint } from "../../../src/runner/deploy/policy/host-key.ts";

/** A public host key as ssh writes it, of a key made for this run. */
function hostKey(): string {
  const raw = Buffer.from(publicKeyOf(generateKeyPairSync("ed25519").privateKey), "base64");
  const type = Buffer.from("ssh-ed25519");
  const length = (bytes: Buffer) => Buffer.from([0, 0, 0, bytes.length]);
  const blob = Buffer.concat([length(type), type, length(raw), raw]);
  return `ssh-ed25519 ${blob.toString("base64")}`;
}

export const HOST_KEYS = { web: hostKey(), db: hostKey(), other: hostKey() };
export const SPEAKER = { host: "github.com", repository: 7 };
export const SHA = "a".repeat(40);

export const store = (name: string) =>
  `/nix/store/${createHash("sha256").update(name).digest("hex").replaceAll("e", "f").slice(0, 32)}-${name}`;
export const SYSTEM = store("system");
export const PATHS: ManifestPath[] = ["system", "units", "glibc"].map((name, at) => ({
  path: store(name),
  narHash: `sha256-${createHash("sha256").update(name).digest("base64")}`,
  narSize: 1_000 * (at + 1),
}));

/** What a builder tells of a closure. */
export function signedManifest(
  key: KeyObject,
  of: ManifestOf = { ...SPEAKER, sha: SHA, machine: "web" },
  paths: readonly ManifestPath[] = PATHS,
  system = SYSTEM,
): { head: ManifestHead; text: string } {
  const text = manifestText(of, system, paths);
  return {
    text,
    head: {
      digest: createHash("sha256").update(text).digest("hex"),
      system,
      paths: paths.length,
      narBytes: paths.reduce((sum, { narSize }) => sum + narSize, 0),
      signature: sign(null, Buffer.from(text), key).toString("base64"),
      builder: publicKeyOf(key),
    },
  };
}

const key = generateKeyPairSync("ed25519").privateKey;
export const BUILDER = { key, ...signedManifest(key) };

export function work(changes: Partial<DeployWork>): DeployWork {
  return {
    kind: "deploy",
    machine: { name: "web", hostKey: fingerprint(HOST_KEYS.web) },
    method: "plain",
    tool: null,
    source: null,
    counter: 5,
    sha: SHA,
    ref: "refs/heads/main",
    action: { kind: "system", system: SYSTEM, manifest: BUILDER.head },
    expected: null,
    health: [],
    backup: null,
    limits: { connectSeconds: 1, copySeconds: 60, activationSeconds: 30, confirmationSeconds: 30 },
    ...changes,
  };
}

export function policyJson() {
  const machine = (name: "web" | "db", kinds: string[]) => ({
    address: "192.0.2.1",
    hostKey: HOST_KEYS[name],
    identityFile: "/etc/snowcat/deploy",
    repositories: [
      {
        host: "github.com",
        id: 7,
        machine: name,
        refs: ["refs/heads/main", "refs/heads/release/*"],
        kinds,
      },
    ],
    windows: [{ days: ["mon", "tue", "wed", "thu"], from: "08:00", to: "16:00" }],
    commands: [["pg_dumpall"]],
  });
  return {
    machines: {
      web: machine("web", ["observe", "deploy", "rollback"]),
      db: machine("db", ["observe", "deploy"]),
    },
    builders: [{ name: "b1", key: BUILDER.head.builder }],
  };
}
