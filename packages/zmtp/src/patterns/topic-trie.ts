// Who wants messages that begin with which bytes: a radix tree, so that a message is matched in one walk along its first frame, however
// many topics there are. Knows nothing of sockets. An edge holds as many bytes as all topics below it share: memory grows with
// the topics, not with their length.

interface Node<T> {
  /** The bytes between the parent's prefix and this node's; empty only at the root. */
  label: Uint8Array;
  /** By the first byte of the label. */
  children: Map<number, Node<T>> | undefined;
  /** Who subscribed to exactly this prefix. */
  readonly subscribers: Set<T>;
}

export class TopicTrie<T> {
  readonly #root: Node<T> = newNode(new Uint8Array(0));

  /** Adds a subscriber to a topic; a second time changes nothing. @returns whether it is the topic's first. */
  add(topic: Uint8Array, subscriber: T): boolean {
    const { subscribers } = this.#make(topic);
    const first = subscribers.size === 0;
    subscribers.add(subscriber);
    return first;
  }

  /** @returns whether it was there, and was the topic's last. */
  remove(topic: Uint8Array, subscriber: T): boolean {
    const path = this.#path(topic);
    const node = path?.at(-1);
    if (path === undefined || node?.subscribers.delete(subscriber) !== true) return false;
    if (node.subscribers.size > 0) return false;
    prune(path);
    return true;
  }

  /** Calls `found` for each subscription that `topic` begins with; a subscriber with several is found several times. */
  match(topic: Uint8Array, found: (subscriber: T) => void): void {
    let at = 0;
    for (let node: Node<T> | undefined = this.#root; node !== undefined; node = next(node, topic, at)) {
      at += node.label.length;
      for (const subscriber of node.subscribers) found(subscriber);
    }
  }

  /** Does `topic` begin with any subscription? */
  matches(topic: Uint8Array): boolean {
    let at = 0;
    for (let node: Node<T> | undefined = this.#root; node !== undefined; node = next(node, topic, at)) {
      at += node.label.length;
      if (node.subscribers.size > 0) return true;
    }
    return false;
  }

  /** Nodes besides the root, for a test: nothing may be left behind by what was removed. */
  get size(): number {
    return count(this.#root) - 1;
  }

  /** The node of a topic, made with the edges that lead to it. */
  #make(topic: Uint8Array): Node<T> {
    let node = this.#root;
    for (let at = 0; at < topic.length; at += node.label.length) {
      const children = (node.children ??= new Map<number, Node<T>>());
      const byte = topic[at] ?? 0;
      const child = children.get(byte);
      // Copied: the topic may be a view of a chunk that came from the network.
      node =
        child === undefined
          ? newNode<T>(new Uint8Array(topic.subarray(at)))
          : splitAfter(child, sharedBytes(topic, at, child.label));
      children.set(byte, node);
    }
    return node;
  }

  /** The nodes from the root to the topic's own; undefined when it has none. */
  #path(topic: Uint8Array): Node<T>[] | undefined {
    const path = [this.#root];
    let node = this.#root;
    for (let at = 0; at < topic.length; at += node.label.length) {
      const child = next(node, topic, at);
      if (child === undefined) return undefined;
      path.push(child);
      node = child;
    }
    return path;
  }
}

function newNode<T>(label: Uint8Array): Node<T> {
  return { label, children: undefined, subscribers: new Set() };
}

/** The child that the topic, from `at` on, leads to. */
function next<T>(node: Node<T>, topic: Uint8Array, at: number): Node<T> | undefined {
  if (node.children === undefined || at === topic.length) return undefined;
  const child = node.children.get(topic[at] ?? 0);
  return child !== undefined && beginsWith(topic, at, child.label) ? child : undefined;
}

/** The node itself, or, when fewer bytes of its label are shared, a new one for these that leads to it. */
function splitAfter<T>(node: Node<T>, shared: number): Node<T> {
  if (shared === node.label.length) return node;
  const upper = newNode<T>(node.label.slice(0, shared));
  node.label = node.label.slice(shared);
  upper.children = new Map([[node.label[0] ?? 0, node]]);
  return upper;
}

/** Takes nodes without use away from the path's end, and joins one that merely leads to a single child with it. */
function prune<T>(path: readonly Node<T>[]): void {
  for (let index = path.length - 1; index > 0; index--) {
    const node = path[index];
    const parent = path[index - 1];
    if (node === undefined || parent === undefined || node.subscribers.size > 0) return;
    const first = node.label[0] ?? 0;
    if (node.children === undefined || node.children.size === 0) {
      parent.children?.delete(first);
      if (parent.children?.size === 0) parent.children = undefined;
      continue;
    }
    if (node.children.size > 1) return;
    for (const only of node.children.values()) {
      const label = new Uint8Array(node.label.length + only.label.length);
      label.set(node.label);
      label.set(only.label, node.label.length);
      only.label = label;
      parent.children?.set(first, only);
    }
    return;
  }
}

function count<T>(node: Node<T>): number {
  let nodes = 1;
  for (const child of node.children?.values() ?? []) nodes += count(child);
  return nodes;
}

function beginsWith(topic: Uint8Array, at: number, label: Uint8Array): boolean {
  return topic.length - at >= label.length && sharedBytes(topic, at, label) === label.length;
}

/** How many bytes from `at` on are the label's. */
function sharedBytes(topic: Uint8Array, at: number, label: Uint8Array): number {
  const most = Math.min(label.length, topic.length - at);
  let shared = 0;
  while (shared < most && topic[at + shared] === label[shared]) shared++;
  return shared;
}
