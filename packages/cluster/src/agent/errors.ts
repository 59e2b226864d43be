// The errors by which the agent tells its own parts why a container can't run yet.
import { WherryError } from "@wherry/core";

/** The pod's spec asks for something that is not there or not allowed: a missing ConfigMap key, a path that escapes. */
export function configError(message: string): WherryError {
  return new WherryError(message, { code: "AGENT_CONTAINER_CONFIG", retryable: true });
}
