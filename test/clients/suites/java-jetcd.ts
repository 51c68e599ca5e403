/** The client for Java. Its own tests start etcd in containers, so a program of ours uses what it offers. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { command, commandThatMust } from "../command.ts";
import { outcomesOf, tapOutcomes } from "../outcomes.ts";
import type { Suite } from "../suite.ts";
import { makeCertificates, PROGRAMS, SECURE_ADDRESS, secureFlags } from "./secure.ts";

const VERSION = "0.8.7";

export const javaJetcd: Suite = {
  name: "java-jetcd",
  version: `jetcd ${VERSION} (Maven)`,
  tests: "ours",
  tools: ["javac", "mvn", "openssl"],
  flags: secureFlags,
  leftOut: [],
  prepare: async (folder) => {
    await writeFile(path.join(folder, "pom.xml"), POM);
    await commandThatMust(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"], { folder });
    await makeCertificates(folder);
  },
  run: async (folder, store, log) => {
    const program = path.join(PROGRAMS, "JetcdProgram.java");
    await commandThatMust(["javac", "-cp", "jars/*", "-d", "classes", program], { folder, log });
    const java = ["java", "-cp", "classes:jars/*", "JetcdProgram", `127.0.0.1:${store.port}`, SECURE_ADDRESS, folder];
    const { succeeded, output } = await command(java, { folder, log });
    return outcomesOf(succeeded, tapOutcomes(output));
  },
};

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>clients</groupId>
  <artifactId>jetcd-program</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.etcd</groupId>
      <artifactId>jetcd-core</artifactId>
      <version>${VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;
