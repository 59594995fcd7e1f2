import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, start, type RunningProcess } from "../../../src/runner/process/index.ts";
import { describeIsolated, until } from "../../runner/isolation/support.ts";
import { folder } from "../../runner/nix/support.ts";
import type { InputsStage } from "../../runner/source/inputs-stage.ts";
import { inputsStage } from "../../runner/source/inputs-stage.ts";
import { describeJob } from "../../runner/source/inputs-scenarios.ts";

/** OpenSSH's server is no tool of this project: installing it opens a port on many machines. */
const SSHD = [process.env["SNOWCAT_SSHD"] ?? "", "/usr/sbin/sshd"].find(
  (path) => path !== "" && existsSync(path),
);

describeIsolated("inputs over ssh, with the operator's deploy keys", () => {
  const env = { PATH: process.env.PATH ?? "" };
  let stage: InputsStage;
  let root: string;
  let sshd: RunningProcess;
  let port: number;
  let address: string;
  const key = (name: string): Promise<string> => readFile(join(root, name), "utf8");

  beforeAll(async () => {
    if (SSHD === undefined) return;
    root = await mkdtemp(join(tmpdir(), "snowcat-ssh-"));
    port = await freePort();
    for (const name of ["host", "deploy", "stranger"])
      await must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(root, name));
    const work = await folder({ "flake.nix": '{ outputs = _: { word = "from-ssh"; }; }\n' });
    const git = (...args: string[]) =>
      must("git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@example.org", ...args);
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("commit", "--quiet", "--message=first");
    await cp(join(work, ".git"), join(root, "repo.git"), { recursive: true });
    await rm(work, { recursive: true });
    await cp(join(root, "deploy.pub"), join(root, "authorized"));
    const options = {
      ListenAddress: "127.0.0.1",
      Port: port,
      HostKey: join(root, "host"),
      AuthorizedKeysFile: join(root, "authorized"),
      StrictModes: "no",
      UsePAM: "no",
      PasswordAuthentication: "no",
      PidFile: "none",
      PermitRootLogin: "prohibit-password",
    };
    const lines = Object.entries(options).map(([name, value]) => `${name} ${value}\n`);
    await writeFile(join(root, "sshd_config"), lines.join(""));
    await chmod(root, 0o755);
    await mkdir("/run/sshd", { recursive: true });
    sshd = start([SSHD, "-D", "-e", "-f", join(root, "sshd_config")], {
      cwd: "/",
      env,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await until("sshd answers", async () => {
      const scan = await run(["ssh-keyscan", "-p", String(port), "127.0.0.1"], { cwd: "/", env });
      return new TextDecoder().decode(scan.stdout).includes("ssh-ed25519");
    });
    stage = await inputsStage(63_000, undefined, [`127.0.0.1:${port}`]);
    address = `git+ssh://root@127.0.0.1:${port}${root}/repo.git?ref=main`;
  });
  afterAll(async () => {
    await stage?.close();
    sshd?.terminate();
    await sshd?.ended;
    if (root !== undefined) await rm(root, { recursive: true });
  });

  test.skipIf(SSHD === undefined)(
    "the right key at the right host opens it; another key, another host key, and no key do not",
    async () => {
      const flake = {
        "flake.nix": `{ inputs.x.url = "${address}"; outputs = { x, ... }: { packages.x86_64-linux.a = derivation { name = x.word; system = "x86_64-linux"; builder = "/bin/sh"; }; }; }\n`,
      };
      const pinned = async (host: string) => `[127.0.0.1]:${port} ${await key(`${host}.pub`)}`;
      const job = async (name: string | null, host: string) =>
        describeJob(
          await stage.job(flake, {
            operator: {
              netrc: null,
              ssh:
                name === null
                  ? []
                  : [{ host: "127.0.0.1", key: await key(name), knownHosts: await pinned(host) }],
            },
          }),
        );
      expect(await job("stranger", "host")).toMatch(/Permission denied.*deploy key/su);
      expect(await job("deploy", "stranger")).toMatch(/Host key verification failed.*deploy key/su);
      expect(await job(null, "host")).toMatch(/Host key verification failed.*deploy key/su);
      expect(await job("deploy", "host")).toBe("from-ssh");
    },
  );

  async function must(...argv: [string, ...string[]]): Promise<void> {
    const result = await run(argv, { cwd: "/", env });
    if (result.exitCode !== 0) throw new Error(new TextDecoder().decode(result.stderr));
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
