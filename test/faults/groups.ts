/** What of the command is played: all, or the one that is named; a text to match is about rows alone. Null: no such part. */
export function planned({
  only,
  match = "",
}: {
  only?: string | undefined;
  match?: string | undefined;
}): { deploy: boolean; plane: boolean; guest: boolean; stack: boolean } | null {
  switch (only) {
    case undefined:
      return { deploy: true, plane: true, guest: true, stack: match === "" };
    case "deploy":
      return { deploy: true, plane: false, guest: false, stack: false };
    case "plane":
      return { deploy: false, plane: true, guest: false, stack: false };
    case "guest":
      return { deploy: false, plane: false, guest: true, stack: false };
    case "stack":
      return { deploy: false, plane: false, guest: false, stack: true };
    default:
      return null;
  }
}
