// The server's answers: JSON, or an ApiError with its kind and a message for people.
const GONE =
  "The explorer's server does not answer. Is scripts/explore.py still running? Start it again and open the address that it prints.";

export class ApiError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** True of the error that a superseded request ends with: a page ignores it. */
export const aborted = (error) => error?.name === "AbortError";

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (aborted(error)) throw error;
    throw new ApiError("offline", GONE);
  }
  if (response.ok) return response;
  const said = await response.json().catch((error) => {
    if (aborted(error)) throw error;
    return null; // an answer of something else than the explorer
  });
  const unsaid = `The server answered ${response.status} to ${path.split("?")[0]}.`;
  throw new ApiError(said?.error?.kind ?? "internal", said?.error?.message ?? unsaid);
}

/** "/api/x" and {a: 1, b: null} -> "/api/x?a=1" */
export function address(path, params = {}) {
  const pairs = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(pairs).toString();
  return query ? `${path}?${query}` : path;
}

const send = (body, type, signal) => ({ method: "POST", headers: { "Content-Type": type }, body, signal });

export async function get(path, params, signal) {
  return (await ask(address(path, params), { signal })).json();
}

export async function post(path, body, signal) {
  return (await ask(path, send(JSON.stringify(body), "application/json", signal))).json();
}

/** Numbers that the server sends as little-endian float32. */
export async function floats(path, signal) {
  return new Float32Array(await (await ask(path, { signal })).arrayBuffer());
}

/** A picture's file -> {upload, width, height, picture}. */
export async function upload(file, signal) {
  return (await ask("/api/uploads", send(file, "application/octet-stream", signal))).json();
}

/** The address of an entry's picture at 96, 192, 384 or 768 pixels; null stays null. */
export const sized = (url, size) => url && `${url}${url.includes("?") ? "&" : "?"}size=${size}`;
