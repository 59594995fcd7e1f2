export { checkCommand } from "./command.ts";
export { CheckoutProblem, configurationText, copyCheckout } from "./checkout.ts";
export { runOnCheckout } from "./checkout-command.ts";
