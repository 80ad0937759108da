// SIGHUP, by which a daemon is asked to look at its configuration again.

export type Hangup = {
  /** Until it is disposed; without a listener SIGHUP ends the process. */
  listen(onHangup: () => void): Disposable;
};

export const systemHangup: Hangup = {
  listen: (onHangup) => {
    process.on('SIGHUP', onHangup);
    return { [Symbol.dispose]: () => void process.off('SIGHUP', onHangup) };
  },
};
