// Parts of @wherry/kube that are about to land; removed then.
import * as kube from "@wherry/kube";
import type { KindInfo, KubeObject } from "@wherry/kube";

interface Landing {
  readonly tableColumns?: (kind: KindInfo) => object[];
  readonly tableRow?: (kind: KindInfo, object: KubeObject, nowMs: number) => unknown[];
  readonly openApiV2?: () => object;
  readonly openApiV3?: (group: string, version: string) => object | undefined;
  readonly openApiV3Index?: () => object;
}
const landed = kube as unknown as Landing;
export const tableColumns = (kind: KindInfo): object[] =>
  landed.tableColumns?.(kind) ?? [{ name: "Name", type: "string", format: "name", description: "", priority: 0 }];
export const tableRow = (kind: KindInfo, object: KubeObject, nowMs: number): unknown[] =>
  landed.tableRow?.(kind, object, nowMs) ?? [object.metadata?.name];
export const openApiV2 = (): object => landed.openApiV2?.() ?? {};
export const openApiV3 = (group: string, version: string): object | undefined => landed.openApiV3?.(group, version);
export const openApiV3Index = (): object => landed.openApiV3Index?.() ?? { paths: {} };
