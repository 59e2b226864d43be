// Every limit of the network, by name and unit.

/** Connections that one Service port forwards at once; more are refused. */
export const connectionsPerPortMax: number = 10_000;
/** How long one backend may take to accept before the next is tried. */
export const connectTimeoutMs: number = 2_000;
/** Backends that are tried for one connection. */
export const connectTriesMax: number = 5;
/** How often a listener whose address is taken by another program tries again. */
export const listenRetryMs: number = 5_000;
/** Clients remembered for session affinity, of one Service. */
export const affinityClientsMax: number = 10_000;
/** Slots: the second octet of 127.S.0.0/16. 0 holds the machine's own 127.0.0.1. */
export const slotMin: number = 1;
export const slotMax: number = 254;
