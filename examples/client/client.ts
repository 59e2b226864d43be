// Calls the echo service, once for each argument: `npx wherry up examples/echo` in one terminal, `node examples/client/client.ts
// hello` in another. Nothing says where the service is: the cluster does, and the calls go to whichever pods are ready.
import { connect, ServiceError } from "@wherry/service";

const client = connect("echo");
try {
  for (const text of process.argv.slice(2)) console.log(await client.call("echo", text, { idempotent: true }));
} catch (error) {
  if (!ServiceError.is(error)) throw error;
  console.error(`${error.code} (${error.fate}): ${error.message}`);
  process.exitCode = 1;
} finally {
  await client.close();
}
