import type { Project } from "../demo/stage.ts";

/** What anybody on the network reads of one run: its page and its logs. */
export class RunPage {
  readonly url: string;
  readonly html: string;

  private constructor(url: string, html: string) {
    this.url = url;
    this.html = html;
  }

  /** The newest run of a commit, by the link of its check. */
  static async of(project: Project, sha: string): Promise<RunPage> {
    const url = linkOf(project, sha);
    const response = await fetch(url);
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
    return new RunPage(url, await response.text());
  }

  /** Verdicts in the page's words, by attribute. */
  get attributes(): Record<string, string> {
    const rows = this.html
      .slice(this.html.indexOf("<h2>Attributes</h2>"))
      .matchAll(/<tr><td><code>(.*?)<\/code><\/td>.*?<span[^>]*>(.*?)<\/span>/gsu);
    return Object.fromEntries(
      [...rows].map(([, name = "", verdict = ""]) => [unescape(name), unescape(verdict)]),
    );
  }

  /** Addresses of the logs it links to. */
  get logs(): string[] {
    const links = [...this.html.matchAll(/href="(\/runs\/[^"]*\/logs\/[^"]*)"/gu)].map(
      ([, path = ""]) => new URL(unescape(path), this.url).href,
    );
    return [...new Set(links)];
  }

  /** Address of the log of one attribute's build. */
  logOf(attribute: string): string {
    const row =
      this.html
        .split("<tr>")
        .find((one) => unescape(one).startsWith(`<td><code>${attribute}</code>`)) ?? "";
    const path = /href="([^"]*\/logs\/[^"]*)"/u.exec(row)?.[1];
    if (path === undefined) throw new Error(`${attribute} has no link to a log: ${row}`);
    return new URL(unescape(path), this.url).href;
  }

  /** Every log to its end, in one text. */
  async logText(): Promise<string> {
    return (await Promise.all(this.logs.map((log) => rawLog(log)))).join("\n");
  }
}

export function linkOf(project: Project, sha: string): string {
  const check = project.checkRuns(sha).findLast(({ name }) => name === "snowcat");
  if (!check?.detailsUrl) throw new Error(`the check of ${sha} has no link`);
  return check.detailsUrl;
}

/** What is there of one log, whatever it takes. */
export async function rawLog(log: string): Promise<string> {
  let text = "";
  for (let from = "0"; ;) {
    const response = await fetch(`${log}/raw?from=${from}`);
    if (response.status === 404) return text;
    const part = await response.text();
    text += part;
    from = response.headers.get("x-snowcat-next") ?? from;
    if (part === "" || response.headers.get("x-snowcat-closed") === "yes") return text;
  }
}

/** Everything GitHub was given about a commit. */
export function shown(project: Project, sha: string): string {
  return JSON.stringify(project.checkRuns(sha));
}

function unescape(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|#39|amp);/gu, (whole, name: string) => named[name] ?? whole);
}
