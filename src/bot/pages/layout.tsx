import type { Child } from "hono/jsx";

export type LayoutProps = {
  title: string;
  banner: string | undefined;
  refresh?: { seconds: number; url: string } | null;
  script?: boolean;
  children: Child;
};

/** Every page. Text is escaped by JSX; no page has inline script or style. */
export function Layout({ title, banner, refresh, script, children }: LayoutProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · Snowcat`}</title>
        <link rel="stylesheet" href="/assets/style.css" />
        {refresh ? (
          <noscript>
            <meta http-equiv="refresh" content={`${refresh.seconds}; url=${refresh.url}`} />
          </noscript>
        ) : null}
        {script ? <script src="/assets/log.js" defer></script> : null}
      </head>
      <body>
        {banner ? (
          <p class="banner" role="alert">
            {banner}
          </p>
        ) : null}
        {children}
      </body>
    </html>
  );
}
