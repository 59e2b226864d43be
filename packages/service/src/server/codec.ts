// Which of JSON and the service's codec a caller's bodies are in, each way.
import { ServiceError } from "../errors.ts";
import { contentType } from "../protocol/codes.ts";
import { type Codec, type Content, decodeArgument } from "../protocol/content.ts";
import type { Caller } from "./caller.ts";

type Speaker = Pick<Caller, "codec">;

/** The service's codec, if this caller speaks it; undefined: JSON. */
export function codecFor(caller: Speaker, codec: Codec | undefined): Codec | undefined {
  return codec !== undefined && caller.codec === codec.name ? codec : undefined;
}

/** What a caller sent. @throws ServiceError INVALID, TOO_LARGE */
export function decodeFrom(caller: Speaker, { content, body }: Content, codec: Codec | undefined): unknown {
  // From a broker it has been compared before.
  if (content === contentType.coded && caller.codec !== undefined && caller.codec !== codec?.name)
    throw otherCodec(caller.codec, codec);
  return decodeArgument(content, body, codec);
}

/** @param theirs undefined: of one who did not say. */
export function otherCodec(theirs: string | undefined, codec: Codec | undefined): ServiceError {
  const ours = codec === undefined ? "JSON and bytes" : `JSON, bytes and codec ${codec.name}`;
  const message = `body: expected ${ours}, got one of codec ${theirs ?? "?"}; give service and client the same contract`;
  return new ServiceError("INVALID", message);
}
