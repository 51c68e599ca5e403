/** The server's configuration from wherever it is: a command line with the environment, or the file that they name. */
import { type ParsedConfig, configOf, parseConfig } from "./config.ts";
import { ConfigError } from "./settings.ts";

/** @param argv, env as in `parseConfig` */
export async function loadConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Exclude<ParsedConfig, { readonly kind: "file" }>> {
  const parsed = parseConfig(argv, env);
  if (parsed.kind !== "file") return parsed;
  const { path, warnings } = parsed;
  const { readConfigFile } = await import("./config-file.ts");
  try {
    return configOf({ byName: await readConfigFile(path), warnings, file: path });
  } catch (error) {
    if (error instanceof ConfigError) return { kind: "error", message: error.message };
    throw error;
  }
}
