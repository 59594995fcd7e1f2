import { createHash } from "node:crypto";
import * as z from "zod";
import type { ExchangeId } from "../../../protocol/identifiers.ts";

const absolutePath = z.string().regex(/^\/[^\0\n]*$/u, "must be an absolute path");

/** `<name>:<base64>`, as Nix writes a public key. */
const PublicKey = z
  .string()
  .regex(
    /^[A-Za-z0-9._-]+:[A-Za-z0-9+/]+=*$/u,
    "must be a public key as Nix writes it, name:base64",
  );

/** The Nix store through which the runners of one pool pass closures. Each pool has its own. */
export const ExchangeConfiguration = z.strictObject({
  /** As `nix copy --to` takes it. What it takes to log in is in `home`, never here. */
  url: z
    .string()
    .max(1_024)
    .regex(
      /^(?:file|ssh|ssh-ng|s3|https?):\/\/[^\s\0]+$/u,
      "must be the URL of a Nix store: file, ssh, ssh-ng, s3, http or https",
    )
    .refine((url) => !/^[a-z0-9-]+:\/\/[^/@]*:[^/@]*@/u.test(url), "must not hold a password"),
  /** What the pool's runners call it where they reach it by different URLs; the URL itself unless given. */
  name: z.string().min(1).max(255).nullable().default(null),
  /** Whose signatures count: the keys of the pool's runners, this one's among them. */
  publicKeys: z.array(PublicKey).min(1).max(64),
  /** Signs what is built here. For nix-daemon alone: root's, mode 400. */
  secretKeyFile: absolutePath,
  /** A folder of the agent's with what it takes to log in: `.ssh/config`, `.aws/credentials`, `.netrc`. */
  home: absolutePath
    .regex(/^\S+$/u, "must have no spaces: ssh's options are split at them")
    .nullable()
    .default(null),
});
export type ExchangeConfiguration = z.output<typeof ExchangeConfiguration>;

/** What the control plane knows it by. */
export function exchangeId({ url, name }: Pick<ExchangeConfiguration, "url" | "name">): ExchangeId {
  return createHash("sha256")
    .update(`snowcat-exchange-1\n${name ?? url}`)
    .digest("hex");
}

/**
 * Lines of the daemon's nix.conf: it signs what it builds, and takes from others what a listed key has signed.
 * @throws when the operator's own lines make it take unsigned paths.
 */
export function daemonSettings(
  { publicKeys, secretKeyFile }: ExchangeConfiguration,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  if (own["require-sigs"]?.trim() === "false")
    throw new Error(
      "an exchange needs signatures: remove require-sigs = false from the runner's nix settings",
    );
  const extra = (name: string, values: readonly string[]): [string, string] => [
    `extra-${name}`,
    [...(own[`extra-${name}`]?.split(/\s+/u) ?? []), ...values].filter(Boolean).join(" "),
  ];
  return Object.fromEntries([
    extra("trusted-public-keys", publicKeys),
    extra("secret-key-files", [secretKeyFile]),
  ]);
}
