/** Reads Prometheus' text format as far as tests compare it. */

export interface Exposition {
  /** Metric name to `counter`, `gauge` or `histogram`. */
  readonly types: Map<string, string>;
  /** Metric name to its label names, sorted, without a histogram's `le`. */
  readonly labels: Map<string, string[]>;
  /** `name{labels}` as written to its value. */
  readonly samples: Map<string, number>;
}

export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const labels = new Map<string, string[]>();
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line.startsWith("# TYPE ")) {
      const [, , name, type] = line.split(" ");
      types.set(name, type);
    } else if (line !== "" && !line.startsWith("#")) {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) {
        throw new Error(`not a sample: ${line}`);
      }
      const [, sampleName, labelText = "", value] = match;
      samples.set(line.slice(0, line.lastIndexOf(" ")), Number(value));
      const name = types.has(sampleName) ? sampleName : sampleName.replace(/_(?:bucket|sum|count)$/, "");
      const names = [...labelText.matchAll(/(\w+)="/g)].map((label) => label[1]);
      labels.set(name, names.filter((label) => label !== "le").toSorted());
    }
  }
  return { types, labels, samples };
}
