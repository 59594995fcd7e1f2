import { describe, expect, test } from "vitest";
import { accountFiles, accounts } from "../../../src/runner/isolation/accounts.ts";
import { IsolationConfiguration } from "../../../src/runner/isolation/configuration.ts";
import { nixConfiguration } from "../../../src/runner/isolation/nix-configuration.ts";

describe("accounts", () => {
  const plan = accounts({ uidBase: 40_000, buildUsers: 3, jobUsers: 2 });

  test("no number is given twice", () => {
    const all = [plan.agent, plan.egress, plan.buildGroup, ...plan.buildUsers, ...plan.jobUsers];
    expect(new Set(all).size).toBe(all.length);
  });

  test("the host's entries stay, its build users are replaced", () => {
    const files = accountFiles(plan, {
      passwd: "root:x:0:0::/root:/bin/sh\nnixbld1:x:30001:30000::/:/bin/false\n",
      group: "root:x:0:\nnixbld:x:30000:nixbld1\n",
    });
    expect(files.passwd).toContain("root:x:0:0::/root:/bin/sh\n");
    expect(files.passwd.match(/^nixbld1:.*$/gm)).toEqual([
      "nixbld1:x:40010:40002::/var/empty:/usr/sbin/nologin",
    ]);
    expect(files.group.match(/^nixbld:.*$/gm)).toEqual(["nixbld:x:40002:nixbld1,nixbld2,nixbld3"]);
  });
});

describe("nix.conf", () => {
  const lines = (settings: Record<string, string>) =>
    nixConfiguration("/conf", { sandboxShell: "/bin/busybox", settings }).split("\n");

  test("takes the operator's lines, and keeps what isolation rests on", () => {
    expect(lines({ substituters: "https://cache.example.org" })).toEqual(
      expect.arrayContaining([
        "substituters = https://cache.example.org",
        "sandbox = true",
        "sandbox-fallback = false",
        "build-users-group = nixbld",
        "trusted-users = root",
        "accept-flake-config = false",
        "flake-registry = /conf/registry.json",
        "sandbox-paths = /bin/sh=/bin/busybox",
      ]),
    );
  });

  test.each(["sandbox", "trusted-users", "extra-trusted-users", "build-users-group"])(
    "refuses %s",
    (name) => {
      expect(() => lines({ [name]: "x" })).toThrow(`nix settings ${name} are fixed`);
    },
  );
});

describe("configuration", () => {
  test.each([
    ["a pattern without a port", { egress: ["example.org"] }],
    ["a star inside a name", { egress: ["ex*mple.org:443"] }],
    ["a setting that would add a line", { nix: { cores: "1\nsandbox = false" } }],
    ["a name that would add a line", { nix: { "cores = 1\nsandbox": "false" } }],
    ["a relative path", { readOnlyPaths: ["etc"] }],
    ["a key it does not know", { sandbox: false }],
    ["root's own number", { uidBase: 0 }],
  ])("refuses %s", (_what, part) => {
    const parsed = IsolationConfiguration.safeParse({
      stateDirectory: "/var/lib/snowcat",
      ...part,
    });
    expect(parsed.success).toBe(false);
  });

  test("needs a state directory only", () => {
    expect(IsolationConfiguration.parse({ stateDirectory: "/var/lib/snowcat" })).toMatchObject({
      store: "private",
      egress: ["*:443"],
      readOnlyPaths: [],
    });
  });
});
