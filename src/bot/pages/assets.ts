/** The stylesheet and the one script, served from paths of their own so that the policy needs no exception. */
export const STYLE = `
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --warn: #b26a00 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top }
code, pre { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere } pre { border: 1px solid var(--line); overflow-x: auto; padding: .75rem; white-space: pre-wrap }
.banner { background: var(--bad); color: #fff; margin: -1rem -1rem 1rem; padding: .5rem 1rem }
.good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
dl { display: grid; gap: .25rem 1rem; grid-template-columns: max-content 1fr } dt { font-weight: 600 } dd { margin: 0 }
`;

/** Follows a log that is still written: asks for what is new, appends it as text. Stops when the stream is closed. */
export const SCRIPT = `
const log = document.querySelector("pre[data-next]");
if (log) {
  let next = log.dataset.next;
  const ask = async () => {
    let wait = 500;
    try {
      const answer = await fetch(log.dataset.raw + "?from=" + next, { cache: "no-store" });
      if (answer.status === 404) return;
      if (answer.ok) {
        const atEnd = innerHeight + scrollY >= document.body.scrollHeight - 40;
        log.append(document.createTextNode(await answer.text()));
        next = answer.headers.get("x-snowcat-next") ?? next;
        if (atEnd) scrollTo(0, document.body.scrollHeight);
        if (answer.headers.get("x-snowcat-closed") === "yes") return void (document.querySelector("#state").textContent = "closed");
      }
    } catch { wait = 3000 }
    setTimeout(ask, wait);
  };
  setTimeout(ask, 500);
}
`;
