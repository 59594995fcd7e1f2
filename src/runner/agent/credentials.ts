import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { OperatorCredentials } from "../source/operator.ts";

const absolutePath = z.string().regex(/^\/[^\0]*$/u, "must be an absolute path");

/** Names of files with what the fetch step may use; the agent's user must be able to read them, and nobody else should. */
export const CredentialFiles = z.strictObject({
  /** For `https` inputs and submodules, by host. */
  netrcFile: absolutePath.nullable().default(null),
  /** Deploy keys for `ssh` inputs and submodules. */
  ssh: z
    .array(
      z.strictObject({
        host: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/u, "must be a host's name"),
        keyFile: absolutePath,
        /** Pinned: a host whose key is not in it is refused. */
        knownHostsFile: absolutePath,
      }),
    )
    .max(16)
    .default([]),
});
export type CredentialFiles = z.infer<typeof CredentialFiles>;

/** Reads the operator's files, once, before any job. @throws naming the file that cannot be read. */
export async function readCredentials(files: CredentialFiles): Promise<OperatorCredentials> {
  return {
    netrc: files.netrcFile === null ? null : await read(files.netrcFile),
    ssh: await Promise.all(
      files.ssh.map(async ({ host, keyFile, knownHostsFile }) => ({
        host,
        key: await read(keyFile),
        knownHosts: await read(knownHostsFile),
      })),
    ),
  };
}

/** What no output may show: the passwords of a netrc, and the lines of each key between its armour. */
export function secretsOf({ netrc, ssh }: OperatorCredentials): string[] {
  const words = (netrc ?? "").split(/\s+/u);
  const passwords = words.filter((_, index) => words[index - 1] === "password");
  const keys = ssh.flatMap(({ key }) =>
    key.split(/\r?\n/u).filter((line) => !/^-+|^$/u.test(line)),
  );
  return [...passwords, ...keys].filter((secret) => secret.trim() !== "");
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new Error(
      `${file}, named under "credentials" of the runner's configuration, cannot be read`,
      { cause },
    );
  }
}
