// What `wherry manifest --image` takes, and what it says to a mistake: no two programs get the same image.
import { expect, test } from "vitest";
import { exitCodes } from "../errors.ts";
import { ImageOptions } from "./image-options.ts";

const imagesOf = (given: readonly string[], programs: readonly string[]): (string | undefined)[] => {
  const images = new ImageOptions(given);
  images.check(programs);
  return programs.map(images.of);
};

test.each([
  [[], ["shop"], [undefined]],
  [[], [], []],
  [["reg/shop:1"], ["shop"], ["reg/shop:1"]],
  [["shop=reg/shop:1"], ["shop"], ["reg/shop:1"]],
  [
    ["shop=localhost:5000/shop", "stock=reg/stock:2"],
    ["stock", "shop"],
    ["reg/stock:2", "localhost:5000/shop"],
  ],
  // Who names one of two leaves the other as it was.
  [["shop=reg/shop:1"], ["shop", "stock"], ["reg/shop:1", undefined]],
])("%j of %j", (given, programs, images) => {
  expect(imagesOf(given, programs)).toEqual(images);
});

test.each([
  [["Not An Image"], ["shop"], /takes an image's name, as .*"Not An Image"/],
  [["shop=Not An Image"], ["shop"], /"shop=Not An Image"/],
  [["=reg/shop"], ["shop"], /"=reg\/shop"/],
  [["reg/a:1", "reg/b:1"], ["shop"], /given twice, as reg\/a:1 and reg\/b:1: .* --image NAME=reg\/b:1/],
  [["shop=reg/a:1", "shop=reg/b:1"], ["shop"], /two images for shop/],
  [["reg/a:1", "shop=reg/b:1"], ["shop", "stock"], /say NAME=reg\/a:1/],
  [["reg/a:1"], ["shop", "stock"], /there are 2: .* --image shop=IMAGE --image stock=IMAGE$/],
  [["shpo=reg/a:1"], ["shop", "stock"], /no program "shpo"; did you mean shop\? There are: shop, stock/],
  [["other=reg/a:1"], ["shop"], /no program "other"\. There are: shop/],
  [["shop=reg/a:1", "stock=reg/a:1"], ["shop", "stock"], /reg\/a:1 to shop and to stock/],
  [["reg/a:1"], [], /manifests name their images themselves/],
])("%j of %j is refused", (given, programs, message) => {
  expect(() => imagesOf(given, programs)).toThrow(
    expect.objectContaining({ exitCode: exitCodes.usage, message: expect.stringMatching(message) }),
  );
});
