import { createPublicKey, generateKeyPair, randomBytes, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { Refused } from "./answer.ts";
import type { Account, App, Installation, Permissions } from "./state.ts";
import type { World } from "./world.ts";

/** Who speaks. Installation tokens may be narrower than their installation, in repositories and permissions. */
export type Actor =
  | { kind: "anonymous" }
  | { kind: "user"; account: Account; token: string }
  | { kind: "app"; app: App }
  | {
      kind: "installation";
      installation: Installation;
      app: App;
      repositories: Set<number> | null;
      permissions: Permissions;
      token: string;
    };

interface InstallationGrant {
  installationId: number;
  repositories: Set<number> | null;
  permissions: Permissions;
  expiresAt: number;
}

const hour = 3_600_000;
/** GitHub refuses an App token that lives longer. */
const longestJwt = 600;
/** Seconds a client's clock may run ahead. */
const skew = 60;

const base64url = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString("base64url");

/** Tokens and what they allow. */
export class Grants {
  readonly #world: World;
  readonly #users = new Map<string, number>();
  readonly #installations = new Map<string, InstallationGrant>();

  constructor(world: World) {
    this.#world = world;
  }

  issueUserToken(account: Account): string {
    const token = `ghp_${randomBytes(18).toString("hex")}`;
    this.#users.set(token, account.id);
    return token;
  }

  /** The long form `ghs_<app>_<jwt>` of about 520 characters that GitHub has been moving to. */
  issueInstallationToken(
    installation: Installation,
    scope: { repositories: Set<number> | null; permissions: Permissions },
  ): { token: string; expiresAt: number } {
    const expiresAt = this.#world.now() + hour;
    const claims = {
      iss: "github",
      sub: `installation:${installation.id}`,
      exp: Math.floor(expiresAt / 1000),
      jti: randomBytes(12).toString("hex"),
    };
    const jwt = [
      base64url({ alg: "RS256", typ: "JWT" }),
      base64url(claims),
      randomBytes(256).toString("base64url"),
    ].join(".");
    const token = `ghs_${installation.appId}_${jwt}`;
    this.#installations.set(token, { installationId: installation.id, expiresAt, ...scope });
    return { token, expiresAt };
  }

  revoke(token: string): void {
    this.#users.delete(token);
    this.#installations.delete(token);
  }

  /** The actor behind an Authorization header. Throws a 401 for anything that is present and wrong. */
  fromHeader(header: string | undefined): Actor {
    if (!header) return { kind: "anonymous" };
    const [, scheme = "", value = ""] = /^(\S+)\s+(\S+)$/.exec(header) ?? [];
    if (/^basic$/i.test(scheme)) {
      const [, user = "", password = ""] =
        /^([^:]*):([^]*)$/.exec(Buffer.from(value, "base64").toString()) ?? [];
      // A token may also stand in the name's place: https://TOKEN@…, https://TOKEN:x-oauth-basic@….
      return this.fromToken(password === "" || password === "x-oauth-basic" ? user : password);
    }
    if (!/^(bearer|token)$/i.test(scheme)) throw badCredentials();
    return value.split(".").length === 3 && !value.startsWith("ghs_")
      ? { kind: "app", app: this.fromJwt(value) }
      : this.fromToken(value);
  }

  fromToken(token: string): Actor {
    const user = this.#users.get(token);
    if (user !== undefined) return { kind: "user", account: this.#world.account(user), token };
    const grant = this.#installations.get(token);
    const installation = grant && this.#world.installations.get(grant.installationId);
    if (!grant || !installation || installation.suspendedAt || grant.expiresAt <= this.#world.now())
      throw badCredentials();
    return {
      kind: "installation",
      installation,
      app: this.#world.app(installation.appId),
      repositories: grant.repositories,
      permissions: grant.permissions,
      token,
    };
  }

  private fromJwt(jwt: string): App {
    const [head = "", body = "", signature = ""] = jwt.split(".");
    let header: { alg?: unknown };
    let claims: { iss?: unknown; iat?: unknown; exp?: unknown };
    try {
      header = JSON.parse(Buffer.from(head, "base64url").toString()) as typeof header;
      claims = JSON.parse(Buffer.from(body, "base64url").toString()) as typeof claims;
    } catch {
      throw new Refused(401, "A JSON web token could not be decoded");
    }
    if (header.alg !== "RS256") throw new Refused(401, "A JSON web token could not be decoded");
    const app = [...this.#world.apps.values()].find(
      (one) => String(claims.iss) === String(one.id) || claims.iss === one.clientId,
    );
    if (!app) throw new Refused(401, "'Issuer' claim ('iss') must be an Integer");
    if (
      !verify(
        "RSA-SHA256",
        Buffer.from(`${head}.${body}`),
        app.publicKey,
        Buffer.from(signature, "base64url"),
      )
    ) {
      throw new Refused(401, "A JSON web token could not be decoded");
    }
    const now = Math.floor(this.#world.now() / 1000);
    if (typeof claims.exp !== "number" || !Number.isInteger(claims.exp) || claims.exp <= now) {
      throw new Refused(
        401,
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
      );
    }
    if (claims.exp > now + longestJwt)
      throw new Refused(401, "'Expiration time' claim ('exp') is too far in the future");
    if (
      typeof claims.iat !== "number" ||
      !Number.isInteger(claims.iat) ||
      claims.iat > now + skew
    ) {
      throw new Refused(
        401,
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
      );
    }
    return app;
  }
}

const badCredentials = (): Refused => new Refused(401, "Bad credentials");

/** A key for one rate-limit bucket; never the token itself. */
export function bucketOf(actor: Actor): string {
  if (actor.kind === "anonymous") return "anonymous";
  if (actor.kind === "user") return `user ${actor.account.id}`;
  if (actor.kind === "app") return `app ${actor.app.id}`;
  return `installation ${actor.installation.id}`;
}

/** The account that what this actor makes belongs to. */
export function authorOf(world: World, actor: Actor): Account {
  if (actor.kind === "user") return actor.account;
  if (actor.kind === "installation" || actor.kind === "app") return world.account(actor.app.botId);
  throw new Refused(401, "Requires authentication");
}

export async function generateAppKey(): Promise<{ privateKeyPem: string; publicKey: KeyObject }> {
  const pair = await promisify(generateKeyPair)("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return { privateKeyPem: pair.privateKey, publicKey: createPublicKey(pair.publicKey) };
}
