const VARIABLE = /\$\{([^{}]*)\}/gu;

export type Variables = Readonly<Record<string, string>>;

/** Puts variables into texts: `https://app.${domain}/`. What has no value is kept as it stands, and in `missing`. */
export function filler(variables: Variables): {
  fill: (text: string) => string;
  missing: Set<string>;
} {
  const missing = new Set<string>();
  return {
    missing,
    fill: (text) =>
      text.replace(VARIABLE, (whole, name: string) => {
        if (Object.hasOwn(variables, name)) return variables[name] ?? whole;
        missing.add(name);
        return whole;
      }),
  };
}
