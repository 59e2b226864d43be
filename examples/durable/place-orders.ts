// Places an order for each argument: `node examples/durable/place-orders.ts boat oar`. No pod needs to live: `npx wherry up
// examples/durable/orders.ts` may come later. The same order twice, within ten minutes, is one.
import { connect } from "@wherry/service";

const client = connect("orders", { durable: ["order"] });
try {
  await Promise.all(
    process.argv.slice(2).map(async (item) => {
      const { duplicate } = (await client.call("order", { item }, { key: `order-${item}` })) as { duplicate: boolean };
      console.log(`${item}: ${duplicate ? "was placed before" : "placed"}`);
    }),
  );
} finally {
  await client.close();
}
