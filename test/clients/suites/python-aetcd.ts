/** The client for Python's asyncio. */
import type { Suite } from "../suite.ts";
import { fetchSource, makePython, runPytest } from "./python.ts";

const VERSION = "1.0.0";

export const pythonAetcd: Suite = {
  name: "python-aetcd",
  version: `aetcd ${VERSION} (PyPI)`,
  tests: "its own",
  tools: ["python3"],
  flags: () => [],
  leftOut: [],
  prepare: async (folder) => {
    await makePython(folder, [
      `aetcd==${VERSION}`,
      "pytest-asyncio==1.3.0",
      "pytest-cov==7.1.0",
      "pytest-mock==3.15.1",
      "pytest==9.0.3",
    ]);
    await fetchSource(folder, "aetcd", VERSION);
  },
  run: (folder, store, log) => runPytest(pythonAetcd, folder, store, log, ["tests"], { TEST_ETCD_HTTP_URL: store.url }),
};
