import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Output } from "../../../src/runner/deploy/methods/output.ts";
import { sshWrapper } from "../../../src/runner/deploy/methods/wrapper.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { run } from "../../../src/runner/process/index.ts";
import { policyJson } from "../deploy/support.ts";

describe("ssh in the place of a tool", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "snowcat-wrapper-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** What ssh itself would do, after all that it was told: `ssh -G`. */
  async function effective(connect: readonly string[] | null, how: "wrapper" | "config") {
    const { web } = DeployPolicy.parse(policyJson()).machines;
    if (web === undefined) throw new Error("the policy has no web");
    const path = process.env.PATH ?? "";
    const { script, config } = sshWrapper({
      machine: { ...web, address: "192.0.2.7", port: 2_222, user: "deployer" },
      connectSeconds: 7,
      knownHosts: join(directory, "known hosts"),
      publicKey: join(directory, "key's.pub"),
      agentSocket: join(directory, "agent"),
      connect,
      path,
    });
    const [wrapper, file] = [join(directory, "ssh"), join(directory, "config")];
    await writeFile(wrapper, script);
    await chmod(wrapper, 0o755);
    await writeFile(file, config, { mode: 0o600 });
    const tools = [
      "-o",
      "ControlMaster=auto",
      "-o",
      "ControlPath=/tmp/x",
      "-o",
      "HostName=192.0.2.99",
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-p",
      "1",
      "-o",
      "ProxyCommand=evil",
      "-o",
      "IdentityFile=/root/.ssh/id",
      "-F",
      "/nonexistent",
    ];
    const argv: [string, ...string[]] =
      how === "wrapper"
        ? [wrapper, "-G", ...tools.slice(0, -2), "somebody@elsewhere"]
        : ["ssh", "-F", file, "-G", "elsewhere"];
    const end = await run(argv, { env: { PATH: path } });
    expect(end.exitCode, new TextDecoder().decode(end.stderr)).toBe(0);
    const lines = new TextDecoder().decode(end.stdout).trim().split("\n");
    return new Map(lines.map((line) => [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)]));
  }

  test.each(["wrapper", "config"] as const)(
    "goes to the policy's machine as its user and believes its key alone, by the %s",
    async (how) => {
      const seen = await effective(null, how);
      expect(Object.fromEntries(seen)).toMatchObject({
        hostname: "192.0.2.7",
        port: "2222",
        user: "deployer",
        hostkeyalias: "snowcat-machine",
        stricthostkeychecking: "true",
        batchmode: "yes",
        connecttimeout: "7",
        identitiesonly: "yes",
        identityagent: join(directory, "agent"),
        controlmaster: "false",
        forwardagent: "no",
      });
      expect(seen.get("userknownhostsfile")).toContain(join(directory, "known hosts"));
      expect(seen.get("controlpath") ?? "none").toBe("none");
      expect(seen.get("proxycommand") ?? "none").toBe("none");
    },
  );

  test("goes through the sandbox's proxy where there is one", async () => {
    const seen = await effective(["/run/node", "/run/main.ts", "connect", "3128"], "wrapper");
    expect(seen.get("proxycommand")).toBe("/run/node /run/main.ts connect 3128 %h %p");
  });
});

describe("what a tool says", () => {
  test("is told as lines in the order they come, and its end is kept", () => {
    const lines: string[] = [];
    const output = new Output((line) => void lines.push(line));
    const say = (name: "stdout" | "stderr", text: string) =>
      output.take(name, new TextEncoder().encode(text));
    say("stdout", "building ");
    say("stderr", "warning: old\n");
    say("stdout", "web\r\nde");
    output.take("stdout", Uint8Array.of(0xc3));
    output.take("stdout", Uint8Array.of(0xa9));
    expect(output.end()).toBe("warning: old\nbuilding web\ndeé");
    expect(lines).toEqual(["warning: old", "building web", "deé"]);
  });

  test("is cut where it never ends a line, and kept to its end where there is much", () => {
    const lines: string[] = [];
    const output = new Output((line) => void lines.push(line));
    output.take("stderr", new TextEncoder().encode("x".repeat(20_000)));
    output.take("stderr", new TextEncoder().encode(`${"y\n".repeat(20_000)}the end\n`));
    expect(lines[0]).toHaveLength(20_000);
    const end = output.end();
    expect(end.length).toBeLessThanOrEqual(16_384);
    expect(end.endsWith("the end")).toBe(true);
  });
});
