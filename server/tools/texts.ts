/** Sizes and times as a person reads them. */

/** `37 B`, `4 KiB`, `3.2 MiB`, `1.1 GiB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_024 ** 2) return `${Math.round(bytes / 1_024)} KiB`;
  return bytes < 1_024 ** 3 ? `${(bytes / 1_024 ** 2).toFixed(1)} MiB` : `${(bytes / 1_024 ** 3).toFixed(1)} GiB`;
}

/** `850 ms`, `3.2 s`, `4 min`, `3 h`, `2 d`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
