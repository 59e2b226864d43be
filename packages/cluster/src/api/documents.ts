// Documents that are the same for everyone and as long as the server runs: made when first asked for, and served with a tag, so that who
// has one need not get it again.
export interface Document {
  readonly json: string;
  readonly etag: string;
}

export class Documents {
  readonly #made: Map<string, Document> = new Map();
  readonly #hashOf: (json: string) => string;

  /** @param hashOf what the tag of a document is */
  constructor(hashOf: (json: string) => string) {
    this.#hashOf = hashOf;
  }

  of(name: string, make: () => object): Document {
    let document = this.#made.get(name);
    if (document === undefined) {
      const json = JSON.stringify(make());
      document = { json, etag: `"${this.#hashOf(json)}"` };
      this.#made.set(name, document);
    }
    return document;
  }
}
