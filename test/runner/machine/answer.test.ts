import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { neverAsked, readAnswer } from "../../../src/runner/machine/answer.ts";
import { encodedWord, fingerprintOf, prepareSsh } from "../../../src/runner/machine/ssh.ts";

const end = {
  exitCode: 0,
  signal: null,
  durationMs: 1,
  timedOut: false,
  cancelled: false,
  startFailure: null,
};
const base64 = (text: string) => Buffer.from(text).toString("base64");

test("an answer is what stands between its first line and its last, whatever a login shell says before", () => {
  const answer = readAnswer(
    "welcome!\nsnowcat-machine 1\nnix 5 6\nunit a\nunit b\nend ok\n",
    "",
    end,
  );
  if (answer.kind !== "answer") throw new Error(answer.why);
  expect(answer.facts.number("nix", 1)).toBe(6);
  expect(answer.facts.each("unit")).toEqual([["a"], ["b"]]);
  expect(answer.facts.word("gone")).toBeNull();
});

test.each([
  [
    "refused",
    `snowcat-machine 1\nend refused busy ${base64("another")}\n`,
    { code: "busy", why: "another" },
  ],
  ["refused", `snowcat-machine 1\nend refused newer ${base64("what")}\n`, { code: "bad-request" }],
  ["refused", "snowcat-machine 2\nend ok\n", { code: "not-prepared" }],
  [
    "failed",
    `snowcat-machine 1\nend failed ${base64("no")} ${base64("log")}\n`,
    { why: "no", log: "log" },
  ],
  // Cut at every place: within a line, before the last, and within the last.
  ["lost", "snowcat-machine 1\nnix 5", {}],
  ["lost", "snowcat-machine 1\nnix 5 6\n", {}],
  ["lost", "snowcat-machine 1\nnix 5 6\nend ok", {}],
  ["failed", "sh: base64: not found\n", {}],
])("%s: %j", (kind, text, data) => {
  expect(readAnswer(text, "", end)).toMatchObject({ kind, ...data });
});

test.each([
  "ssh: connect to host 10.0.0.1 port 22: No route to host",
  "ssh: connect to host 10.0.0.1 port 22: Connection refused",
  "No ED25519 host key is known for snowcat-machine and you have requested strict checking.\nHost key verification failed.",
  "root@10.0.0.1: Permission denied (publickey).",
])("unreachable, for nothing was sent: %s", (why) => {
  expect(readAnswer("", why, { ...end, exitCode: 255 })).toMatchObject({ kind: "unreachable" });
});

test.each([
  ["reset after it was there", "Connection reset by 10.0.0.1 port 22", { ...end, exitCode: 255 }],
  [
    "given up for its silence",
    "Timeout, server 10.0.0.1 not responding.",
    { ...end, exitCode: 255 },
  ],
  ["over its time limit", "", { ...end, exitCode: null, timedOut: true }],
  ["cancelled", "", { ...end, exitCode: null, cancelled: true }],
])("lost, for it may have been done: %s", (_, why, how) => {
  expect(readAnswer("", why, how)).toMatchObject({ kind: "lost" });
  // Where the verb was not sent before something was heard, the same is known to have done nothing.
  expect(neverAsked(why, how)).toMatchObject({ kind: "unreachable" });
});

test("a fingerprint is what ssh-keygen says", () => {
  const directory = mkdtempSync(join(tmpdir(), "snowcat-key-"));
  try {
    const file = join(directory, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    const said = execFileSync("ssh-keygen", ["-lf", file], { encoding: "utf8" }).split(" ")[1];
    const [type, key] = readFileSync(`${file}.pub`, "utf8").split(" ");
    expect(fingerprintOf(`${type} ${key}`)).toBe(said);
    expect(fingerprintOf(`ssh-rsa ${key}`)).toBeNull();
    expect(fingerprintOf(`${type} ${key} comment`)).toBeNull();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const target = {
  address: "10.0.0.1",
  port: 22,
  user: "root",
  sudo: false,
  hostPublicKey: `ssh-ed25519 ${"A".repeat(68)}`,
  identityFile: "/keys/one",
  program: "sent" as const,
};

test("ssh gets no word that a shell reads as more than itself, and nobody's configuration", async () => {
  const ssh = await prepareSsh(target, 5);
  try {
    const argv = ssh.argv(["command", "1", "5", encodedWord("$(reboot) '\"\n`")]);
    expect(argv.slice(0, 3)).toEqual(["ssh", "-F", "none"]);
    for (const option of [
      "StrictHostKeyChecking=yes",
      "ConnectTimeout=5",
      "BatchMode=yes",
      "ControlPath=none",
      "IdentitiesOnly=yes",
    ])
      expect(argv).toContain(option);
    expect(argv.at(-1)).toMatch(/snowcat command 1 5 a[A-Za-z0-9+/]+=*$/u);
    for (const word of ["a b", "$x", "'", "*", ";", ""])
      expect(() => ssh.argv(["command", word])).toThrow("not a word");
  } finally {
    await ssh.close();
  }
});

test.each([
  { address: "-oProxyCommand=reboot" },
  { address: "a b" },
  { user: "-l" },
  { hostPublicKey: "SHA256:AAAA" },
  { identityFile: '/keys/"one' },
])("a target that cannot be one is refused: %j", async (wrong) => {
  await expect(prepareSsh({ ...target, ...wrong }, 5)).rejects.toThrow(
    /host key|address|user|file/u,
  );
});
