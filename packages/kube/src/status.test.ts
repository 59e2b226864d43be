// Refusals read as Kubernetes' own, and anything thrown becomes one.
import { expect, test } from "vitest";
import { resources } from "./schema/kinds.ts";
import * as status from "./status.ts";

const { deployments, pods } = resources;

test("messages, codes and details are Kubernetes' own", () => {
  expect(status.notFound(deployments, "x").status).toEqual({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'deployments.apps "x" not found',
    reason: "NotFound",
    details: { name: "x", group: "apps", kind: "deployments" },
    code: 404,
  });
  expect(status.alreadyExists(pods, "x").message).toBe('pods "x" already exists');
  expect(status.conflict(deployments, "x").message).toBe(
    'Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your changes to the latest version and try again',
  );
  expect(status.forbidden(pods, "", 'User "u" cannot list resource "pods"').message).toBe(
    'pods is forbidden: User "u" cannot list resource "pods"',
  );
  expect(status.methodNotAllowed(pods, "create").httpStatus).toBe(405);
  expect(status.expired("too old resource version: 5 (10)", "next").status).toMatchObject({
    code: 410,
    reason: "Expired",
    metadata: { continue: "next" },
  });
  expect(status.tooManyRequests("wait", 10).status.details).toEqual({ retryAfterSeconds: 10 });
});

test("an invalid object names its kind, and each cause once in the message", () => {
  const required = { field: "spec.containers", reason: "FieldValueRequired", message: "Required value" } as const;
  const one = status.invalid(pods, "x", [required]);
  expect(one.message).toBe('Pod "x" is invalid: spec.containers: Required value');
  const other = { field: "spec.a", reason: "FieldValueInvalid", message: "Invalid value: 3" } as const;
  const several = status.invalid(deployments, "x", [required, other, required]);
  expect(several.message).toBe(
    'Deployment.apps "x" is invalid: [spec.containers: Required value, spec.a: Invalid value: 3]',
  );
  expect(several.status.details).toEqual({
    name: "x",
    group: "apps",
    kind: "Deployment",
    causes: [required, other, required].map(({ field, reason, message }) => ({ field, reason, message })),
  });
});

test("a refusal carries a stable code and says whether trying again helps", () => {
  expect(status.notFound(pods, "x")).toMatchObject({ code: "KUBE_NOT_FOUND", retryable: false, reason: "NotFound" });
  expect(status.tooLarge("3 MiB").code).toBe("KUBE_REQUEST_ENTITY_TOO_LARGE");
  expect(status.serviceUnavailable("draining").retryable).toBe(true);
});

test("anything that was thrown becomes a Status", () => {
  expect(status.statusOf(status.unauthorized())).toMatchObject({ code: 401, message: "Unauthorized" });
  expect(status.statusOf(new Error("disk"))).toMatchObject({ code: 500, message: "Internal error occurred: disk" });
});
