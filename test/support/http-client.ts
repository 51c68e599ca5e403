/** Plain HTTP/1.1 for tests: paths and bodies go out as they are given, whatever they are. */
import { once } from "node:events";
import { Agent, request as sendRequest } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

export interface HttpCall {
  /** POST unless given. */
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export class HttpClient {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  /** The answer when its head has come. */
  async open({ method = "POST", path, headers = {}, body = "" }: HttpCall): Promise<IncomingMessage> {
    const { hostname, port } = new URL(this.#url);
    // Node leaves it out where a method seldom has a body.
    const length = { "content-length": Buffer.byteLength(body) };
    const options = { hostname, port, method, path, headers: { ...length, ...headers }, agent: this.#agent };
    const request = sendRequest(options);
    request.end(body);
    // `once` rejects when there is an error in place of an answer.
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response;
  }

  async call(call: HttpCall): Promise<HttpAnswer> {
    const response = await this.open(call);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
  }

  close(): void {
    this.#agent.destroy();
  }
}
