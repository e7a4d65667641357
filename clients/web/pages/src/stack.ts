/** The local stack, as its pages see it (infra/local/README.md, "The inspector"). */

interface Config {
  ws_url?: string;
  page_config?: { token_keys?: string };
}

/** An event of the stack. */
export interface StackEvent {
  type: string;
  at_ms: number;
  function?: string;
  process?: number;
  request_id?: string;
  queue?: string;
  group?: string;
  connection_id?: string;
  by?: string;
  outcome?: string;
  status?: string;
  reason?: string;
  duration_ms?: number;
  body?: string;
  count?: number;
  message_id?: string;
  receive_count?: number;
}

const query = new URLSearchParams(location.search);
let config: Promise<Config> | undefined;

function readConfig(): Promise<Config> {
  config ??= fetch("/_local/config").then((response) => {
    if (!response.ok) throw new Error(`the local stack answered ${response.status}`);
    return response.json();
  });
  return config;
}

/** The address of the WebSocket API. */
export async function socketUrl(): Promise<string> {
  const given = query.get("ws");
  if (given) return given;
  const { ws_url } = await readConfig();
  if (!ws_url) throw new Error("this stack has no WebSocket API");
  return ws_url;
}

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** How long a token of these pages lasts. */
export const TOKEN_S = 3_600;

/** Signs a token with the development key of this stack. */
export async function signToken(user: string): Promise<string> {
  const { page_config } = await readConfig();
  if (!page_config?.token_keys) throw new Error("this stack gives its pages no key to sign with");
  const [kid, secret] = Object.entries<string>(JSON.parse(page_config.token_keys))[0]!;
  const bytes = Uint8Array.from(atob(secret.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + TOKEN_S };
  const signed = `${base64Url(text({ alg: "HS256", typ: "JWT", kid }))}.${base64Url(text(claims))}`;
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return `${signed}.${base64Url(new Uint8Array(signature))}`;
}

/** Reads the stream of events. `wants` sees the raw text first, so that a busy stream costs little. */
export function readEvents(
  types: string[],
  wants: (text: string) => boolean,
  read: (event: StackEvent) => void,
  changed: (isOpen: boolean) => void,
): void {
  const source = new EventSource(`/_local/events?types=${types.join()}`);
  source.onopen = () => changed(true);
  source.onerror = () => changed(false);
  source.onmessage = ({ data }) => {
    if (wants(data)) read(JSON.parse(data));
  };
}

/** The latest log lines with a text, or of a request. */
export async function readLogs(text: string): Promise<string[]> {
  const response = await fetch(`/_local/logs?limit=40&q=${encodeURIComponent(text)}`);
  if (!response.ok) throw new Error(await response.text());
  const lines: { function: string; text: string }[] = await response.json();
  return lines.map((line) => `${line.function}  ${line.text}`);
}

/** The faults on demand that are set. */
export async function readFaults(): Promise<string> {
  return (await (await fetch("/_local/faults")).json()).spec;
}

/** Sets the faults on demand, even while the page ends. */
export async function setFaults(spec: string): Promise<void> {
  const response = await fetch("/_local/faults", { method: "PUT", body: spec, keepalive: true });
  if (!response.ok) throw new Error(await response.text());
}

/** Kills a process of a function. Returns its process id. */
export async function killFunction(name: string): Promise<number | null> {
  const response = await fetch(`/_local/functions/${name}/kill`, { method: "POST" });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).killed;
}
