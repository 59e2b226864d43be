// The files of a new service, by their paths. Pure: writes nothing. The manifest is the one that `wherry manifest --production`
// prints; what the Dockerfile says is kept in step with it (user, ports).
import { yamlOf } from "../commands/manifest.ts";
import { nonRootUser, productionObjects } from "../up/production.ts";
import { ports } from "../up/service-file.ts";
import { dependenciesOf, type Vendored } from "./vendor.ts";

export interface ScaffoldOptions {
  /** It answers HTTP as well. */
  readonly http: boolean;
  /** Of the packages. */
  readonly version: string;
  /** The packages, if they are not a registry's. */
  readonly packed: Vendored | undefined;
}

/** An error of the new service's own, and none of ours. */
const ownCode = "NAME_MISSING";

/** What the packages need, too: the first that runs TypeScript without a flag. */
const oldestNode = "22.18";

export function scaffold(name: string, options: ScaffoldOptions): ReadonlyMap<string, string> {
  return new Map([
    ["package.json", packageJson(name, options)],
    ["main.ts", main(options)],
    ["service.ts", service(name, options)],
    ["service.test.ts", test],
    ["node-version.js", nodeVersion],
    [".npmrc", "engine-strict=true\n"],
    ["tsconfig.json", tsconfig],
    ["Dockerfile", dockerfile(options)],
    [".dockerignore", dockerignore(options)],
    [".gitignore", "node_modules/\n"],
    [`k8s/${name}.yaml`, manifest(name, options)],
    [".github/workflows/ci.yml", workflow],
    ["README.md", readme(name, options)],
  ]);
}

function packageJson(name: string, { version, packed }: ScaffoldOptions): string {
  const ours = dependenciesOf(version, packed);
  const content = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    engines: { node: `>=${oldestNode}` },
    wherry: "main.ts",
    // An older Node finds no test in a .ts file, and calls that success.
    scripts: {
      start: "node node-version.js && exec node main.ts",
      test: "node node-version.js && node --test",
      check: "tsc",
    },
    dependencies: ours.dependencies,
    devDependencies: { "@types/node": "^24.0.0", typescript: "^6.0.0", ...ours.devDependencies },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const main = ({ http }: ScaffoldOptions): string => `// The program: runs the service as this process.
import { run } from "@wherry/service";
import { service } from "./service.ts";

await run(service${http ? ", { http: true }" : ""});
`;

function service(name: string, { http }: ScaffoldOptions): string {
  const rest = http ? '\n      http: "POST /greet",' : "";
  return `// The service: plain functions. What a caller must handle is a ServiceError; anything else that is thrown ends the process, and the
// cluster starts it again.
import { method, service as define, ServiceError } from "@wherry/service";

interface Greeting {
  readonly name: string;
}

export const service = define("${name}", {
  version: "0.1.0",
  methods: {
    // Give methods that outsiders call an \`input\` schema (zod, valibot, arktype, …): then no wrong body reaches the handler.
    greet: method({${rest}
      idempotent: true,
      handler: (body: Greeting | undefined) => {
        if (typeof body?.name !== "string" || body.name === "")
          throw new ServiceError("${ownCode}", 'expected { "name": "…" }, got none');
        return { text: \`Hello, \${body.name}.\` };
      },
    }),
  },
});
`;
}

const test = `// The service as its clients see it, in memory: no port, no process.
import assert from "node:assert/strict";
import { test } from "node:test";
import { testClient } from "@wherry/service/testing";
import { service } from "./service.ts";

test("greets by name", async (t) => {
  const client = await testClient(service);
  t.after(() => client.close());
  assert.deepEqual(await client.greet({ name: "you" }), { text: "Hello, you." });
});

test("says what is missing", async (t) => {
  const client = await testClient(service);
  t.after(() => client.close());
  await assert.rejects(client.greet({ name: "" }), { code: "${ownCode}" });
});
`;

const nodeVersion = `// Ends with a line that says so when this Node is older than package.json's "engines" asks for. JavaScript: an older one runs it.
import { readFileSync } from "node:fs";

const { name, engines } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const [major, minor = 0] = engines.node.match(/\\d+/g).map(Number);
const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
  console.error(\`\${name} needs Node \${engines.node}, and this is \${process.versions.node}: install a newer one, https://nodejs.org\`);
  process.exit(1);
}
`;

const tsconfig = `${JSON.stringify(
  {
    compilerOptions: {
      target: "es2024",
      lib: ["es2024", "esnext.disposable"],
      module: "nodenext",
      types: ["node"],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
    },
    include: ["*.ts"],
  },
  null,
  2,
)}\n`;

/** The sources, in whatever folder, and what installs; no tests. */
const dockerignore = ({ packed }: ScaffoldOptions): string =>
  [
    ...["*", "!package.json", "!package-lock.json", ...(packed === undefined ? [] : ["!vendor"])],
    ...["!**/*.ts", "**/*.test.ts", "**/node_modules", ""],
  ].join("\n");

const dockerfile = ({
  http,
  packed,
}: ScaffoldOptions): string => `# Two stages: what installs is not what runs. The last one has Node and the service, no shell and no npm.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
${packed === undefined ? "" : "COPY vendor ./vendor\n"}RUN npm ci --omit=dev --no-audit --no-fund
COPY . .

FROM gcr.io/distroless/cc-debian12
WORKDIR /app
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app /app
ENV NODE_ENV=production
# A number: Kubernetes can't check a name for runAsNonRoot.
USER ${nonRootUser}
EXPOSE ${[ports.messaging, ports.admin, ...(http ? [ports.http] : [])].join(" ")}
STOPSIGNAL SIGTERM
# The exec form: node gets the signal itself, and drains.
ENTRYPOINT ["node", "main.ts"]
`;

const manifest = (name: string, { http }: ScaffoldOptions): string =>
  `# As "wherry manifest . --production --replicas 2 --image ${name}:0.1.0" prints it: put your registry before the image's name.\n${yamlOf(
    productionObjects({ name, replicas: 2, http, image: `${name}:0.1.0` }),
  )}`;

const workflow = `name: ci
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
          cache: npm
      - run: npm ci
      - run: npm run check
      - run: npm test
`;

function readme(name: string, { http, packed }: ScaffoldOptions): string {
  const vendor =
    packed === undefined ? "" : `\n\n\`vendor/\` has Wherry's packages, because no registry has them yet: commit it.`;
  const curl = http ? `\ncurl --json '{"name":"you"}' http://127.0.0.1:8080/greet    # when run by npm start` : "";
  return `# ${name}

\`\`\`sh
npm install
npm test                                  # node's own runner, no cluster; needs Node ${oldestNode} or newer
npm run check                             # types
npx wherry up . --detach                  # as a pod of a cluster on this machine
npx wherry call ${name} greet '{"name":"you"}'
npx wherry down${curl}
\`\`\`

\`service.ts\` is the service, \`main.ts\` the program, \`k8s/${name}.yaml\` what a shared cluster gets. The image:
\`docker build -t ${name}:0.1.0 .\`${vendor}
`;
}
