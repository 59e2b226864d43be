// Addresses and traffic: slots, pods' addresses, the Service proxy. What the daemon composes.
export { podAddresses } from "./pod-addresses.ts";
export { startServiceProxy } from "./service-proxy.ts";
export { claimSlot, type Slot } from "./slots.ts";
