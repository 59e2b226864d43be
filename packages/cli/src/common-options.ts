/** Options that every command takes. */
export interface CommonOptions {
  /** The cluster's. */
  readonly name: string;
}
