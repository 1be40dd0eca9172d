// What is switched off on the map, as parts of its address: groups by short hashes of their names, shapes by their names.
import { SHAPES } from "./map-groups.js";

const ALL_BUT = "-";

/** Six letters and digits that stand for a name, by FNV-1a: labels may be long, and hold any character. */
function token(name) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return (hash >>> 1).toString(36).padStart(6, "0");
}

/** The groups of `names` that are `off`, or where these are fewer all but those that are on; null for none. */
export function writeOff(names, off) {
  const hidden = names.filter((name) => off.has(name)), shown = names.filter((name) => !off.has(name));
  if (hidden.length === 0) return null;
  return hidden.length <= shown.length ? hidden.map(token).join("") : ALL_BUT + shown.map(token).join("");
}

/** Those of `names` that `writeOff` wrote; anything else in an address hides nothing. */
export function readOff(text, names) {
  if (!text || !/^-?(?:[0-9a-z]{6})*$/.test(text)) return new Set();
  const tokens = new Set(text.match(/[0-9a-z]{6}/g)), isOn = text.startsWith(ALL_BUT);
  return new Set(names.filter((name) => tokens.has(token(name)) !== isOn));
}

/** Shapes that are switched off: "text", "image.text". */
export const writeWithout = (shapes) => SHAPES.filter((name) => shapes.has(name)).join(".") || null;
export const readWithout = (text) => new Set((text ?? "").split(".").filter((name) => SHAPES.includes(name)));
