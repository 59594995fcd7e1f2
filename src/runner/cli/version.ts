/** Version of the agent, as it tells it to people and to the control plane. The bundle's test compares it with package.json. */
export const VERSION = "0.1.0";
