// What is planned loses nothing at all.
import { briefly } from "./brief.suite.ts";

briefly("planned");
