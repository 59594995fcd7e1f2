export { checkCommand } from "./command.ts";
export { CheckoutProblem, configurationText, copyCheckout } from "./checkout.ts";
export { isolationFor } from "./place.ts";
