// `npm run picture`: runs the README's session on a real terminal, with a state folder of its own, and draws what the
// terminal showed as docs/images/up.svg. Needs `script` (util-linux) for the terminal.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const columns = 104;
const home = mkdtempSync(join(tmpdir(), "wherry-picture-"));
const env = { ...process.env, WHERRY_HOME: home, TERM: "xterm-256color", COLUMNS: String(columns), FORCE_COLOR: "1" };
const wherry = join(root, "node_modules/.bin/wherry");

/** Runs a command on a terminal of `columns`; `until` says when it has shown enough and gets Ctrl-C. */
function onTerminal(command, until) {
  return new Promise((resolve) => {
    const child = spawn("script", ["-qfec", `stty cols ${columns} rows 50; exec ${command}`, "/dev/null"], {
      cwd: root,
      env,
    });
    let shown = "";
    let enough = false;
    child.stdout.setEncoding("utf8").on("data", (text) => {
      if (enough) return;
      shown += text;
      if (until?.test(shown)) {
        enough = true;
        setTimeout(() => child.stdin.write("\x03"), 300);
      }
    });
    child.on("close", () => resolve(shown));
  });
}

const palette = {
  30: "#45475a",
  31: "#f38ba8",
  32: "#a6e3a1",
  33: "#f9e2af",
  34: "#89b4fa",
  35: "#cba6f7",
  36: "#94e2d5",
  37: "#cdd6f4",
};
const escapeXml = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** One terminal line with its colours, as SVG tspans; other control sequences are dropped. */
function spans(line) {
  let style = { colour: "#cdd6f4", bold: false, dim: false };
  let out = "";
  // biome-ignore lint: the escape character is what is looked for
  for (const part of line.split(/(\x1b\[[0-9;?]*[A-Za-z])/)) {
    const sgr = /^\x1b\[([0-9;]*)m$/.exec(part);
    if (sgr === null) {
      if (part !== "" && !part.startsWith("\x1b"))
        out += `<tspan fill="${style.colour}"${style.bold ? ' font-weight="bold"' : ""}${style.dim ? ' opacity="0.6"' : ""}>${escapeXml(part)}</tspan>`;
      continue;
    }
    for (const code of sgr[1].split(";").map(Number)) {
      if (code === 0) style = { colour: "#cdd6f4", bold: false, dim: false };
      else if (code === 1) style = { ...style, bold: true };
      else if (code === 2) style = { ...style, dim: true };
      else if (code === 22) style = { ...style, bold: false, dim: false };
      else if (code === 39) style = { ...style, colour: "#cdd6f4" };
      else if (code >= 90 && code <= 97) style = { ...style, colour: palette[code - 60] };
      else if (palette[code] !== undefined) style = { ...style, colour: palette[code] };
    }
  }
  return out;
}

function svg(text) {
  // What a carriage return wrote over is gone from the terminal, and from the picture.
  const lines = text
    .replaceAll(home, "~/.local/state/wherry")
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\r+$/, ""))
    .map((line) => line.slice(line.lastIndexOf("\r") + 1));
  const [lineHeight, charWidth] = [19, 8.43];
  const height = lines.length * lineHeight + 56;
  const rows = lines.map(
    (line, row) => `<text x="20" y="${58 + row * lineHeight}" xml:space="preserve">${spans(line)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(columns * charWidth + 40)}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">
<rect width="100%" height="100%" rx="10" fill="#1e1e2e"/>
<circle cx="24" cy="22" r="6" fill="#f38ba8"/><circle cx="44" cy="22" r="6" fill="#f9e2af"/><circle cx="64" cy="22" r="6" fill="#a6e3a1"/>
${rows.join("\n")}
</svg>
`;
}

try {
  const prompt = "\x1b[32m$\x1b[0m ";
  const detached = await onTerminal(`${wherry} up examples/echo --replicas 3 --detach`);
  const parts = [`${prompt}npx wherry up examples/echo --replicas 3 --detach\n${detached}`];
  for (const args of [
    "call echo echo hello",
    "call echo echo hi --count 10000 --concurrency 100",
    "kubectl get pods,deployments,services",
  ])
    parts.push(`${prompt}npx wherry ${args}\n${await onTerminal(`${wherry} ${args}`)}`);
  mkdirSync(join(root, "docs/images"), { recursive: true });
  writeFileSync(join(root, "docs/images/up.svg"), svg(parts.join("\n")));
} finally {
  spawnSync(wherry, ["down"], { env, stdio: "inherit" });
  rmSync(home, { recursive: true, force: true });
}
