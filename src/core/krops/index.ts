export { kropsDeclared } from "./declared.ts";
export type { KropsDeclared } from "./declared.ts";
export { destructiveSettings } from "./destructive.ts";
export { machinesNamed, PLACE_WORDS } from "./names.ts";
export { CONFIG, EXAMPLE, FOLDERS, kropsNotice, SHARED } from "./notice.ts";
export type { KropsTree } from "./notice.ts";
