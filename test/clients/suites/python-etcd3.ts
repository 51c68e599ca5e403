/** The oldest and most used client for Python. Its last release is of 2020, so what it is tested with is of that time. */
import type { Suite } from "../suite.ts";
import { fetchSource, makePython, runPytest } from "./python.ts";

const VERSION = "0.12.0";
const FILE = "tests/test_etcd3.py";

export const pythonEtcd3: Suite = {
  name: "python-etcd3",
  version: `etcd3 ${VERSION} (PyPI)`,
  tests: "its own",
  tools: ["python3"],
  flags: () => [],
  leftOut: [
    {
      why: "stop two of three members",
      tests: [`${FILE}::TestEtcd3::test_get_key_serializable`, `${FILE}::TestEtcd3::test_get_prefix_serializable`],
    },
    { why: "expects three members", tests: [`${FILE}::TestEtcd3::test_member_list`] },
    { why: "mocks a module that is not there", tests: [`${FILE}::TestClient::test_user_pwd_auth`] },
  ],
  prepare: async (folder) => {
    await makePython(folder, [
      `etcd3==${VERSION}`,
      "protobuf==3.20.3",
      "tenacity==6.1.0",
      "hypothesis==5.35.4",
      "mock==5.2.0",
      "pytest==9.0.3",
    ]);
    await fetchSource(folder, "etcd3", VERSION);
  },
  run: (folder, store, log) =>
    runPytest(pythonEtcd3, folder, store, log, ["tests"], {
      TEST_ETCD_VERSION: "v3.7.3",
      PYTHON_ETCD_HTTP_URL: store.url,
    }),
};
