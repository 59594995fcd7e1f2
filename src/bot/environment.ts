import type { Account } from "./objects/account/account.ts";
import type { Fleet } from "./objects/fleet/fleet.ts";
import type { Log } from "./objects/log/log.ts";
import type { Machine } from "./objects/machine/machine.ts";
import type { Repo } from "./objects/repo/repo.ts";
import type { Run } from "./objects/run/run.ts";
import type { Writer } from "./objects/writer/writer.ts";

/** What `wrangler.toml` and the secrets give the Worker and every object. */
export interface Environment {
  GITHUB_HOST: string;
  GITHUB_API_URL: string;
  GITHUB_APP_ID: string;
  /** Numeric account ids, separated by commas. */
  ALLOWED_ACCOUNTS: string;
  PUBLIC_URL: string;
  /** Text shown on every page: the demo says that it runs without isolation. Unset elsewhere. */
  DEMO_BANNER?: string;
  /** PEM as GitHub hands it out (PKCS#1) or PKCS#8. */
  GITHUB_APP_PRIVATE_KEY: string;
  GITHUB_WEBHOOK_SECRET: string;
  /** Bearer secret of `/operator/*`. */
  OPERATOR_SECRET: string;
  /** Ed25519 private key, PKCS#8 DER, base64: signs job specifications. */
  SPECIFICATION_KEY: string;
  /** 32 random bytes, base64: authenticates attempt tokens and enrolment codes (HMAC-SHA-256). */
  ATTEMPT_KEY: string;
  ACCOUNT: DurableObjectNamespace<Account>;
  REPO: DurableObjectNamespace<Repo>;
  RUN: DurableObjectNamespace<Run>;
  WRITER: DurableObjectNamespace<Writer>;
  FLEET: DurableObjectNamespace<Fleet>;
  MACHINE: DurableObjectNamespace<Machine>;
  LOG: DurableObjectNamespace<Log>;
  INDEX: D1Database;
  BLOBS: R2Bucket;
}
