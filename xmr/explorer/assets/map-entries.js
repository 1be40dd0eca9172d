// What the points of a map are, asked for once: entries by row, and rows by key.
import { post } from "./api.js";

const AT_ONCE = 500, KEYS_AT_ONCE = 5000;

const chunks = (values, size) => Array.from({ length: Math.ceil(values.length / size) }, (_, at) => values.slice(size * at, size * (at + 1)));

export class Entries {
  constructor(source, method) {
    Object.assign(this, { source, method, known: new Map(), places: new Map() });
  }

  /** Entries of these rows, in their order. */
  async of(rows, signal) {
    const missing = rows.filter((row) => !this.known.has(row));
    for (const part of chunks(missing, AT_ONCE)) {
      const { entries } = await post("/api/map/entries", { source: this.source, method: this.method, rows: part }, signal);
      for (const entry of entries) this.known.set(entry.row, entry);
    }
    return rows.map((row) => this.known.get(row));
  }

  /** Rows of these keys; null for those that the map does not show. */
  async rows(keys, signal) {
    const missing = keys.filter((key) => !this.places.has(key));
    for (const part of chunks(missing, KEYS_AT_ONCE)) {
      const { rows } = await post("/api/map/rows", { source: this.source, method: this.method, keys: part }, signal);
      part.forEach((key, at) => this.places.set(key, rows[at]));
    }
    return keys.map((key) => this.places.get(key));
  }
}
