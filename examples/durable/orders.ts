// An order service that loses no order: each is on the disk before its caller goes on, and runs until it is done. It may run twice, if
// the pod dies in the middle; its key makes that the same as once.
import { DatabaseSync } from "node:sqlite";
import { method, run, service, ServiceError } from "@wherry/service";

const ledger = new DatabaseSync(process.env["LEDGER"] ?? "ledger.db", { timeout: 5000 });
ledger.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS shipped (key TEXT PRIMARY KEY, item TEXT) STRICT");
const ship = ledger.prepare("INSERT INTO shipped VALUES (?, ?) ON CONFLICT DO NOTHING");

export const orders = service("orders", {
  methods: {
    order: method({
      durable: true,
      handler: ({ item }: { item: string }, { key, log }) => {
        if (key === undefined) throw new ServiceError("NO_KEY", "expected an order with a key, got none");
        if (item === "poison") throw new TypeError("nobody thought of this");
        const { changes } = ship.run(key, item);
        log.info({ key, item, again: changes === 0 }, "shipped");
      },
    }),
  },
});

await run(orders);
