// The protobuf of reviews (k8s.io/api authorization/v1 and authentication/v1, generated.proto), which are no stored kinds: kubectl
// asks in it. Only what is answered is read.
import type { Json } from "@wherry/kube";
import { decodeProtobufWith } from "./decode.ts";
import { ProtobufReader } from "./reader.ts";

type JsonObject = { [key: string]: Json };
/** By field number: the name of a text, or of a message and its fields. */
type Message = Readonly<Record<number, string | { readonly name: string; readonly fields: Message }>>;

const resource: Message = {
  1: "namespace",
  2: "verb",
  3: "group",
  4: "version",
  5: "resource",
  6: "subresource",
  7: "name",
};
const accessSpec: Message = {
  1: { name: "resourceAttributes", fields: resource },
  2: { name: "nonResourceAttributes", fields: { 1: "path", 2: "verb" } },
};
const specs: Readonly<Record<string, Message>> = {
  SelfSubjectAccessReview: { 2: { name: "spec", fields: accessSpec } },
  SelfSubjectRulesReview: { 2: { name: "spec", fields: { 1: "namespace" } } },
};

/** @throws StatusError 400 */
export const decodeReview = (bytes: Uint8Array, kind: string): Json =>
  decodeProtobufWith(bytes, (object, raw) => read(object, raw, specs[kind] ?? {}));

function read(object: JsonObject, bytes: Uint8Array, message: Message): void {
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const field = message[reader.field];
    if (field === undefined) reader.skip();
    else if (typeof field === "string") object[field] = reader.text();
    else {
      const inner: JsonObject = {};
      read(inner, reader.bytes(), field.fields);
      object[field.name] = inner;
    }
  }
}
