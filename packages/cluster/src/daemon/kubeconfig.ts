// The kubeconfig that `wherry kubeconfig` names: server, CA and admin token inline, 0600. Written as JSON, which is YAML.
import { writeFileAtomic } from "./state.ts";

export interface KubeconfigContent {
  readonly name: string;
  readonly server: string;
  readonly caCertificate: string;
  readonly token: string;
}

/** https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ */
export function kubeconfigText(content: KubeconfigContent): string {
  const id = `wherry-${content.name}`;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: id,
        cluster: {
          server: content.server,
          "certificate-authority-data": Buffer.from(content.caCertificate).toString("base64"),
        },
      },
    ],
    users: [{ name: id, user: { token: content.token } }],
    contexts: [{ name: id, context: { cluster: id, user: id, namespace: "default" } }],
    "current-context": id,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

export function writeKubeconfig(path: string, content: KubeconfigContent): void {
  writeFileAtomic(path, kubeconfigText(content));
}
