// Every limit of the object model, with its unit. What the limits protect is one process that parses what strangers send;
// their values are Kubernetes' own where it has one. Nothing here can be configured.

export const limits: {
  /** Nested objects and lists of one document, levels. (encoding/json of Go stops at 10 000; no real object passes 60.) */
  readonly jsonDepthMax: number;
  /** Text of one document, UTF-16 units. The API server limits bodies in bytes before (3 MiB). */
  readonly jsonTextMax: number;
  /** Text of one YAML document, UTF-16 units. YAML takes a hundred times as long to read as JSON: a hostile megabyte holds everyone up for seconds. */
  readonly yamlTextMax: number;
  /** Duplicate keys and other strict findings told per document (sigs.k8s.io/json stops at 100). */
  readonly findingsMax: number;
  /** YAML alias expansions per document. (The billion-laughs attack.) */
  readonly yamlAliasesMax: number;
  /** Documents of one YAML stream. */
  readonly yamlDocumentsMax: number;
  /** Operations of one JSON patch (k8s.io/apiserver: maxJSONPatchOperations). */
  readonly jsonPatchOperationsMax: number;
  /** `copy` operations multiply what they copy: growth of the document by one JSON patch, values. */
  readonly jsonPatchCopiedValuesMax: number;
  /** Text of one selector, UTF-16 units. */
  readonly selectorTextMax: number;
  /** Requirements of one selector, and values of one requirement. */
  readonly selectorTermsMax: number;
  /** All annotations of an object, keys and values, bytes (apimachinery: TotalAnnotationSizeLimitB). */
  readonly annotationsBytesMax: number;
  /** Values of one ConfigMap or Secret together, bytes (core: MaxSecretSize). */
  readonly dataBytesMax: number;
  /** Characters of a DNS label, of a DNS subdomain, of a key in a ConfigMap. */
  readonly dnsLabelMax: number;
  readonly dnsSubdomainMax: number;
  readonly configKeyMax: number;
  /** Characters of `metadata.generateName` that are kept: the whole name fits a DNS label. */
  readonly generateNamePrefixMax: number;
  /** Invalid fields told per object. */
  readonly fieldErrorsMax: number;
} = {
  jsonDepthMax: 200,
  jsonTextMax: 3 * 1024 * 1024,
  yamlTextMax: 512 * 1024,
  findingsMax: 100,
  yamlAliasesMax: 100,
  yamlDocumentsMax: 1000,
  jsonPatchOperationsMax: 10_000,
  jsonPatchCopiedValuesMax: 100_000,
  selectorTextMax: 16_384,
  selectorTermsMax: 1000,
  annotationsBytesMax: 256 * 1024,
  dataBytesMax: 1024 * 1024,
  dnsLabelMax: 63,
  dnsSubdomainMax: 253,
  configKeyMax: 253,
  generateNamePrefixMax: 58,
  fieldErrorsMax: 100,
};
