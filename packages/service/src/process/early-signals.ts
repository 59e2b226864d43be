// From the import of this package until `run` takes over, SIGTERM and SIGINT end the process. That is Node's own default, but
// not for the first process of a container: the kernel gives PID 1 no default, and a pod told to stop while its modules load
// would sit out its whole grace period. First of the package's imports, and without imports of its own.
// Never in the way of another listener: a program that only calls services, or brings its own handlers, keeps them.

const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const;

function end(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  process.removeListener(signal, end);
  // What the signal does by default, so that a shell sees it as always; where there is no default, the code that means it.
  process.kill(process.pid, signal);
  process.exit(exitCodes[signal as keyof typeof exitCodes]);
}

for (const signal of Object.keys(exitCodes)) process.on(signal, end);
