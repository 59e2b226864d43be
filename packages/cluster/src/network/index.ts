// Addresses and traffic: slots, pods' addresses, the Service proxy. What the daemon composes.
export { type PodAddresses, type PodAddressesOptions, podAddresses } from "./pod-addresses.ts";
export { type ServiceProxy, type ServiceProxyOptions, startServiceProxy } from "./service-proxy.ts";
export { type ClaimOptions, claimSlot, nodesPerSlotMax, type Slot } from "./slots.ts";
