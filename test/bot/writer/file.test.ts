import type { Octokit } from "@octokit/rest";
import { expect, it } from "vitest";
import { file } from "../../../src/bot/github/client/index.ts";

const SHA = "a".repeat(40);
/** GitHub's answer for a path; nothing else is asked at a commit. */
const answering = (data: unknown) =>
  ({ request: () => Promise.resolve({ data }) }) as unknown as Octokit;
const read = (data: unknown) => file(answering(data), { owner: "o", name: "r" }, "x", SHA, null);

it.each([
  ["a file", { type: "file", encoding: "base64", content: btoa("a\n") }, { text: "a\n" }],
  ["a folder", [{ type: "file" }], { text: null, problem: "must be a file, and is a folder" }],
  [
    "a link that leads nowhere",
    { type: "symlink", target: "/etc" },
    { text: null, problem: "must be a file, and is a symlink" },
  ],
  [
    "a submodule",
    { type: "submodule" },
    { text: null, problem: "must be a file, and is a submodule" },
  ],
  [
    "more than 1 MB",
    { type: "file", encoding: "none", content: "" },
    { text: null, problem: "must be a file, and is larger than GitHub gives out" },
  ],
])("%s at the path of a file", async (_name, data, expected) => {
  expect(await read(data)).toEqual({ ...expected, commit: SHA });
});

it("what GitHub does not describe is no answer", async () => {
  await expect(read({ type: "file", encoding: "utf-9", content: "" })).rejects.toThrow(
    "Invalid input",
  );
});
