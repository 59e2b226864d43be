// Which method an HTTP path leads to, and which paths two methods may not share.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { service } from "../define.ts";
import { addressesOf, type HttpRoutes, Router } from "./route.ts";

const method = (name: string, http?: HttpRoutes, trust: "internal" | "external" = "external") => ({
  name,
  http,
  trust,
});
const find = (router: Router<ReturnType<typeof method>>, verb: string, path: string) => {
  const match = router.find(verb, path);
  return match === undefined ? undefined : [match.route.method.name, match.parameters];
};

describe("a method's address", () => {
  test("is POST and its name, unless it says another; nowhere when it trusts its callers", () => {
    expect(addressesOf(method("buy"))).toEqual(["POST /buy"]);
    expect(addressesOf(method("stock", "GET /stock/{item}"))).toEqual(["GET /stock/{item}"]);
    expect(addressesOf(method("stock", ["GET /stock", "POST /stock"]))).toEqual(["GET /stock", "POST /stock"]);
    expect(addressesOf(method("buy", false))).toEqual([]);
    expect(addressesOf(method("reset", undefined, "internal"))).toEqual([]);
    expect(addressesOf(method("reset", "POST /reset", "internal"))).toEqual(["POST /reset"]);
  });

  test.each([
    ["no verb", "/stock"],
    ["a verb of no use", "HEAD /stock"],
    ["the root, where the explorer is", "GET /"],
    ["a parameter in a piece", "GET /stock-{item}"],
    ["a parameter twice", "GET /{item}/{item}"],
    ["a space", "GET /a b"],
    ["a query", "GET /stock?item=1"],
    ["the description's own", "GET /openapi.json"],
  ])("with %s is refused when the service is defined", (_name, http) => {
    const define = (): unknown => service("shop", { methods: { stock: { http, handler: () => 1 } } });
    expect(define).toThrow(expect.objectContaining({ code: "SERVICE_DEFINITION_INVALID" }));
  });

  test("that two methods claim is refused, whatever they call its parameter", () => {
    const methods = {
      a: { http: "GET /stock/{item}", handler: () => 1 },
      b: { http: "GET /stock/{name}", handler: () => 2 },
    };
    expect(() => service("shop", { methods })).toThrow(/methods\.b\.http: expected an address that is not that of a/);
  });
});

describe("a path", () => {
  const router = new Router([
    method("list", "GET /stock"),
    method("one", "GET /stock/{item}"),
    method("best", "GET /stock/best"),
    method("part", "GET /{kind}/{item}/part"),
    method("cup", "GET /stock/{item}/part"),
    method("put", "PUT /stock/{item}"),
    method("buy"),
  ]);

  test("leads to the method whose address fits, literal pieces before parameters", () => {
    expect(find(router, "GET", "/stock")).toEqual(["list", {}]);
    expect(find(router, "GET", "/stock/cup")).toEqual(["one", { item: "cup" }]);
    expect(find(router, "GET", "/stock/best")).toEqual(["best", {}]);
    expect(find(router, "GET", "/stock/cup/part")).toEqual(["cup", { item: "cup" }]);
    expect(find(router, "GET", "/food/cup/part")).toEqual(["part", { kind: "food", item: "cup" }]);
    expect(find(router, "PUT", "/stock/cup")).toEqual(["put", { item: "cup" }]);
    expect(find(router, "POST", "/buy")).toEqual(["buy", {}]);
  });

  test("leads nowhere when nothing fits exactly", () => {
    for (const path of ["/", "/stock/", "/stock//", "/stock/cup/part/more", "/buy/", "//buy", "/STOCK"])
      expect(find(router, "GET", path)).toBeUndefined();
    expect(router.verbsOf("/stock/cup")).toEqual(["GET", "PUT"]);
  });

  test("gives any text back as it was encoded", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(text, (item) => {
        expect(find(router, "PUT", `/stock/${encodeURIComponent(item)}`)).toEqual(["put", { item }]);
      }),
    );
  });

  test("with a broken encoding is an error, never a match", () => {
    expect(() => router.find("GET", "/stock/%E0%A4%A")).toThrow(URIError);
  });
});
