import type { InputToken } from "../../protocol/enrolment.ts";

/** What a job may read beside the public: asked for when it is needed, never before. */
export interface SourceAccess {
  /** For the job's own repository; null where it needs none. */
  readonly source: () => Promise<string | null>;
  /** For the listed ones; null where there is nobody to ask. */
  readonly others: () => Promise<InputToken | null>;
  /** `owner/name` behind an address of the host that the tokens are for; null for any other. */
  readonly repositoryOf: (url: string) => string | null;
}

/** Nothing but the public. */
export const PUBLIC_ONLY: SourceAccess = {
  source: async () => null,
  others: async () => null,
  repositoryOf: () => null,
};

/** The access of one job. Each token is asked for once at most. */
export function sourceAccess(
  cloneUrl: string,
  ask: Pick<SourceAccess, "source" | "others">,
): SourceAccess {
  const own = new URL(cloneUrl);
  let source: Promise<string | null> | null = null;
  let others: Promise<InputToken | null> | null = null;
  return {
    source: () => (source ??= ask.source()),
    others: () => (others ??= ask.others()),
    repositoryOf: (url) => {
      const asked = URL.parse(url);
      const name = asked?.origin === own.origin ? nameOf(asked) : "";
      return name.includes("/") ? name : null;
    },
  };
}

/** The token for one address, if any: it is for the host of the job's own repository only. */
export async function accessTo(
  access: SourceAccess,
  url: string,
  cloneUrl: string,
): Promise<string | null> {
  const [asked, own] = [new URL(url), new URL(cloneUrl)];
  if (asked.origin !== own.origin) return null;
  if (bare(asked) === bare(own)) return await access.source();
  const others = await access.others();
  const name = nameOf(asked).toLowerCase();
  const opened = others?.repositories.some((repository) => repository.toLowerCase() === name);
  return opened ? (others?.token ?? null) : null;
}

function nameOf(url: URL): string {
  return bare(url, false).split("/").slice(-2).join("/");
}

/** A clone address without its `.git`; GitHub's names know no case. */
function bare({ pathname }: URL, fold = true): string {
  const path = pathname.replace(/\/$/u, "").replace(/\.git$/u, "");
  return fold ? path.toLowerCase() : path;
}
