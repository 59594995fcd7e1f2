import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "../layout.ts";
import { INSIDE } from "../layout.ts";
import type { Self } from "../self.ts";
import type { Job } from "./jobs.ts";
import type { RunRequest } from "./request.ts";

/** What does not change between runs: bubblewrap's arguments for the part of the host that is visible. */
export async function systemArguments(
  paths: Layout,
  self: Self,
  readOnlyPaths: readonly string[],
): Promise<string[]> {
  const args = [
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--die-with-parent",
    "--new-session",
    "--hostname",
    "snowcat",
    "--clearenv",
  ];
  args.push("--ro-bind", "/usr", "/usr");
  for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) {
    const path = `/${name}`;
    const found = await lstat(path).catch(() => null);
    if (found?.isSymbolicLink()) args.push("--symlink", await readlink(path), path);
    else if (found?.isDirectory()) args.push("--ro-bind", path, path);
  }
  for (const name of ["passwd", "group", "nsswitch.conf", "hosts"]) {
    args.push("--ro-bind", join(paths.accounts, name), `/etc/${name}`);
  }
  for (const path of [
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/static/ssl/certs",
    "/run/current-system/sw",
  ]) {
    if (await stat(path).catch(() => null)) args.push("--ro-bind", await realpath(path), path);
  }
  args.push("--ro-bind", "/nix/store", "/nix/store");
  args.push("--ro-bind", "/nix/var/nix/daemon-socket", "/nix/var/nix/daemon-socket");
  args.push("--ro-bind", paths.jobNixConfiguration, INSIDE.nixConfiguration);
  args.push("--ro-bind", join(paths.self, "node"), INSIDE.node);
  if (self.kind === "source")
    args.push("--ro-bind", join(paths.self, "source/src/runner/isolation/init"), INSIDE.init);
  else args.push("--ro-bind", join(paths.self, "snowcat.mjs"), INSIDE.bundle);
  for (const path of readOnlyPaths) args.push("--ro-bind", path, path);
  args.push(
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--perms",
    "0700",
    "--tmpfs",
    "/home",
  );
  return args;
}

/** bubblewrap's arguments for one run; `firstFile` is the descriptor of the first secret. */
export function runArguments(
  request: RunRequest,
  job: Job,
  paths: Layout,
  firstFile: number,
): string[] {
  const args: string[] = [];
  if (request.jobDirectory !== "absent") {
    args.push(
      request.jobDirectory === "read-only" ? "--ro-bind" : "--bind",
      job.directory,
      INSIDE.job,
    );
  }
  for (const bind of request.binds) {
    args.push(bind.access === "read-only" ? "--ro-bind" : "--bind", bind.source, bind.target);
  }
  args.push("--perms", "0700", "--tmpfs", INSIDE.secrets);
  request.files.forEach((file, index) => {
    args.push(
      "--perms",
      "0400",
      "--file",
      String(firstFile + index),
      join(INSIDE.secrets, file.name),
    );
  });
  if (request.network === "proxy")
    args.push("--ro-bind", job.ways?.egressSocket ?? paths.egressSocket, INSIDE.egressSocket);
  if (job.ways !== null) args.push("--ro-bind", job.ways.agentSocket, INSIDE.agentSocket);
  for (const [name, value] of Object.entries(request.env)) args.push("--setenv", name, value);
  args.push("--remount-ro", INSIDE.secrets, "--remount-ro", "/", "--chdir", request.cwd);
  return args;
}

/** What joins its stdin and stdout to a host through the forwarder. */
export function connectArguments(self: Self): string[] {
  const program =
    self.kind === "source"
      ? [`${INSIDE.init}/main.ts`, "connect"]
      : [INSIDE.bundle, "sandbox-connect"];
  return [INSIDE.node, ...program, String(INSIDE.proxyPort)];
}

/** The program, behind the forwarder when it may use the proxy. */
export function programArguments(request: RunRequest, self: Self): string[] {
  if (request.network === "none") return [...request.argv];
  const init =
    self.kind === "source" ? [`${INSIDE.init}/main.ts`] : [INSIDE.bundle, "sandbox-init"];
  return [
    INSIDE.node,
    ...init,
    INSIDE.egressSocket,
    String(INSIDE.proxyPort),
    "--",
    ...request.argv,
  ];
}
