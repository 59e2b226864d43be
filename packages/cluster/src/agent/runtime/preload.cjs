// Loaded first into every Node program of a pod (NODE_OPTIONS=--require). It gives the program what a container's network
// namespace would: "all addresses" means the pod's own, and Service names resolve. Plain JavaScript for Node 18 and newer; it
// does nothing outside a pod, never throws, and loads nothing but built-in modules.
"use strict";

const podIP = process.env.POD_IP;
const hostsFile = process.env.WHERRY_HOSTS;
const namespace = process.env.POD_NAMESPACE || "default";

if (podIP) bindToPod(require("node:net"), require("node:dgram"));
if (hostsFile) resolveServices(require("node:dns"), require("node:fs"));
if (podIP || hostsFile) require("node:module").syncBuiltinESMExports();

function unspecified(host) {
  return host === undefined || host === null || host === "" || host === "0.0.0.0" || host === "::" || host === "[::]";
}

/** server.listen() in each of its forms: (), (port[, host][, backlog]), ({ port, host }), but not paths, handles and descriptors. */
function bindToPod(net, dgram) {
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (...args) {
    const first = args[0];
    if (args.length === 0 || typeof first === "function") args.unshift({ port: 0, host: podIP });
    else if (first === undefined || first === null || typeof first === "number" || /^\d+$/.test(String(first))) {
      if (typeof args[1] === "string") args[1] = unspecified(args[1]) ? podIP : args[1];
      else if (args[1] === undefined || args[1] === null) args.splice(1, args.length > 1 ? 1 : 0, podIP);
      else args.splice(1, 0, podIP);
      if (first === undefined || first === null) args[0] = 0;
    } else if (
      typeof first === "object" &&
      "port" in first &&
      first.path === undefined &&
      first.fd === undefined &&
      !("_handle" in first)
    ) {
      if (unspecified(first.host)) args[0] = { ...first, host: podIP };
    }
    return listen.apply(this, args);
  };
  const bind = dgram.Socket.prototype.bind;
  dgram.Socket.prototype.bind = function (...args) {
    const first = args[0];
    if (typeof first === "object" && first !== null) {
      if (unspecified(first.address) && first.fd === undefined) args[0] = { ...first, address: podIP };
    } else if (typeof first === "number" && (args[1] === undefined || typeof args[1] === "function"))
      args.splice(1, 0, podIP);
    else if (typeof first === "number" && unspecified(args[1])) args[1] = podIP;
    return bind.apply(this, args);
  };
}

/** dns.lookup (and so net.connect, http, fetch) of `<svc>`, `<svc>.<ns>`, `<svc>.<ns>.svc` and `<svc>.<ns>.svc.cluster.local`. */
function resolveServices(dns, fs) {
  const lookup = dns.lookup;
  const lookupPromise = dns.promises.lookup;
  dns.lookup = function (hostname, options, callback) {
    const done = typeof options === "function" ? options : callback;
    const addresses = typeof done === "function" ? find(hostname, familyOf(options)) : undefined;
    if (addresses === undefined) return lookup.apply(dns, arguments);
    if (wantsAll(options)) process.nextTick(done, null, addresses);
    else process.nextTick(done, null, addresses[0].address, 4);
    return {};
  };
  // util.promisify(dns.lookup) must go on answering an object.
  Object.defineProperty(dns.lookup, require("node:util").promisify.custom, {
    value: (name, options) => dns.promises.lookup(name, options),
  });
  dns.promises.lookup = async function (hostname, options) {
    const addresses = find(hostname, familyOf(options));
    if (addresses === undefined) return await lookupPromise.call(dns.promises, hostname, options);
    return wantsAll(options) ? addresses : addresses[0];
  };

  function wantsAll(options) {
    return typeof options === "object" && options !== null && options.all === true;
  }

  function familyOf(options) {
    const family = typeof options === "number" ? options : options && typeof options === "object" ? options.family : 0;
    return family === 6 || family === "IPv6" ? 6 : 4;
  }

  /** Reads the file anew each time: it is small, and Services come and go. */
  function find(hostname, family) {
    if (typeof hostname !== "string" || family === 6) return undefined;
    const name = hostname.toLowerCase().replace(/\.$/, "");
    const parts = name.replace(/\.svc(\.cluster\.local)?$/, "").split(".");
    if (name === "" || parts.length > 2 || name === "localhost") return undefined;
    const wanted = `${parts[0]}.${parts[1] || namespace}.svc.cluster.local`;
    let text;
    try {
      text = fs.readFileSync(hostsFile, "utf8");
    } catch {
      return undefined;
    }
    const addresses = [];
    for (const line of text.split("\n")) {
      const [address, host] = line.split(" ");
      if (host === wanted) addresses.push({ address, family: 4 });
    }
    return addresses.length === 0 ? undefined : addresses;
  }
}
