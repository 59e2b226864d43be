// Type-aware rules, the ban on ambient time and randomness (DESIGN D10), and the layering inside `cluster`.
import tseslint from "typescript-eslint";

const ambient = {
  "no-restricted-globals": [
    "error",
    { name: "setTimeout", message: "Take a Clock (core/clock.ts)." },
    { name: "setInterval", message: "Take a Clock (core/clock.ts)." },
  ],
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: "Take a Clock (core/clock.ts)." },
    { object: "performance", property: "now", message: "Take a Clock (core/clock.ts)." },
    { object: "Math", property: "random", message: "Take a Random (core/random.ts)." },
  ],
  "no-restricted-syntax": [
    "error",
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "Take a Clock (core/clock.ts)." },
  ],
};

/** Inside `cluster` only `daemon` composes: the others see interfaces, never each other. */
const folderMayNotImport = (folder, banned) => ({
  files: [`packages/cluster/src/${folder}/**/*.ts`],
  ignores: ["**/*.test.ts", "**/*.suite.ts"],
  rules: {
    "@typescript-eslint/no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            group: banned.flatMap((name) => [
              `../${name}/**`,
              `../../${name}/**`,
              `!../${name}/types.ts`,
              `!../../${name}/types.ts`,
            ]),
            message: "Inside cluster only daemon composes; depend on a types.ts, or move the piece.",
          },
        ],
      },
    ],
  },
});

export default tseslint.config(
  { ignores: ["**/dist/**", "**/generated/**", "**/node_modules/**", "coverage/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ["./packages/*/tsconfig.json", "./tsconfig.tests.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/unified-signatures": "off",
      "@typescript-eslint/no-invalid-void-type": ["error", { allowInGenericTypeArguments: true }],
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      eqeqeq: ["error", "always"],
      "no-console": "off",
    },
  },
  {
    files: ["packages/*/src/**/*.ts"],
    ignores: ["**/*.test.ts", "**/*.suite.ts", "packages/core/src/clock.ts", "packages/core/src/random.ts"],
    rules: ambient,
  },
  {
    files: ["**/*.test.ts", "**/*.suite.ts", "tests/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  folderMayNotImport("store", ["api", "controllers", "scheduler", "agent", "network", "daemon"]),
  folderMayNotImport("api", ["controllers", "scheduler", "agent", "network", "daemon"]),
  folderMayNotImport("controllers", ["store", "api", "scheduler", "agent", "network", "daemon"]),
  folderMayNotImport("scheduler", ["store", "api", "controllers", "agent", "network", "daemon"]),
  folderMayNotImport("agent", ["store", "api", "controllers", "scheduler", "network", "daemon"]),
  folderMayNotImport("network", ["store", "api", "controllers", "scheduler", "agent", "daemon"]),
);
