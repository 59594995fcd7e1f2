import type { Environment } from "../environment.ts";
import { appToken } from "../github/key.ts";
import { objectName } from "../objects/contracts.ts";

/** `ok`, or what is wrong and what to do; never a value. */
export type Part = "ok" | { problem: string };
export type Health = { healthy: boolean; parts: Record<string, Part> };
type Checks = Record<string, () => Promise<unknown>>;

/** What anybody may ask wakes the objects no more often than this (ms). */
const PROBED = 5_000;
let probed: { at: number; parts: Promise<[string, Part][]> } | null = null;

/** How long one part may take (ms). */
const PATIENCE = 5_000;
/** Objects of this id are asked whether they answer; asking changes nothing in them. */
const PROBE = 1;

/**
 * Tries every secret and touches every binding. `operator`: at once, however recently it was asked; GitHub is asked only
 * where `github` says so.
 */
export async function health(
  env: Environment,
  now: number,
  operator: { github: boolean } | null,
): Promise<Health> {
  const again =
    operator !== null || probed === null || now - probed.at >= PROBED || now < probed.at;
  if (again) probed = { at: now, parts: parts(bindings(env)) };
  const found = [...(await parts(settings(env, now))), ...(await (probed?.parts ?? []))];
  if (operator?.github === true) found.push(...(await parts({ github: () => known(env) })));
  return {
    healthy: found.every(([, result]) => result === "ok"),
    parts: Object.fromEntries(found),
  };
}

function parts(checks: Checks): Promise<[string, Part][]> {
  return Promise.all(
    Object.entries(checks).map(async ([name, check]): Promise<[string, Part]> => [
      name,
      await part(name, check),
    ]),
  );
}

function settings(env: Environment, now: number): Checks {
  return {
    GITHUB_HOST: async () => present("GITHUB_HOST", env.GITHUB_HOST),
    GITHUB_API_URL: async () => address("GITHUB_API_URL", env.GITHUB_API_URL),
    PUBLIC_URL: async () => address("PUBLIC_URL", env.PUBLIC_URL),
    ALLOWED_ACCOUNTS: async () => accounts(env.ALLOWED_ACCOUNTS),
    GITHUB_APP_ID: async () =>
      demand(
        /^[1-9][0-9]*$/u.test(env.GITHUB_APP_ID ?? ""),
        "GITHUB_APP_ID is not the App's number: see its settings page",
      ),
    GITHUB_APP_PRIVATE_KEY: async () => {
      present("GITHUB_APP_PRIVATE_KEY", env.GITHUB_APP_PRIVATE_KEY);
      await appToken({ id: env.GITHUB_APP_ID, pem: env.GITHUB_APP_PRIVATE_KEY }, now);
    },
    GITHUB_WEBHOOK_SECRET: async () => secret("GITHUB_WEBHOOK_SECRET", env.GITHUB_WEBHOOK_SECRET),
    OPERATOR_SECRET: async () => secret("OPERATOR_SECRET", env.OPERATOR_SECRET),
    SPECIFICATION_KEY: () => specificationKey(env.SPECIFICATION_KEY),
    ATTEMPT_KEY: async () =>
      demand(
        decoded(env.ATTEMPT_KEY)?.byteLength === 32,
        "ATTEMPT_KEY is not 32 bytes in base64: `openssl rand -base64 32` makes one",
      ),
  };
}

function bindings(env: Environment): Checks {
  const host = env.GITHUB_HOST;
  return {
    ACCOUNT: () => env.ACCOUNT.getByName(objectName.account(host, PROBE)).wake(),
    REPO: () => env.REPO.getByName(objectName.repo(host, PROBE)).wake(),
    RUN: () => env.RUN.getByName(objectName.run(host, `${PROBE}-${PROBE}`)).wake(),
    WRITER: () => env.WRITER.getByName(objectName.writer(host, PROBE)).wake(),
    FLEET: () => env.FLEET.getByName(objectName.fleet(host, PROBE)).wake(),
    LOG: () => env.LOG.getByName(objectName.log(host, `${PROBE}-${PROBE}.0`, PROBE)).wake(),
    MACHINE: () =>
      env.MACHINE.getByName(objectName.machine(host, PROBE, `SHA256:${"A".repeat(43)}`)).wake(),
    INDEX: () => env.INDEX.prepare("SELECT run FROM runs LIMIT 1").all(),
    BLOBS: () => env.BLOBS.head("health"),
  };
}

async function known(env: Environment): Promise<void> {
  const app = await env.WRITER.getByName(objectName.writer(env.GITHUB_HOST, PROBE)).app();
  demand(
    String(app.id) === env.GITHUB_APP_ID,
    `GitHub takes the key for App ${app.id}: GITHUB_APP_ID is another's`,
  );
}

/** A problem that is written for the operator: its text may be shown. */
class Wrong extends Error {}

async function part(name: string, check: () => Promise<unknown>): Promise<Part> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Wrong(`${name} did not answer within ${PATIENCE} ms`)),
        PATIENCE,
      );
    });
    await Promise.race([check(), late]);
    return "ok";
  } catch (error) {
    if (error instanceof Wrong) return { problem: error.message };
    // Foreign messages can quote what they were given.
    console.error(
      JSON.stringify({
        what: "health",
        part: name,
        error: error instanceof Error ? error.name : "unknown",
      }),
    );
    const known =
      name === "GITHUB_APP_PRIVATE_KEY" && error instanceof Error
        ? error.message
        : `${name} does not answer: see the Worker's log and wrangler.toml`;
    return { problem: known };
  } finally {
    clearTimeout(timer);
  }
}

function demand(fine: boolean, problem: string): void {
  if (!fine) throw new Wrong(problem);
}

function present(name: string, value: string | undefined): void {
  demand(
    typeof value === "string" && value !== "",
    `${name} is missing: set it in wrangler.toml, or with \`wrangler secret put ${name}\` if it is a secret`,
  );
}

function secret(name: string, value: string | undefined): void {
  present(name, value);
  demand(
    (value ?? "").length >= 16,
    `${name} is shorter than 16 characters: anyone could guess it`,
  );
}

function address(name: string, value: string | undefined): void {
  present(name, value);
  demand(
    URL.canParse(value ?? "") && /^https?:$/u.test(new URL(value ?? "").protocol),
    `${name} is not an http(s) address`,
  );
}

function accounts(text: string | undefined): void {
  present("ALLOWED_ACCOUNTS", text);
  demand(
    (text ?? "").split(",").every((part) => /^\s*[1-9][0-9]*\s*$/u.test(part)),
    "ALLOWED_ACCOUNTS must be numeric ids with commas between them (not names)",
  );
}

async function specificationKey(value: string | undefined): Promise<void> {
  present("SPECIFICATION_KEY", value);
  // The one that signs, and after a comma the one that still may.
  const keys = (value ?? "").split(",");
  const imported = await Promise.all(
    keys.map(async (text) => {
      const bytes = decoded(text.trim());
      return bytes === null
        ? null
        : crypto.subtle.importKey("pkcs8", bytes, "Ed25519", false, ["sign"]).catch(() => null);
    }),
  );
  demand(
    keys.length <= 2 && !imported.includes(null),
    "SPECIFICATION_KEY is not an Ed25519 private key (PKCS#8 DER, base64): `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0` makes one",
  );
}

function decoded(text: string | undefined): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text ?? ""), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}
