// Runs before every test file: a failing property's seed, printed by fast-check, can be given back as FC_SEED.
import fc from "fast-check";

const seed = process.env["FC_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });
