import { readFile } from "node:fs/promises";
import type { IsolationConfiguration } from "./configuration.ts";

/** The users of one runner; a user's group has the same number, but for the build users. */
export interface Accounts {
  readonly agent: number;
  readonly egress: number;
  readonly buildGroup: number;
  readonly buildUsers: readonly number[];
  readonly jobUsers: readonly number[];
}

export function accounts(
  config: Pick<IsolationConfiguration, "uidBase" | "buildUsers" | "jobUsers">,
): Accounts {
  const builds = config.uidBase + 10;
  const jobs = builds + config.buildUsers;
  return {
    agent: config.uidBase,
    egress: config.uidBase + 1,
    buildGroup: config.uidBase + 2,
    buildUsers: Array.from({ length: config.buildUsers }, (_, index) => builds + index),
    jobUsers: Array.from({ length: config.jobUsers }, (_, index) => jobs + index),
  };
}

/** The text of passwd and group: `base` followed by the runner's own entries. */
export function accountFiles(
  plan: Accounts,
  base: { passwd: string; group: string },
): { passwd: string; group: string } {
  const user = (name: string, uid: number, gid: number): string =>
    `${name}:x:${uid}:${gid}::/var/empty:/usr/sbin/nologin\n`;
  const own = [
    ["snowcat", plan.agent],
    ["snowcat-egress", plan.egress],
    ...plan.jobUsers.map((uid, index) => [`snowcat-job-${index + 1}`, uid] as const),
  ] as const;
  const builders = plan.buildUsers.map((uid, index) => [`nixbld${index + 1}`, uid] as const);
  return {
    passwd:
      lines(base.passwd, /^nixbld\d+:/) +
      own.map(([name, id]) => user(name, id, id)).join("") +
      builders.map(([name, id]) => user(name, id, plan.buildGroup)).join(""),
    group:
      lines(base.group, /^nixbld:/) +
      own.map(([name, id]) => `${name}:x:${id}:\n`).join("") +
      `nixbld:x:${plan.buildGroup}:${builders.map(([name]) => name).join(",")}\n`,
  };
}

/** What a sandbox sees: enough for programs that ask who they are. */
export function sandboxAccountFiles(plan: Accounts): { passwd: string; group: string } {
  const ids = plan.jobUsers.map((uid, index) => [`snowcat-job-${index + 1}`, uid] as const);
  return {
    passwd: `root:x:0:0::/home:/bin/sh\nnobody:x:65534:65534::/home:/bin/sh\n${ids.map(([name, id]) => `${name}:x:${id}:${id}::/home:/bin/sh\n`).join("")}`,
    group: `root:x:0:\nnogroup:x:65534:\n${ids.map(([name, id]) => `${name}:x:${id}:\n`).join("")}`,
  };
}

/** Reads the host's files, and refuses a range in which somebody else already lives. */
export async function hostAccountFiles(plan: Accounts): Promise<{ passwd: string; group: string }> {
  const [passwd, group] = await Promise.all([
    readFile("/etc/passwd", "utf8"),
    readFile("/etc/group", "utf8"),
  ]);
  const ours = new Set([
    plan.agent,
    plan.egress,
    plan.buildGroup,
    ...plan.buildUsers,
    ...plan.jobUsers,
  ]);
  for (const line of [...passwd.split("\n"), ...group.split("\n")]) {
    const [name = "", , id] = line.split(":");
    if (id && ours.has(Number(id)) && !/^(snowcat|nixbld)/.test(name)) {
      throw new Error(
        `number ${id} of the runner's range belongs to "${name}" on this host: set uidBase to a free range`,
      );
    }
  }
  return { passwd, group };
}

function lines(text: string, except: RegExp): string {
  return text
    .split("\n")
    .filter((line) => line !== "" && !except.test(line))
    .map((line) => `${line}\n`)
    .join("");
}
