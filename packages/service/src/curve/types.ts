// Encryption and authentication between services by keys (CURVE: RFC 25 and 26 of ZeroMQ). Options only; serving.ts and dialling.ts do it.

/** How a service encrypts, and whom it lets in. */
export interface ServiceCurve {
  /**
   * The file with the service's secret key: 40 characters of Z85. Several lines are several keys, of which a client may know any: that is
   * how a key is changed without an outage. `#` begins a comment.
   */
  readonly secretKeyFile: string;
  /**
   * Who may connect: public keys in Z85, and files with one a line; or a function that decides, by the key. Nobody else is let in, and
   * whoever is taken away, or is a no when the function is asked again, loses the connections that he has: asked each second.
   */
  readonly allow: readonly string[] | ((publicKey: string) => boolean | Promise<boolean>);
}

/** Whom a client talks to, and who it is. */
export interface ClientCurve {
  /** The service's public key, in Z85: nobody else is talked to. */
  readonly serverKey: string;
  /** The client's own secret key, in Z85. Default: a new one, which a service lets in only if it lets everyone in. */
  readonly secretKey?: string;
}

/** A key in Z85 (RFC 32): 32 bytes in 40 characters. */
export const keyPattern: RegExp = /^[0-9A-Za-z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;
