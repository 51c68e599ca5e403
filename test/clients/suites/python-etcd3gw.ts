/** OpenStack's client of the JSON gateway. */
import type { Suite } from "../suite.ts";
import { fetchSource, makePython, runPytest } from "./python.ts";

const VERSION = "2.7.0";

export const pythonEtcd3gw: Suite = {
  name: "python-etcd3gw",
  version: `etcd3gw ${VERSION} (PyPI)`,
  tests: "its own",
  tools: ["python3"],
  flags: () => [],
  leftOut: [],
  prepare: async (folder) => {
    await makePython(folder, [`etcd3gw==${VERSION}`, "oslotest==6.0.0", "pytest==9.0.3"]);
    await fetchSource(folder, "etcd3gw", VERSION);
  },
  run: (folder, store, log) =>
    runPytest(pythonEtcd3gw, folder, store, log, ["etcd3gw"], {
      TOOZ_TEST_HTTP_URL: store.url,
      TOOZ_TEST_ETCD_PORT: String(store.port),
    }),
};
