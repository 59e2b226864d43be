// A subscription as a frame (RFC 29): 1 and the topic to subscribe, 0 and the topic to cancel. XPUB's reader gets it so, XSUB sends
// it so, and ZMTP 3.0 has nothing else.

export function subscriptionFrame(on: boolean, topic: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(1 + topic.length);
  frame[0] = on ? 1 : 0;
  frame.set(topic, 1);
  return frame;
}

/** Is it a subscription? Its topic then begins at 1. */
export function isSubscription(message: readonly Uint8Array[]): boolean {
  const first = message[0]?.[0];
  return message.length === 1 && (first === 0 || first === 1);
}
