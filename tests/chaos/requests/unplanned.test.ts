// What dies or stands still loses nothing but what it may.
import { briefly } from "./brief.suite.ts";

briefly("death", "stall");
