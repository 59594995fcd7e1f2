/** The machines of a netrc, as curl reads it; `default` and macros are nobody's credentials for a host and left out. */
export function netrcMachines(text: string): { host: string; login: string; password: string }[] {
  const words = text
    .replaceAll(/^\s*#.*$/gmu, "")
    .split(/\s+/u)
    .filter((word) => word !== "");
  const machines: { host: string; login: string; password: string }[] = [];
  let current: (typeof machines)[number] | null = null;
  for (let index = 0; index + 1 < words.length; index += 1) {
    const value = words[index + 1] ?? "";
    switch (words[index]) {
      case "machine":
        current = { host: value, login: "", password: "" };
        machines.push(current);
        index += 1;
        break;
      case "default":
        current = null;
        break;
      case "login":
      case "account":
        if (current !== null && words[index] === "login") current.login = value;
        index += 1;
        break;
      case "password":
        if (current !== null) current.password = value;
        index += 1;
        break;
    }
  }
  return machines.filter(({ password }) => password !== "");
}
