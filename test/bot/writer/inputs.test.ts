import { describe, expect, it } from "vitest";
import type { Only } from "../../../src/bot/github/client/index.ts";
import { mintInputs } from "../../../src/bot/objects/writer/inputs.ts";

/** GitHub's answer to a list that holds a repository which the installation does not have: all or nothing. */
function installedOn(...installed: string[]) {
  const minted: (readonly string[])[] = [];
  const mintFor = async (only: Only) => {
    const names = "names" in only ? only.names : [];
    if (names.some((name) => !installed.includes(name)))
      throw Object.assign(new Error("There is at least one repository that does not exist"), {
        status: 422,
      });
    minted.push(names);
    return { token: `token-${minted.length}`, expiresAt: minted.length };
  };
  return { minted, mintFor };
}

describe("a token for private inputs", () => {
  it("is one, for all of them and the job's own", async () => {
    const { mintFor, minted } = installedOn("own", "a", "b");
    expect(await mintInputs(mintFor, "own", ["a", "b", "own"])).toEqual({
      token: { token: "token-1", expiresAt: 1 },
      opened: ["a", "b", "own"],
      notInstalled: [],
    });
    expect(minted).toEqual([["own", "a", "b"]]);
  });

  it("opens the others where one is not installed, and names that one", async () => {
    const { mintFor, minted } = installedOn("own", "a");
    const found = await mintInputs(mintFor, "own", ["gone", "a"]);
    expect(found).toMatchObject({ opened: ["a"], notInstalled: ["gone"] });
    expect(found.token?.token).toBe(`token-${minted.length}`);
    expect(minted.at(-1)).toEqual(["own", "a"]);
  });

  it("is none where nothing is installed, and no other failure is taken for that", async () => {
    const { mintFor } = installedOn("own");
    expect(await mintInputs(mintFor, "own", ["gone"])).toEqual({
      token: null,
      opened: [],
      notInstalled: ["gone"],
    });
    const away = async () => {
      throw Object.assign(new Error("Service Unavailable"), { status: 503 });
    };
    await expect(mintInputs(away, "own", ["a"])).rejects.toThrow("Service Unavailable");
  });
});
